//! Docker Engine, with lodge as the daemon's default runtime.

mod daemon;
mod files;
mod identity;
mod images;
mod limits;
mod namespaces;
mod networks;
mod running;
mod terminal;

pub(super) fn tests() -> Vec<crate::tests::Test> {
    [
        images::tests(),
        running::tests(),
        terminal::tests(),
        files::tests(),
        identity::tests(),
        limits::tests(),
        namespaces::tests(),
        networks::tests(),
        daemon::tests(),
    ]
    .concat()
}
