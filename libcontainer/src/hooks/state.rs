//! The state document that hooks read.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::container::Status;
use crate::plan::HookState;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: Status,
    pid: i32,
    bundle: &'a std::path::Path,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations<'a>,
}

struct Annotations<'a>(&'a [(String, String)]);

impl Annotations<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The document, compact, as one line without its end.
pub(crate) fn document(state: &HookState, status: Status, pid: i32) -> String {
    let document = Document {
        oci_version: &state.oci_version,
        id: &state.id,
        status,
        pid,
        bundle: &state.bundle,
        annotations: Annotations(&state.annotations),
    };
    // Strings and numbers alone: a path that is no UTF-8 is the one thing that
    // has no form in JSON, and the bundle's was one before.
    serde_json::to_string(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::container::Status;
    use crate::plan::HookState;

    #[test]
    fn slashes_are_not_escaped_and_empty_annotations_left_out() {
        let mut state = HookState {
            oci_version: "1.3.0".to_owned(),
            id: "c1".to_owned(),
            bundle: "/b/c".into(),
            annotations: Vec::new(),
        };
        assert_eq!(
            document(&state, Status::Creating, 7),
            r#"{"ociVersion":"1.3.0","id":"c1","status":"creating","pid":7,"bundle":"/b/c"}"#
        );
        state.annotations.push(("a".to_owned(), "\"b".to_owned()));
        assert!(document(&state, Status::Stopped, 0).ends_with(r#""annotations":{"a":"\"b"}}"#));
    }
}
