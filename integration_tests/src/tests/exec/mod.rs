//! exec: one more process in a container.

mod options;
mod outcome;

pub(super) fn tests() -> Vec<super::Test> {
    [outcome::tests(), options::tests()].concat()
}
