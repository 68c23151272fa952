//! Membership and limits.

mod crowds;
mod delegated;
mod events;
mod freezer;
mod limits;
mod membership;
mod occupied;
mod resources;
mod update;

pub(super) use limits::file;

pub(super) fn tests() -> Vec<super::Test> {
    [
        membership::tests(),
        occupied::tests(),
        crowds::tests(),
        limits::tests(),
        freezer::tests(),
        resources::tests(),
        delegated::tests(),
        update::tests(),
        events::tests(),
    ]
    .concat()
}
