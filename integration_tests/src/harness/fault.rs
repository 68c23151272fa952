//! How a test ends, and the few checks that all tests use.

use std::fmt::{self, Debug, Display};
use std::panic::Location;
use std::time::{Duration, Instant};

/// Why a test did not pass.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What was seen is not what was wanted.
    Failed(String),
    /// This host lacks what the test needs; the text says what.
    Skipped(String),
}

/// The end of a test, or of a step of one.
pub(crate) type Outcome<T = ()> = Result<T, Fault>;

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Skipped(text) => f.write_str(text),
        }
    }
}

impl Fault {
    /// A failure at the caller's line.
    #[track_caller]
    pub(crate) fn failed(text: impl Display) -> Self {
        let place = Location::caller();
        Self::Failed(format!("{}:{}: {text}", place.file(), place.line()))
    }
}

/// `?` on an operating-system call or a parse is a failure of the test at that
/// line.
impl<E: std::error::Error> From<E> for Fault {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

/// Ends the test as skipped.
pub(crate) fn skip<T>(reason: impl Display) -> Outcome<T> {
    Err(Fault::Skipped(reason.to_string()))
}

/// `seen` must equal `wanted`.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers name the wanted value on the spot"
)]
pub(crate) fn same<A, B>(what: &str, seen: A, wanted: B) -> Outcome
where
    A: PartialEq<B> + Debug,
    B: Debug,
{
    if seen == wanted {
        return Ok(());
    }
    Err(Fault::failed(format!(
        "{what}: seen {seen:?}, wanted {wanted:?}"
    )))
}

/// A condition that must hold.
#[track_caller]
pub(crate) fn holds(what: impl Display, condition: bool) -> Outcome {
    if condition {
        return Ok(());
    }
    Err(Fault::failed(format!("does not hold: {what}")))
}

/// `text` must contain `part`.
#[track_caller]
pub(crate) fn has(text: &str, part: &str) -> Outcome {
    if text.contains(part) {
        return Ok(());
    }
    Err(Fault::failed(format!("{part:?} is not in {text:?}")))
}

/// `text` must not contain `part`.
#[track_caller]
pub(crate) fn lacks(text: &str, part: &str) -> Outcome {
    if text.contains(part) {
        return Err(Fault::failed(format!("{part:?} is in {text:?}")));
    }
    Ok(())
}

/// How much longer everything may take here than on a machine: an emulated guest is
/// slow, and says so.
pub(crate) fn patience() -> u32 {
    let factor = std::env::var("LODGE_TEST_PATIENCE").ok();
    factor.and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// Asks again until `condition` holds, for ten seconds at most: for what the
/// kernel does after a call returned (a signalled process ends, an orphan is
/// reaped).
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> Outcome<bool>) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(10) * patience();
    loop {
        if condition()? {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Fault::failed(format!("never held: {what}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
