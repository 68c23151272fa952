//! Containers by a pattern in place of an id.

use libcontainer::error::{Error, ErrorKind};
use libcontainer::{Result, lifecycle};
use regex_lite::Regex;

use crate::args::{Opt, Words};
use crate::session::Session;

/// The option of the commands that take one.
pub(super) const REGEX: Opt = Opt::switch(
    "regex",
    "take the id for a regular expression, and every container whose id it is found in",
)
.short('r');

/// Does something with the container that is named, or with each one that the pattern
/// is found in. All are tried; the first failure is given.
pub(super) fn each(
    session: &Session,
    words: &Words,
    mut act: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    if !words.switch(REGEX.long) {
        return act(words.arg(0));
    }
    let pattern = Regex::new(words.arg(0)).map_err(|error| {
        let fault = error.to_string();
        let fault = fault.lines().last().unwrap_or_default();
        let fault = fault.strip_prefix("error: ").unwrap_or(fault);
        let text = format!("--regex: bad pattern {:?}: {fault}", words.arg(0));
        Error::new(ErrorKind::InvalidConfig, text)
    })?;
    let mut failed = None;
    for container in lifecycle::list(&session.root)?.containers {
        if pattern.is_match(&container.id)
            && let Err(error) = act(&container.id)
        {
            log::debug!("{error}");
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), Err)
}
