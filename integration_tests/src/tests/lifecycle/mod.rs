//! create, start, state, kill, delete, run, list, ps.

mod order;

pub(super) fn tests() -> Vec<super::Test> {
    [order::tests()].concat()
}
