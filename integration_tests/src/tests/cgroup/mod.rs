//! Membership and limits.

mod limits;
mod membership;
mod update;

pub(super) use limits::file;

pub(super) fn tests() -> Vec<super::Test> {
    [membership::tests(), limits::tests(), update::tests()].concat()
}
