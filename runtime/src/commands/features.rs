//! `features`.

use libcontainer::Result;
use libcontainer::container::features;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::Exit;
use serde::Serialize as _;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

use crate::args::{Arity, Command, Grammar, Words};
use crate::report::stdout;
use crate::session::Session;
use crate::version::VERSION;

pub(super) static FEATURES: Command = Command {
    name: "features",
    about: "print what this program implements",
    usage: "",
    description: "\
Prints what this program implements as JSON (runtime-spec, \"Features Structure\").
It says nothing about the host.",
    options: &[],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(0),
    failure: 1,
    listed: true,
    run,
};

fn run(_: &Session, _: &Words) -> Result<Exit> {
    stdout(render()?)?;
    Ok(Exit(0))
}

/// Indented by four spaces, as callers know it.
fn render() -> Result<Vec<u8>> {
    let failed = |error| {
        Error::new(
            ErrorKind::Internal,
            format!("cannot write features: {error}"),
        )
    };
    // As a value, because it sorts the annotations, which the type keeps in a hash.
    let document = serde_json::to_value(features(VERSION)).map_err(failed)?;
    let mut text = Vec::with_capacity(8192);
    let formatter = PrettyFormatter::with_indent(b"    ");
    document
        .serialize(&mut Serializer::with_formatter(&mut text, formatter))
        .map_err(failed)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn is_indented_and_always_the_same() {
        let text = String::from_utf8(render().unwrap_or_default()).unwrap_or_default();
        assert!(
            text.contains("\n    \"ociVersionMax\": \"1.3.0\",\n"),
            "{text}"
        );
        assert!(text.ends_with("}\n"));
        assert!(!text.contains("null"), "{text}");
        assert_eq!(render().unwrap_or_default(), text.into_bytes());
    }
}
