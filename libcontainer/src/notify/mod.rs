//! Readiness that a program in a container tells by sd_notify(3), passed on to the
//! service manager that started us.

mod ear;
mod manager;

pub(crate) use ear::Ear;
pub(crate) use manager::Manager;
