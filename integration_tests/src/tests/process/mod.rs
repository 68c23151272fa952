//! What config.json's `process` asks for.

mod attributes;
mod credentials;
mod descriptors;
mod program;
mod readiness;

pub(super) fn tests() -> Vec<super::Test> {
    [
        program::tests(),
        credentials::tests(),
        attributes::tests(),
        descriptors::tests(),
        readiness::tests(),
    ]
    .concat()
}
