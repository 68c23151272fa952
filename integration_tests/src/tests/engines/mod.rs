//! Real engines with this runtime, each on an island ([`crate::harness::Island`])
//! with lodge installed by `hack/install`, used as people use them.

mod docker;
mod soak;

pub(super) fn tests() -> Vec<super::Test> {
    [docker::tests(), soak::tests()].concat()
}
