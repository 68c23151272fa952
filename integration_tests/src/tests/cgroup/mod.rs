//! Membership and limits.

mod events;
mod limits;
mod membership;
mod update;

pub(super) use limits::file;

pub(super) fn tests() -> Vec<super::Test> {
    [
        membership::tests(),
        limits::tests(),
        update::tests(),
        events::tests(),
    ]
    .concat()
}
