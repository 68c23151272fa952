//! Namespaces: new, joined, inherited; and what only makes sense inside one.

mod host_mounts;
mod joined;
mod kinds;
mod user;

pub(super) fn tests() -> Vec<super::Test> {
    [
        kinds::tests(),
        host_mounts::tests(),
        joined::tests(),
        user::tests(),
    ]
    .concat()
}
