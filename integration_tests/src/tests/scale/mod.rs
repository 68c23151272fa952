//! What a call costs, counted: system calls, mounts, superblocks. Seconds say more
//! of the host than of the runtime.

mod growth;
mod waste;

pub(super) fn tests() -> Vec<super::Test> {
    [growth::tests(), waste::tests()].concat()
}
