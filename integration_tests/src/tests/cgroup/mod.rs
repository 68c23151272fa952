//! Membership and limits.

mod limits;
mod membership;

pub(super) fn tests() -> Vec<super::Test> {
    [membership::tests(), limits::tests()].concat()
}
