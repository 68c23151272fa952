//! T12: numbers of users that are read as something else. CVE-2016-3697,
//! CVE-2026-30892, CVE-2024-40635, CVE-2022-2989.

use std::fs;

use serde_json::json;

use super::ways::{WAYS, start};
use crate::harness::config::with_user;
use crate::harness::{Case, Outcome, Seen, has, holds, same};
use crate::tests::list;

list!["attacks::t12":
    number_that_is_a_name,
    spellings_of_a_user,
    numbers_of_the_configuration,
    groups_are_those_that_were_asked_for,
];

fn number_that_is_a_name(case: &Case) -> Outcome {
    // A numeric name in the image's passwd file changes nobody's number.
    let passwd = "1000:x:0:0::/root:/bin/sh\n01:x:0:0::/root:/bin/sh\n";
    fs::write(case.bundle.rootfs.join("etc/passwd"), passwd)?;
    case.edit(|c| with_user(c, 1000, 1000))?;
    same(
        "Uid",
        Seen::parse(&case.run_script(Seen::SCRIPT)?)?.status("Uid"),
        "1000 1000 1000 1000",
    )?;
    case.run_asleep()?;
    has(
        &case.exec_script(&["-u", "1000"], "grep ^Uid /proc/self/status")?,
        "1000",
    )
}

const WHO: &str = "echo $(grep -E '^(Uid|Gid):' /proc/self/status)";

fn spellings_of_a_user(case: &Case) -> Outcome {
    let passwd = "1:x:0:0::/:/bin/sh\n+1:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\n:x:0:0::/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n";
    fs::write(case.bundle.rootfs.join("etc/passwd"), passwd)?;
    case.run_asleep()?;
    let all =
        |uid: u32, gid: u32| format!("Uid: {uid} {uid} {uid} {uid} Gid: {gid} {gid} {gid} {gid}");
    // The exact number, or an error: never root by accident.
    for (text, uid, gid) in [
        ("1", Some(1), 0),
        ("01", Some(1), 0),
        ("+1", None, 0),
        (" 1", None, 0),
        ("1 ", None, 0),
        ("-1", None, 0),
        ("1x", None, 0),
        ("0x0", None, 0),
        ("0x1", None, 0),
        ("4294967295", None, 0),
        ("4294967296", None, 0),
        ("18446744073709551616", None, 0),
        ("root", None, 0),
        ("nobody", None, 0),
        ("", None, 0),
        (":", None, 0),
        ("1:", None, 0),
        (":1", None, 0),
        ("1:2", Some(1), 2),
        ("1:2:3", None, 0),
        ("1:-1", None, 0),
        ("1:4294967296", None, 0),
        ("1:x", None, 0),
        ("1.0", None, 0),
        ("1e3", None, 0),
        ("\u{0661}", None, 0),
    ] {
        let line = ["exec", "--user", text, &case.id, "/bin/sh", "-c", WHO];
        let answer = case.rt(&line)?;
        let seen = answer.out();
        let said = format!("--user {text:?}: exit {}: {seen}", answer.code);
        if answer.code == 0 {
            // Group 0 is what runc gives where none is named.
            let wanted = all(uid.unwrap_or(1), gid);
            holds(&said, uid.is_some() || !seen.contains("Uid: 0"))?;
            holds(said, uid.is_none() || seen.trim() == wanted)?;
        } else {
            holds(said, seen.is_empty())?;
        }
    }
    Ok(())
}

fn numbers_of_the_configuration(case: &Case) -> Outcome {
    case.bundle.script(WHO)?;
    let config = case.bundle.config()?;
    for field in ["uid", "gid"] {
        for number in [
            json!(-1),
            json!("1"),
            json!("root"),
            json!(1.5),
            json!(4_294_967_295_u64),
            json!(4_294_967_296_u64),
            json!(4_294_967_297_u64),
            json!(u64::MAX),
            json!([1]),
            json!(true),
        ] {
            case.edit(|c| {
                *c = config.clone();
                with_user(c, 1, 1);
                c["process"]["user"][field] = number.clone();
            })?;
            for way in WAYS {
                let answer = start(case, way)?;
                let said = format!("{field} {number}: exit {}: {}", answer.code, answer.out());
                holds(said, answer.code != 0 && answer.out().is_empty())?;
            }
        }
    }
    // process.json of exec is judged alike.
    case.edit(|c| *c = config.clone())?;
    case.run_asleep()?;
    let file = case.bundle.dir.join("process.json");
    for number in [json!(-1), json!("0"), json!(4_294_967_296_u64)] {
        let process = json!({"args": ["/bin/sh", "-c", WHO], "cwd": "/", "env": ["PATH=/bin"],
            "user": {"uid": number, "gid": 1}});
        fs::write(&file, process.to_string())?;
        let name = file.to_string_lossy().into_owned();
        let answer = case.rt(&["exec", "--process", &name, &case.id])?;
        let said = format!(
            "process.json {number}: exit {}: {}",
            answer.code,
            answer.out()
        );
        holds(said, answer.code != 0 && answer.out().is_empty())?;
    }
    Ok(())
}

fn groups_are_those_that_were_asked_for(case: &Case) -> Outcome {
    // The caller's groups are not the container's: a file may be closed to a group.
    let look = "echo $(grep ^Groups: /proc/self/status)";
    let with_groups = "exec setpriv --groups 7,8,9 -- \"$@\"";
    for (asked, seen) in [(json!([]), "Groups:"), (json!([5, 6]), "Groups: 5 6")] {
        case.edit(|c| c["process"]["user"] = json!({"uid": 1, "gid": 1, "additionalGids": asked}))?;
        case.bundle.script(look)?;
        let call = case.call(&["run", &case.id]).under(with_groups);
        same("of run", call.answer()?.ok()?.out().trim(), seen)?;
    }
    case.edit(|c| c["process"]["user"] = json!({"uid": 0, "gid": 0}))?;
    case.run_asleep()?;
    let line = ["exec", "--user", "1:1", &case.id, "/bin/sh", "-c", look];
    let answer = case.call(&line).under(with_groups).answer()?.ok()?;
    same("of exec", answer.out().trim(), "Groups:")
}
