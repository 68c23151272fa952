//! What config.json's `process` asks for.

mod attributes;
mod credentials;
mod descriptors;
mod program;

pub(super) fn tests() -> Vec<super::Test> {
    [
        program::tests(),
        credentials::tests(),
        attributes::tests(),
        descriptors::tests(),
    ]
    .concat()
}
