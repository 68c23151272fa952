//! Users, groups, capabilities, `no_new_privs`.

use serde_json::json;

use crate::harness::config::{with_capabilities, with_user};
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["process":
    user_group_and_umask,
    groups_of_the_caller_are_dropped,
    capability_sets_of_an_ordinary_user,
    capability_sets_of_root,
    no_capabilities_object_means_none,
    empty_capabilities_mean_none,
    ambient_without_inheritable_is_no_error,
    unknown_capability_is_a_warning,
    no_new_privileges,
    dac_override_by_ambient,
];

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const SETUID: u64 = 1 << 7;
const NET_ADMIN: u64 = 1 << 12;

fn user_group_and_umask(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["user"] =
            json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 1002], "umask": 0o27});
    })?;
    let seen = case.probe()?;
    same("Uid", seen.status("Uid"), "1000 1000 1000 1000")?;
    same("Gid", seen.status("Gid"), "1001 1001 1001 1001")?;
    same("Groups", seen.status("Groups"), "5 1002")?;
    same("Umask", seen.status("Umask"), "0027")
}

fn groups_of_the_caller_are_dropped(case: &Case) -> Outcome {
    case.bundle.script("grep ^Groups /proc/$$/status")?;
    let call = case.call(&["run", &case.id]);
    let answer = call
        .under("exec setpriv --groups 7,8 -- \"$@\"")
        .answer()?
        .ok()?;
    same("groups", answer.out().trim(), "Groups:")
}

fn capability_sets_of_an_ordinary_user(case: &Case) -> Outcome {
    case.edit(|c| {
        with_user(c, 1000, 1000);
        c["process"]["capabilities"] = json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
            "permitted": ["CAP_CHOWN", "CAP_KILL"],
            "effective": ["CAP_CHOWN"],
            "inheritable": ["CAP_CHOWN", "CAP_KILL"],
            "ambient": ["CAP_KILL"],
        });
    })?;
    let seen = case.probe()?;
    same("CapBnd", seen.bits("CapBnd"), CHOWN | KILL | SETUID)?;
    same("CapInh", seen.bits("CapInh"), CHOWN | KILL)?;
    same("CapAmb", seen.bits("CapAmb"), KILL)?;
    same("CapPrm", seen.bits("CapPrm"), KILL)?;
    same("CapEff", seen.bits("CapEff"), KILL)
}

fn capability_sets_of_root(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["capabilities"] = json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL"],
            "permitted": ["CAP_CHOWN", "CAP_KILL"],
            "effective": ["CAP_CHOWN", "CAP_KILL"],
        });
    })?;
    let seen = case.probe()?;
    same("CapBnd", seen.bits("CapBnd"), CHOWN | KILL)?;
    same("CapPrm", seen.bits("CapPrm"), CHOWN | KILL)?;
    same("CapEff", seen.bits("CapEff"), CHOWN | KILL)?;
    same("CapInh", seen.bits("CapInh"), 0)?;
    same("CapAmb", seen.bits("CapAmb"), 0)
}

fn all_sets_are_empty(case: &Case) -> Outcome {
    let seen = case.probe()?;
    for set in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
        same(set, seen.bits(set), 0)?;
    }
    Ok(())
}

fn no_capabilities_object_means_none(case: &Case) -> Outcome {
    case.edit(|c| {
        if let Some(process) = c["process"].as_object_mut() {
            process.remove("capabilities");
        }
    })?;
    all_sets_are_empty(case)
}

fn empty_capabilities_mean_none(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["capabilities"] = json!({}))?;
    all_sets_are_empty(case)
}

fn ambient_without_inheritable_is_no_error(case: &Case) -> Outcome {
    case.edit(|c| {
        with_user(c, 1000, 1000);
        with_capabilities(c, &["CAP_CHOWN"]);
        c["process"]["capabilities"]["inheritable"] = json!([]);
    })?;
    let seen = case.probe()?;
    same("CapAmb", seen.bits("CapAmb"), 0)?;
    has(
        &case.run()?.ok()?.err(),
        "can't raise ambient capability CAP_CHOWN: ",
    )
}

fn unknown_capability_is_a_warning(case: &Case) -> Outcome {
    case.edit(|c| {
        for set in ["bounding", "permitted", "effective"] {
            c["process"]["capabilities"][set] = json!(["CAP_CHOWN", "CAP_NOPE"]);
        }
    })?;
    same("CapBnd", case.probe()?.bits("CapBnd"), CHOWN)?;
    let err = case.run()?.ok()?.err();
    holds(
        format!("a warning that names it: {err}"),
        err.contains("level=warning") && err.contains("CAP_NOPE"),
    )
}

fn no_new_privileges(case: &Case) -> Outcome {
    for (asked, seen) in [(true, "1"), (false, "0")] {
        case.edit(|c| c["process"]["noNewPrivileges"] = json!(asked))?;
        same("NoNewPrivs", case.probe()?.status("NoNewPrivs"), seen)?;
    }
    Ok(())
}

fn dac_override_by_ambient(case: &Case) -> Outcome {
    let tool = case.bundle.rootfs.join("opt/busybox");
    std::fs::copy(case.bundle.rootfs.join("bin/busybox"), &tool)?;
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o100))?;
    case.edit(|c| {
        with_user(c, 1000, 1000);
        with_capabilities(c, &["CAP_DAC_OVERRIDE"]);
        c["process"]["args"] = json!(["/opt/busybox", "echo", "ran"]);
    })?;
    same("output", case.run()?.ok()?.out(), "ran\n")?;
    case.edit(|c| with_capabilities(c, &[]))?;
    case.run()?.fails(1, &["permission denied"])?;
    case.edit(|c| with_capabilities(c, &["CAP_NET_ADMIN"]))?;
    case.edit(|c| c["process"]["args"] = json!(["/bin/true"]))?;
    let seen = case.probe()?;
    same("CapAmb", seen.bits("CapAmb"), NET_ADMIN)
}
