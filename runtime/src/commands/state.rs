//! `state`.

use libcontainer::Result;
use libcontainer::container::StateDocument;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, Exit};

use crate::args::{Arity, Command, Grammar, Words};
use crate::report::stdout;
use crate::session::Session;

pub(super) static STATE: Command = Command {
    name: "state",
    about: "print the state of a container",
    usage: "<container-id>",
    description: "Prints the state of a container as JSON (runtime-spec, \"State\").",
    options: &[],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let state = lifecycle::state(&session.root, words.arg(0))?;
    stdout(render(&state)?)?;
    Ok(Exit(0))
}

/// Indented by two spaces, without a last newline, as callers know it.
fn render(state: &StateDocument) -> Result<String> {
    serde_json::to_string_pretty(state)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write state: {error}")))
}

#[cfg(test)]
pub(super) mod tests {
    use super::render;
    use insta::assert_snapshot;
    use libcontainer::container::{StateDocument, Status};

    /// A container for tests of what is printed.
    pub(in crate::commands) fn example(id: &str) -> StateDocument {
        StateDocument {
            oci_version: "1.3.0".to_owned(),
            id: id.to_owned(),
            pid: 4242,
            status: Status::Running,
            bundle: "/bundles/<web>".into(),
            rootfs: "/bundles/<web>/rootfs".into(),
            created: "2026-01-31T23:59:59.000000001Z".to_owned(),
            annotations: [
                ("b".to_owned(), "2".to_owned()),
                ("a".to_owned(), "1".to_owned()),
            ]
            .into(),
            owner: String::new(),
        }
    }

    #[test]
    fn all_fields() {
        assert_snapshot!(render(&example("web")).unwrap_or_default());
    }

    #[test]
    fn stopped_and_without_annotations() {
        let state = StateDocument {
            pid: 0,
            status: Status::Stopped,
            annotations: std::collections::BTreeMap::new(),
            ..example("web")
        };
        let text = render(&state).unwrap_or_default();
        assert!(
            text.contains("\"pid\": 0,\n  \"status\": \"stopped\","),
            "{text}"
        );
        assert!(!text.contains("annotations"), "{text}");
        assert!(text.ends_with('}'), "{text}");
    }
}
