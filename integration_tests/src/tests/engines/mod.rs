//! Real engines with this runtime, each on an island ([`crate::harness::Island`])
//! with lodge installed by `hack/install`, used as people use them.

mod buildah;
mod docker;
mod podman;
mod soak;

pub(super) fn tests() -> Vec<super::Test> {
    [
        docker::tests(),
        podman::tests(),
        buildah::tests(),
        soak::tests(),
    ]
    .concat()
}
