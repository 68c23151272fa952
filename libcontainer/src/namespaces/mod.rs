//! Which namespaces a container has of its own, which it joins, which it shares
//! with the runtime.

mod kind;
mod plan;

pub use kind::Kind;
pub use plan::{NamespacePlan, plan};
