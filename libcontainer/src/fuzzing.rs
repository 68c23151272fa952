//! What cargo-fuzz drives: each function takes any bytes, and must neither panic,
//! nor hang, nor take memory without bound.
//!
//! The corpora lie in `fuzz/corpus`, a folder a target. A plain test run goes through
//! them too, so that what was found once stays mended.

pub use targets::*;

#[expect(missing_docs, reason = "the functions they call say what has to hold")]
mod targets {
    pub fn config(data: &[u8]) {
        crate::plan::fuzz::config(data);
    }

    pub fn documents(data: &[u8]) {
        crate::plan::fuzz::documents(data);
    }

    pub fn state(data: &[u8]) {
        crate::state::fuzz::record(data);
        crate::state::fuzz::tenant(data);
    }

    pub fn protocol(data: &[u8]) {
        crate::process::fuzz::protocol(data);
    }

    pub fn seccomp(data: &[u8]) {
        crate::seccomp::fuzz::profile(data);
    }

    pub fn users(data: &[u8]) {
        crate::process::fuzz::users(data);
    }

    pub fn mounts(data: &[u8]) {
        crate::cgroups::fuzz::mounts(data);
    }

    pub fn dbus(data: &[u8]) {
        crate::dbus::fuzz::message(data);
        crate::dbus::fuzz::text(data);
    }

    pub fn netlink(data: &[u8]) {
        crate::netlink::fuzz::answer(data);
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a corpus that cannot be read fails the test"
)]
mod tests {
    use std::fs;
    use std::path::Path;

    fn goes_through(target: &str, fuzz: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let mut files = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            fuzz(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} is empty", folder.display());
        fuzz(b"");
    }

    macro_rules! corpora {
        ($($target:ident),*) => {$(
            #[test]
            fn $target() {
                goes_through(stringify!($target), super::$target);
            }
        )*};
    }

    corpora!(
        config, documents, state, protocol, seccomp, users, mounts, dbus, netlink
    );
}
