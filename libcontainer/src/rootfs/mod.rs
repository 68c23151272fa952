//! The root file system: made in a mount namespace of its own, then entered.

mod console;
mod dev;
mod enter;
mod made;
mod masked;
mod null;
mod on_host;
mod prepare;
mod sysctl;

pub(crate) use console::bind_console;
pub(crate) use dev::make_devices;
pub(crate) use enter::{chroot_into, enter, enter_on_host};
pub(crate) use made::MadeMounts;
pub(crate) use masked::{mask, protect};
pub(crate) use null::take_own_null;
pub(crate) use on_host::{HostMount, bind_on_host, open_on_host};
pub(crate) use prepare::{check, prepare};
pub(crate) use sysctl::set_sysctls;
