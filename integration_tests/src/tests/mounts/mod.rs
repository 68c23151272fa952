//! What config.json's `mounts` asks for, and what hides parts of it.

mod bind;
mod destination;
mod filesystems;
mod hidden;
mod idmapped;
mod propagation;

pub(super) fn tests() -> Vec<super::Test> {
    [
        bind::tests(),
        destination::tests(),
        filesystems::tests(),
        hidden::tests(),
        idmapped::tests(),
        propagation::tests(),
    ]
    .concat()
}
