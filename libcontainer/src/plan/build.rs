//! From spec, request and host to the plan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::types::{
    ContainerPlan, HookState, HooksPlan, InitPlan, MemoryPolicy, ProcessPlan, RootfsPlan,
    StartGate, TenantFacts, TimeOffset,
};
use super::{annotations, cgroup, hooks, mapped_mounts, outside, process, rootfs, seccomp, sysctl};
use crate::cgroups::{Layout, Systemd};
use crate::error::Findings;
use crate::idmap::{self, IdMaps};
use crate::intelrdt::{self, Resctrl};
use crate::mounts::{self, Facts};
use crate::namespaces::{self, Kind, NamespacePlan};
use crate::network::{self, NetDevice};
use crate::seccomp::Filter;
use crate::security::lsm;
use crate::spec::oci::{Linux, Spec};

/// What the host is like, asked before planning.
#[derive(Debug)]
pub struct Host {
    /// The cgroup hierarchies; none when the container gets no cgroup.
    pub cgroups: Option<Layout>,
    /// Where the hierarchies are that a container without a cgroup of its own is to
    /// see: it stays in its creator's.
    pub seen_cgroups: Option<Layout>,
    /// The systemd that makes the cgroup, when one does.
    pub systemd: Option<Systemd>,
    /// Whether we have no power over the host.
    pub rootless: bool,
    /// Whether the caller is no root at all, not even of a user namespace.
    pub ordinary_user: bool,
    /// Whether the network namespace that the configuration names by path is the
    /// runtime's own.
    pub network_is_the_hosts: bool,
    /// The resctrl file system; looked for when the configuration asks for it.
    pub resctrl: Option<Resctrl>,
}

/// What was asked for beside the configuration.
#[derive(Debug)]
pub struct Input<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The bundle, absolute.
    pub bundle: &'a Path,
    /// Move the root over `/`.
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// Descriptors of socket activation, from 3 on.
    pub listen_fds: u32,
    /// Descriptors after those.
    pub preserve_fds: u32,
    /// The runtime's environment, for hooks that name none.
    pub environment: Vec<String>,
    /// How the init is told to start.
    pub gate: StartGate,
}

/// Makes the plan, or says all that stands against it.
///
/// # Errors
/// Every finding, warnings included.
pub fn build(
    spec: &Spec,
    input: &Input<'_>,
    host: &Host,
) -> Result<(ContainerPlan, Findings), Findings> {
    let mut findings = Findings::new();
    let none = nothing();
    let linux = spec.linux().as_ref().unwrap_or(&none);
    version(spec.version(), &mut findings);
    let namespaces = namespaces::plan(
        linux.namespaces().as_deref().unwrap_or_default(),
        &mut findings,
    );
    let id_maps = id_maps(linux, &namespaces, host, &mut findings);
    let net_devices = net_devices(linux, host, &namespaces, &mut findings);
    let names = Names::of(spec, &namespaces, &mut findings);
    let time_offsets = time_offsets(linux, &namespaces, &mut findings);

    let cgroup = cgroup::plan(spec, linux, input.id, host, id_maps.as_ref(), &mut findings);
    let resctrl = linux
        .intel_rdt()
        .as_ref()
        .and_then(|asked| intelrdt::plan(asked, input.id, host.resctrl.as_ref(), &mut findings));
    let view = cgroup::view(&cgroup, host, &namespaces);
    let root = root(spec, input.bundle, &mut findings);
    let listed = spec.mounts().as_deref().unwrap_or_default();
    let mapped = mapped_mounts::plan(
        listed,
        &mapped_mounts::Facts {
            user_namespace: namespaces.has(Kind::User),
            new: id_maps.as_ref(),
            linux,
            ordinary_user: host.ordinary_user,
        },
        &mut findings,
    );
    let label = mount_label(linux, &mut findings);
    let mount_facts = Facts {
        bundle: input.bundle,
        root: &root,
        cgroup: view,
        id_maps: &mapped.of,
        label: label.as_deref(),
        label_option: annotations::label_option(spec, &mut findings),
    };
    let mounts = mounts::plan(listed, &mount_facts, &mut findings);
    let rootfs = rootfs::plan(spec, root, input.no_pivot, mounts, label, &mut findings);
    judge_mounts_of_the_host(&rootfs, &namespaces, &mut findings);
    let sysctls = sysctl::plan(
        linux.sysctl().as_ref().unwrap_or(&HashMap::new()),
        &namespaces,
        host.network_is_the_hosts,
        names.domainname.as_deref(),
        &mut findings,
    );
    let settings = Settings::of(spec, linux, &mut findings);
    let asked = annotations::plan(spec, host.rootless, &mut findings);
    let process = settings.process(spec, input, id_maps.as_ref(), asked, &mut findings);
    let (hooks_plan, mut create_container, start_container) = all_hooks(spec, &mut findings);
    // Run by the init, whose own environment is empty.
    for hook in &mut create_container {
        hook.env.get_or_insert_with(|| input.environment.clone());
    }
    let Some(process) = process.filter(|_| !findings.has_errors()) else {
        return Err(findings);
    };
    let keyring = (!input.no_new_keyring).then(|| format!("_ses.{}", input.id));
    let tenant = TenantFacts {
        namespaces: namespaces.all_flags(),
        user_namespace: namespaces.has(Kind::User),
        id_maps: id_maps.clone(),
        keyring: keyring.clone(),
        seccomp: settings.seccomp.clone(),
        personality: settings.personality,
        memory_policy: settings.memory_policy,
        checkpoint: outside::facts(&rootfs, &namespaces),
    };
    let init = InitPlan {
        id: input.id.to_owned(),
        namespaces,
        time_offsets,
        hostname: names.hostname,
        domainname: names.domainname,
        keyring,
        rootfs,
        sysctls,
        waits_for_devices: !net_devices.is_empty(),
        waits_for_hooks: !(hooks_plan.prestart.is_empty() && hooks_plan.create_runtime.is_empty()),
        create_container,
        start_container,
        hook_state: hook_state(spec, input),
        process,
        seccomp: settings.seccomp,
        gate: input.gate,
    };
    let plan = ContainerPlan {
        cgroup_owner: cgroup::owner(spec, &init, id_maps.as_ref(), host),
        init,
        id_maps,
        net_devices,
        mount_id_maps: mapped.maps,
        cgroup,
        resctrl,
        hooks: hooks_plan,
        tenant,
    };
    Ok((plan, findings))
}

fn net_devices(
    linux: &Linux,
    host: &Host,
    namespaces: &NamespacePlan,
    findings: &mut Findings,
) -> Vec<NetDevice> {
    let facts = network::Facts {
        network_namespace: namespaces.has(Kind::Network),
        is_the_hosts: host.network_is_the_hosts,
        rootless: host.rootless,
    };
    network::plan(linux, facts, findings)
}

/// What every process of the container gets, also one that joins later.
struct Settings {
    personality: Option<u32>,
    memory_policy: Option<MemoryPolicy>,
    seccomp: Option<Filter>,
}

impl Settings {
    fn of(spec: &Spec, linux: &Linux, findings: &mut Findings) -> Self {
        let personality = linux.personality().as_ref();
        let memory_policy = linux.memory_policy().as_ref();
        Self {
            personality: personality.map(|asked| process::personality(asked, findings)),
            memory_policy: memory_policy.map(|asked| process::memory_policy(asked, findings)),
            seccomp: seccomp::plan(spec, linux.seccomp().as_ref(), findings),
        }
    }

    /// The container's own process.
    fn process(
        &self,
        spec: &Spec,
        input: &Input<'_>,
        id_maps: Option<&IdMaps>,
        annotations: annotations::Asked,
        findings: &mut Findings,
    ) -> Option<ProcessPlan> {
        let Some(asked) = spec.process() else {
            findings.error("process", "missing: there is nothing to run");
            return None;
        };
        let facts = process::ProcessFacts {
            field: "process",
            id_maps,
            personality: self.personality,
            memory_policy: self.memory_policy.clone(),
            listen_fds: input.listen_fds,
            preserve_fds: input.preserve_fds,
            keeps_groups: annotations.keep_groups,
            joins: false,
        };
        Some(process(asked, &facts, findings))
    }
}

fn mount_label(linux: &Linux, findings: &mut Findings) -> Option<String> {
    process::label(
        linux.mount_label().as_ref(),
        "linux.mountLabel",
        ("SELinux", lsm::selinux_enabled),
        findings,
    )
}

/// A configuration without `linux`; oci-spec's own default is a filled one.
fn nothing() -> Linux {
    serde_json::from_value(serde_json::json!({})).unwrap_or_default()
}

/// Any minor version of major 1: unknown properties are ignored by the
/// specification's own rule ("Extensibility").
fn version(version: &str, findings: &mut Findings) {
    let major = version.split('.').next().unwrap_or_default();
    if !version.is_empty() && major != "1" {
        findings.error(
            "ociVersion",
            format!("{version:?} is of another major version than 1"),
        );
    }
}

/// In the host's own mounts nothing is masked, and only who has power over them
/// mounts anything.
fn judge_mounts_of_the_host(
    rootfs: &RootfsPlan,
    namespaces: &NamespacePlan,
    findings: &mut Findings,
) {
    if namespaces.has(Kind::Mount) {
        return;
    }
    let covers = !rootfs.masked.is_empty() || !rootfs.readonly_paths.is_empty();
    if covers {
        findings.error(
            "linux.maskedPaths",
            "masked and read-only paths need a mount namespace",
        );
    }
    if namespaces.has(Kind::User) && rootfs.has_mounts() {
        findings.error(
            "linux.namespaces",
            "mounts in a user namespace need a mount namespace: there is none of type \"mount\"",
        );
    }
}

struct Names {
    hostname: Option<String>,
    domainname: Option<String>,
}

impl Names {
    fn of(spec: &Spec, namespaces: &NamespacePlan, findings: &mut Findings) -> Self {
        let mut one = |field: &str, name: &Option<String>| {
            let name = name.clone().filter(|name| !name.is_empty())?;
            if !namespaces.has(Kind::Uts) {
                findings.error(
                    field,
                    format!("unable to set {field} without a private UTS namespace"),
                );
            }
            Some(name)
        };
        Self {
            hostname: one("hostname", spec.hostname()),
            domainname: one("domainname", spec.domainname()),
        }
    }
}

fn time_offsets(
    linux: &Linux,
    namespaces: &NamespacePlan,
    findings: &mut Findings,
) -> Vec<TimeOffset> {
    let Some(asked) = linux
        .time_offsets()
        .as_ref()
        .filter(|asked| !asked.is_empty())
    else {
        return Vec::new();
    };
    if !namespaces.is_new(Kind::Time) {
        findings.error(
            "linux.timeOffsets",
            "time namespace offsets need a new time namespace",
        );
    }
    let mut offsets: Vec<TimeOffset> = asked
        .iter()
        .map(|(clock, offset)| TimeOffset {
            clock: clock.clone(),
            seconds: offset.secs().unwrap_or_default(),
            nanoseconds: offset.nanosecs().unwrap_or_default(),
        })
        .collect();
    offsets.sort_by(|a, b| a.clock.cmp(&b.clock));
    for offset in &offsets {
        let field = format!("linux.timeOffsets.{}", offset.clock);
        if !matches!(offset.clock.as_str(), "monotonic" | "boottime") {
            findings.error(&field, "no clock of a time namespace");
        }
        if offset.nanoseconds >= 1_000_000_000 {
            findings.error(
                format!("{field}.nanosecs"),
                format!("{} is a second or more", offset.nanoseconds),
            );
        }
    }
    offsets
}

fn root(spec: &Spec, bundle: &Path, findings: &mut Findings) -> PathBuf {
    let path = spec.root().as_ref().map(|root| root.path().clone());
    match path.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => bundle.join(path).components().collect(),
        None => {
            findings.error("root.path", "missing");
            PathBuf::new()
        }
    }
}

/// The maps of a user namespace that is made; and who needs one.
fn id_maps(
    linux: &Linux,
    namespaces: &NamespacePlan,
    host: &Host,
    findings: &mut Findings,
) -> Option<IdMaps> {
    let (users, groups) = (linux.uid_mappings(), linux.gid_mappings());
    if !namespaces.has(Kind::User) {
        if users.as_ref().is_some_and(|maps| !maps.is_empty()) {
            findings.error("linux.uidMappings", "id mappings need a user namespace");
        }
        if host.ordinary_user {
            findings.error(
                "linux.namespaces",
                "a rootless container requires user namespaces: there is none of type \"user\"",
            );
        }
    }
    namespaces
        .is_new(Kind::User)
        .then(|| idmap::plan(users.as_deref(), groups.as_deref(), findings))
}

fn all_hooks(
    spec: &Spec,
    findings: &mut Findings,
) -> (
    HooksPlan,
    Vec<super::types::HookPlan>,
    Vec<super::types::HookPlan>,
) {
    let Some(asked) = spec.hooks() else {
        return (HooksPlan::default(), Vec::new(), Vec::new());
    };
    let prestart = asked.prestart();
    let runtime = HooksPlan {
        prestart: hooks::plan("prestart", prestart.as_ref(), findings),
        create_runtime: hooks::plan("createRuntime", asked.create_runtime().as_ref(), findings),
        poststart: hooks::plan("poststart", asked.poststart().as_ref(), findings),
        poststop: hooks::plan("poststop", asked.poststop().as_ref(), findings),
    };
    (
        runtime,
        hooks::plan(
            "createContainer",
            asked.create_container().as_ref(),
            findings,
        ),
        hooks::plan("startContainer", asked.start_container().as_ref(), findings),
    )
}

fn hook_state(spec: &Spec, input: &Input<'_>) -> HookState {
    let mut annotations: Vec<(String, String)> = spec
        .annotations()
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    annotations.sort();
    HookState {
        oci_version: spec.version().clone(),
        id: input.id.to_owned(),
        bundle: input.bundle.to_owned(),
        annotations,
    }
}
