//! Bad input: each fault ends in one line that names it, exit 1, and nothing
//! left behind.

mod annotations;
mod check;
mod config;
mod host;

pub(super) fn tests() -> Vec<super::Test> {
    [
        check::tests(),
        config::tests(),
        annotations::tests(),
        host::tests(),
    ]
    .concat()
}
