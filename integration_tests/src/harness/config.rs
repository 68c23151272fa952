//! Changes of a configuration that several areas make.

use serde_json::{Value, json};

/// Takes a namespace off the list.
pub(crate) fn without_namespace(config: &mut Value, kind: &str) {
    if let Some(list) = config["linux"]["namespaces"].as_array_mut() {
        list.retain(|namespace| namespace["type"] != kind);
    }
}

/// Puts a namespace on the list, new or joined by its path.
pub(crate) fn with_namespace(config: &mut Value, kind: &str, path: Option<&str>) {
    without_namespace(config, kind);
    let namespace = match path {
        Some(path) => json!({"type": kind, "path": path}),
        None => json!({"type": kind}),
    };
    if let Some(list) = config["linux"]["namespaces"].as_array_mut() {
        list.push(namespace);
    }
}

/// The host's id of root in a container with [`with_user_namespace`].
pub(crate) const MAPPED_ROOT: u32 = 100_000;

/// A new user namespace of the usual size.
pub(crate) fn with_user_namespace(config: &mut Value) {
    with_namespace(config, "user", None);
    let map = json!([{"containerID": 0, "hostID": MAPPED_ROOT, "size": 65536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
}

/// All five capability sets.
pub(crate) fn with_capabilities(config: &mut Value, names: &[&str]) {
    let sets = [
        "bounding",
        "effective",
        "permitted",
        "inheritable",
        "ambient",
    ];
    for set in sets {
        config["process"]["capabilities"][set] = json!(names);
    }
}

/// The first process's user and group.
pub(crate) fn with_user(config: &mut Value, uid: u32, gid: u32) {
    config["process"]["user"] = json!({"uid": uid, "gid": gid});
}

/// Sets a variable of the process's environment, at the end of the list.
pub(crate) fn with_env(config: &mut Value, variable: &str) {
    if let Some(env) = config["process"]["env"].as_array_mut() {
        env.push(json!(variable));
    }
}
