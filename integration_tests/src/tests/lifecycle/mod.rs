//! create, start, state, kill, delete, run, list, ps.

mod documents;
mod kill;
mod order;
mod words;

pub(super) fn tests() -> Vec<super::Test> {
    [
        order::tests(),
        kill::tests(),
        documents::tests(),
        words::tests(),
    ]
    .concat()
}
