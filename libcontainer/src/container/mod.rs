//! Containers as a caller sees them: where they are kept, their status, their
//! state document.

mod caller;
mod id;
mod root;
mod status;

pub use caller::Caller;
pub use id::ContainerId;
pub use root::StateRoot;
pub use status::{StateDocument, Status};
