//! Faults of config.json.

use std::fs;

use serde_json::{Value, json};

use crate::harness::config::{with_namespace, with_user_namespace, without_namespace};
use crate::harness::{Case, Outcome, same};
use crate::tests::list;

list!["input":
    no_config,
    broken_json,
    wrong_type_names_the_field,
    config_that_is_no_object,
    lists_are_no_objects,
    config_is_read_with_what_comes_after,
    newer_version_and_unknown_fields_are_fine,
    other_major_version_is_refused,
    no_process,
    empty_args,
    relative_cwd,
    duplicate_namespaces,
    unknown_namespace,
    hostname_without_uts,
    user_namespace_without_mappings,
    mappings_without_user_namespace,
    too_many_mappings,
    time_offsets_without_time_namespace,
    sysctls_that_are_refused,
    lsm_that_the_kernel_lacks,
    unknown_device_type,
    bad_page_size,
    unified_on_v1,
    negative_and_huge_numbers,
    nul_bytes,
];

/// `create` and `run` of this configuration fail with these words.
#[track_caller]
fn refused(case: &Case, words: &[&str], change: impl Fn(&mut Value)) -> Outcome {
    let config = case.bundle.config()?;
    case.edit(|c| change(c))?;
    for verb in ["create", "run"] {
        case.rt(&[verb, &case.id])?.fails(1, words)?;
    }
    case.nothing_left()?;
    case.edit(|c| *c = config)
}

fn lists_are_no_objects(case: &Case) -> Outcome {
    for (pointer, list) in [
        ("/linux", json!([])),
        ("/root", json!(["rootfs"])),
        ("/process/user", json!([0, 0])),
        ("/process/capabilities", json!([])),
        ("/linux/resources", json!([])),
    ] {
        let path = pointer.trim_start_matches('/').replace('/', ".");
        let words = format!("{path}: a list, where an object has to be");
        refused(case, &[&words], |c| {
            if let Some(value) = c.pointer_mut(pointer) {
                *value = list.clone();
            }
        })?;
    }
    Ok(())
}

fn no_config(case: &Case) -> Outcome {
    fs::remove_file(case.bundle.config_file())?;
    case.run()?.fails(1, &["config.json"])?;
    case.rt(&["run", "--bundle", "/nosuch", &case.id])?
        .fails(1, &["/nosuch", "no such file or directory"])?;
    case.nothing_left()
}

fn broken_json(case: &Case) -> Outcome {
    for text in [
        "",
        "{",
        "{\"ociVersion\": }",
        "not json",
        "{\"a\": \"\\u12\"}",
    ] {
        fs::write(case.bundle.config_file(), text)?;
        case.run()?.fails(1, &["config.json"])?;
    }
    fs::write(case.bundle.config_file(), b"{\"ociVersion\": \"\xff\xfe\"}")?;
    case.run()?.ended(1)?;
    case.nothing_left()
}

fn wrong_type_names_the_field(case: &Case) -> Outcome {
    refused(case, &["process.args"], |c| {
        c["process"]["args"] = json!("sh");
    })?;
    refused(case, &["process.user.uid"], |c| {
        c["process"]["user"]["uid"] = json!("root");
    })?;
    refused(case, &["mounts[1].options"], |c| {
        c["mounts"][1]["options"] = json!("ro");
    })?;
    refused(case, &["linux.namespaces[0].type"], |c| {
        c["linux"]["namespaces"][0]["type"] = json!(5);
    })
}

fn config_that_is_no_object(case: &Case) -> Outcome {
    for text in ["[]", "null", "3", "\"x\""] {
        fs::write(case.bundle.config_file(), text)?;
        case.run()?.ended(1)?;
    }
    case.nothing_left()
}

fn config_is_read_with_what_comes_after(case: &Case) -> Outcome {
    case.bundle.script("echo ran")?;
    let mut text = fs::read_to_string(case.bundle.config_file())?;
    text.push_str("\ntrailing words\n");
    fs::write(case.bundle.config_file(), text)?;
    same("output", case.run()?.ok()?.out(), "ran\n")
}

fn newer_version_and_unknown_fields_are_fine(case: &Case) -> Outcome {
    case.edit(|c| {
        c["ociVersion"] = json!("1.9.0");
        c["novel"] = json!({"a": 1});
        c["process"]["novel"] = json!([1]);
        c["linux"]["novel"] = json!(null);
        c["linux"]["resources"]["novel"] = json!(true);
    })?;
    same("output", case.run_script("echo ran")?, "ran")
}

fn other_major_version_is_refused(case: &Case) -> Outcome {
    refused(case, &["2.0.0"], |c| c["ociVersion"] = json!("2.0.0"))?;
    refused(case, &["ociVersion"], |c| c["ociVersion"] = json!("newest"))
}

fn no_process(case: &Case) -> Outcome {
    case.edit(|c| c["process"] = json!(null))?;
    case.run()?.ended(1)?;
    case.nothing_left()
}

fn empty_args(case: &Case) -> Outcome {
    refused(case, &["args"], |c| c["process"]["args"] = json!([]))
}

fn relative_cwd(case: &Case) -> Outcome {
    refused(case, &["cwd"], |c| {
        c["process"]["cwd"] = json!("relative/path");
    })?;
    refused(case, &["cwd"], |c| c["process"]["cwd"] = json!(""))
}

fn duplicate_namespaces(case: &Case) -> Outcome {
    refused(case, &["pid"], |c| {
        let more = json!({"type": "pid"});
        if let Some(list) = c["linux"]["namespaces"].as_array_mut() {
            list.push(more);
        }
    })
}

fn unknown_namespace(case: &Case) -> Outcome {
    refused(case, &["nosuch"], |c| with_namespace(c, "nosuch", None))
}

fn hostname_without_uts(case: &Case) -> Outcome {
    refused(case, &["hostname"], |c| without_namespace(c, "uts"))
}

fn user_namespace_without_mappings(case: &Case) -> Outcome {
    refused(
        case,
        &["user namespaces enabled, but no uid mappings found"],
        |c| with_namespace(c, "user", None),
    )
}

fn mappings_without_user_namespace(case: &Case) -> Outcome {
    refused(case, &["user namespace"], |c| {
        with_user_namespace(c);
        without_namespace(c, "user");
    })
}

fn too_many_mappings(case: &Case) -> Outcome {
    refused(case, &["340"], |c| {
        with_user_namespace(c);
        // Apart from each other: neighbours could be joined to one line.
        let lines =
            (0..400).map(|n| json!({"containerID": n * 2, "hostID": 100_000 + n, "size": 1}));
        c["linux"]["uidMappings"] = lines.collect();
    })
}

fn time_offsets_without_time_namespace(case: &Case) -> Outcome {
    refused(case, &["time"], |c| {
        c["linux"]["timeOffsets"] = json!({"boottime": {"secs": 100}});
    })
}

fn sysctls_that_are_refused(case: &Case) -> Outcome {
    for key in [
        "kernel.hostname",
        "vm.swappiness",
        "kernel.core_pattern",
        "fs.file-max",
        "../kernel/core_pattern",
        "net/../kernel/core_pattern",
    ] {
        let name = key.rsplit(['.', '/']).next().unwrap_or(key);
        refused(case, &[name], |c| c["linux"]["sysctl"] = json!({key: "1"}))?;
    }
    // Only with a namespace of its own.
    refused(case, &["net.ipv4.ip_forward"], |c| {
        without_namespace(c, "network");
        c["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    })?;
    refused(case, &["kernel.shmmax"], |c| {
        without_namespace(c, "ipc");
        c["linux"]["sysctl"] = json!({"kernel.shmmax": "1000"});
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["type"] != "mqueue");
        }
    })?;
    refused(case, &["net.ipv4.ip_forward"], |c| {
        with_namespace(c, "network", Some("/proc/self/ns/net"));
        c["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    })
}

fn lsm_that_the_kernel_lacks(case: &Case) -> Outcome {
    let enabled = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if !enabled.contains("apparmor") {
        refused(case, &["apparmor"], |c| {
            c["process"]["apparmorProfile"] = json!("nosuch");
        })?;
    }
    if !enabled.contains("selinux") {
        refused(case, &["selinux"], |c| {
            c["process"]["selinuxLabel"] = json!("system_u:system_r:container_t:s0");
        })?;
        refused(case, &["linux.mountLabel", "SELinux is not enabled"], |c| {
            c["linux"]["mountLabel"] = json!("system_u:object_r:container_file_t:s0");
        })?;
    }
    Ok(())
}

fn unknown_device_type(case: &Case) -> Outcome {
    refused(case, &["linux.devices"], |c| {
        c["linux"]["devices"] = json!([{"path": "/dev/x", "type": "q", "major": 1, "minor": 3}]);
    })
}

fn bad_page_size(case: &Case) -> Outcome {
    for size in ["../memory.limit_in_bytes", "3MB", "2MB/../x"] {
        refused(case, &[size], |c| {
            c["linux"]["resources"]["hugepageLimits"] = json!([{"pageSize": size, "limit": 4096}]);
        })?;
    }
    Ok(())
}

fn unified_on_v1(case: &Case) -> Outcome {
    let hierarchies = crate::harness::Hierarchies::read()?;
    if hierarchies.v1.is_empty() {
        return refused(case, &["nosuch.file"], |c| {
            c["linux"]["resources"]["unified"] = json!({"nosuch.file": "1"});
        });
    }
    refused(case, &["unified"], |c| {
        c["linux"]["resources"]["unified"] = json!({"memory.max": "1000000"});
    })
}

fn negative_and_huge_numbers(case: &Case) -> Outcome {
    refused(case, &["uid"], |c| c["process"]["user"]["uid"] = json!(-1))?;
    refused(case, &["uid"], |c| {
        c["process"]["user"]["uid"] = json!(4_294_967_296_u64);
    })?;
    refused(case, &["uid"], |c| c["process"]["user"]["uid"] = json!(0.5))?;
    refused(case, &["oom"], |c| {
        c["process"]["oomScoreAdj"] = json!(1_000_000);
    })
}

fn nul_bytes(case: &Case) -> Outcome {
    refused(case, &["process.args"], |c| {
        c["process"]["args"] = json!(["/bin/true", "a\u{0}b"]);
    })?;
    refused(case, &["process.env"], |c| {
        c["process"]["env"] = json!(["A=\u{0}b"]);
    })?;
    refused(case, &["process.cwd"], |c| {
        c["process"]["cwd"] = json!("/a\u{0}b");
    })?;
    refused(case, &["hostname"], |c| c["hostname"] = json!("a\u{0}b"))
}
