//! Containers as a caller sees them: where they are kept, their status, their
//! state document.

mod caller;
mod features;
mod id;
mod root;
mod status;
mod time;

pub use caller::Caller;
pub use features::features;
pub use id::ContainerId;
pub use root::StateRoot;
pub use status::{StateDocument, Status};
pub use time::{rfc3339, rfc3339_nanos};
