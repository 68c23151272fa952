//! exec: one more process in a container.

mod attributes;
mod options;
mod outcome;

pub(super) fn tests() -> Vec<super::Test> {
    [outcome::tests(), attributes::tests(), options::tests()].concat()
}
