//! Bad input: each fault ends in one line that names it, exit 1, and nothing
//! left behind.

mod annotations;
mod config;
mod host;

pub(super) fn tests() -> Vec<super::Test> {
    [config::tests(), annotations::tests(), host::tests()].concat()
}
