//! A debug build dies where it is told to: `LODGE_KILL_AT_STEP=N` kills it with
//! SIGKILL at the Nth step of making a container, for tests of what is left then.

/// Between two steps; `done` is what was done last.
#[cfg(debug_assertions)]
pub(super) fn step(done: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static STEPS: AtomicU32 = AtomicU32::new(0);
    let asked = std::env::var("LODGE_KILL_AT_STEP")
        .ok()
        .and_then(|text| text.parse::<u32>().ok());
    let count = STEPS.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    if asked == Some(count) {
        log::debug!("killed at step {count}: {done}");
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

/// A release build has no such steps.
#[cfg(not(debug_assertions))]
pub(super) const fn step(_done: &str) {}
