//! The processes inside a container, and how they are made.

/// Runs this process as the init or an exec'd process of a container, up to the
/// user's program; it never comes back.
///
/// A program that uses this library to create containers calls this before
/// anything else when its `argv[0]` is `lodge-init`.
#[expect(clippy::exit, reason = "there is no caller to go back to")]
pub fn init_stage() -> ! {
    std::process::exit(1)
}
