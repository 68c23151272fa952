//! The session keyring of a container.

use std::fs;

use crate::harness::{Case, Outcome, holds, same, skip};
use crate::tests::list;

list!["lsm":
    container_has_a_session_keyring,
    exec_joins_the_keyring,
    no_new_keyring,
];

/// The session keyring of a process of the container: its permissions and name.
fn session(keys: &str) -> Vec<(String, String)> {
    let keyrings = keys.lines().filter(|line| line.contains("_ses"));
    let fields = keyrings.filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let permissions = words.get(4)?;
        let name = words.get(8)?.trim_end_matches(':');
        Some(((*permissions).to_owned(), name.to_owned()))
    });
    fields.collect()
}

fn needs_keys() -> Outcome {
    if fs::metadata("/proc/keys").is_err() {
        return skip("needs a kernel with keys");
    }
    Ok(())
}

/// What the process sees of the host's keys it sees by its user.
fn named(case: &Case, keys: &str) -> Vec<(String, String)> {
    let name = format!("_ses.{}", case.id);
    let mut found = session(keys);
    found.retain(|(_, found)| *found == name);
    found
}

fn keys_are_shown(case: &Case) -> Outcome {
    needs_keys()?;
    // Masked by default.
    case.edit(|c| c["linux"]["maskedPaths"] = serde_json::json!([]))
}

fn container_has_a_session_keyring(case: &Case) -> Outcome {
    keys_are_shown(case)?;
    let keys = case.run_script("cat /proc/keys")?;
    let found = named(case, &keys);
    same("keyrings of that name", found.len(), 1)?;
    let permissions = found.first().map_or("", |(permissions, _)| permissions);
    let bits = u32::from_str_radix(permissions, 16)?;
    holds(
        format!("its user may search it: {permissions}"),
        bits & 0x0008_0000 != 0,
    )
}

fn exec_joins_the_keyring(case: &Case) -> Outcome {
    keys_are_shown(case)?;
    case.run_asleep()?;
    let keys = case.exec_script(&[], "cat /proc/keys")?;
    same("keyrings of that name", named(case, &keys).len(), 1)
}

fn no_new_keyring(case: &Case) -> Outcome {
    keys_are_shown(case)?;
    for command in ["create", "run"] {
        case.bundle.script("cat /proc/keys >/keys; sleep 600")?;
        let flags: &[&str] = if command == "run" { &["-d"] } else { &[] };
        let words = [&[command, "--no-new-keyring"], flags, &[&case.id]].concat();
        case.rt(&words)?.ok()?;
        if command == "create" {
            case.rt(&["start", &case.id])?.ok()?;
        }
        let keys = case.exec_script(&[], "cat /proc/keys")?;
        same(command, named(case, &keys).len(), 0)?;
        case.destroy()?;
    }
    Ok(())
}
