//! From spec, request and host to the plan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::types::{
    ContainerPlan, HookState, HooksPlan, InitPlan, MemoryPolicy, ProcessPlan, RootfsPlan,
    StartGate, TenantFacts, TimeOffset,
};
use super::{hooks, mapped_mounts, process, rootfs, sysctl};
use crate::cgroups::DeviceEnforcement;
use crate::cgroups::{
    self, CgroupPlan, CgroupRequest, DeviceControl, DeviceProgram, Layout, Manager, Systemd,
    UnitDevices, UnitRequest,
};
use crate::devices as device_rules;
use crate::error::Findings;
use crate::idmap::{self, IdMaps};
use crate::intelrdt::{self, Resctrl};
use crate::mounts::{self, CgroupMount, Facts, LegacyHierarchy};
use crate::namespaces::{self, Kind, NamespacePlan};
use crate::network::{self, NetDevice};
use crate::seccomp::{self, Filter};
use crate::spec::oci::{Linux, LinuxSeccomp, Mount, Spec};

/// What the host is like, asked before planning.
#[derive(Debug)]
pub struct Host {
    /// The cgroup hierarchies; none when the container gets no cgroup.
    pub cgroups: Option<Layout>,
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

    let cgroup = cgroup(spec, linux, input.id, host, &mut findings);
    let resctrl = linux
        .intel_rdt()
        .as_ref()
        .and_then(|asked| intelrdt::plan(asked, input.id, host.resctrl.as_ref(), &mut findings));
    let view = cgroup_view(&cgroup, host.cgroups.as_ref(), &namespaces);
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
    let mount_facts = Facts {
        bundle: input.bundle,
        root: &root,
        cgroup: view,
        id_maps: &mapped.of,
    };
    let mounts = mounts::plan(listed, &mount_facts, &mut findings);
    let rootfs = rootfs::plan(spec, root, input.no_pivot, mounts, &mut findings);
    refuse_covers_of_the_host(&rootfs, &namespaces, &mut findings);
    let sysctls = sysctl::plan(
        linux.sysctl().as_ref().unwrap_or(&HashMap::new()),
        &namespaces,
        host.network_is_the_hosts,
        names.domainname.as_deref(),
        &mut findings,
    );
    let settings = Settings::of(linux, &mut findings);
    let process = settings.process(spec, input, id_maps.as_ref(), &mut findings);
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
        cgroup_owner: cgroup_owner(spec, &init, id_maps.as_ref(), host),
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
    fn of(linux: &Linux, findings: &mut Findings) -> Self {
        let personality = linux.personality().as_ref();
        let memory_policy = linux.memory_policy().as_ref();
        let seccomp = linux.seccomp().as_ref();
        Self {
            personality: personality.map(|asked| process::personality(asked, findings)),
            memory_policy: memory_policy.map(|asked| process::memory_policy(asked, findings)),
            seccomp: seccomp.and_then(|asked| filter(asked, findings)),
        }
    }

    /// The container's own process.
    fn process(
        &self,
        spec: &Spec,
        input: &Input<'_>,
        id_maps: Option<&IdMaps>,
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
            joins: false,
        };
        Some(process(asked, &facts, findings))
    }
}

/// Compiles a filter; the plan of a process that joins later takes it over.
fn filter(asked: &LinuxSeccomp, findings: &mut Findings) -> Option<Filter> {
    let Some(native) = seccomp::Arch::native() else {
        findings.error(
            "linux.seccomp",
            "no system call numbers are known for this machine",
        );
        return None;
    };
    match seccomp::compile(asked, native) {
        Ok(filter) => filter,
        Err(refused) => {
            findings.extend(refused);
            None
        }
    }
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

/// In the host's own mounts nothing is masked.
fn refuse_covers_of_the_host(
    rootfs: &RootfsPlan,
    namespaces: &NamespacePlan,
    findings: &mut Findings,
) {
    let covers = !rootfs.masked.is_empty() || !rootfs.readonly_paths.is_empty();
    if covers && !namespaces.has(Kind::Mount) {
        findings.error(
            "linux.maskedPaths",
            "masked and read-only paths need a mount namespace",
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

fn cgroup(
    spec: &Spec,
    linux: &Linux,
    id: &str,
    host: &Host,
    findings: &mut Findings,
) -> CgroupPlan {
    let Some(layout) = &host.cgroups else {
        return CgroupPlan::disabled();
    };
    let resources = linux.resources().as_ref();
    let path = linux
        .cgroups_path()
        .as_ref()
        .map(|path| path.to_string_lossy());
    let rules = resources.and_then(|resources| resources.devices().as_deref());
    let devices = device_control(rules.unwrap_or_default(), layout, host.rootless, findings);
    let none = HashMap::new();
    let unit = host.systemd.as_ref().map(|systemd| UnitRequest {
        systemd,
        devices: unit_devices(rules.unwrap_or_default(), systemd, &devices),
        annotations: spec.annotations().as_ref().unwrap_or(&none),
    });
    let request = CgroupRequest {
        id,
        path: path.as_deref().filter(|path| !path.is_empty()),
        resources,
        devices,
        rootless: host.rootless,
        unit,
    };
    cgroups::plan(layout, &request, findings)
}

/// The device rules as systemd keeps them. Its own program is beside ours, so
/// where it cannot hold them it allows all; the files of v1 are one list for
/// both, which is then as strict as it may be. A user's systemd has no power
/// over devices.
fn unit_devices(
    rules: &[crate::spec::oci::LinuxDeviceCgroup],
    systemd: &Systemd,
    control: &DeviceControl,
) -> UnitDevices {
    use device_rules::allow_list::{AllowList, allow_list};

    if systemd.manager == Manager::User || *control == DeviceControl::Untouched {
        return UnitDevices::Untouched;
    }
    // What is wrong with the rules is told by whoever enforces them.
    let rules = device_rules::rules::container_rules(Some(rules), &mut Findings::new());
    match (allow_list(&rules), control) {
        (AllowList::All, _) | (AllowList::Beyond(_), DeviceControl::Program(_)) => {
            UnitDevices::Open
        }
        (AllowList::Only(list) | AllowList::Beyond(list), _) => UnitDevices::Strict(list),
    }
}

fn device_control(
    rules: &[crate::spec::oci::LinuxDeviceCgroup],
    layout: &Layout,
    rootless: bool,
    findings: &mut Findings,
) -> DeviceControl {
    if rootless && rules.is_empty() {
        return DeviceControl::Untouched;
    }
    let enforcement = layout.device_enforcement();
    let rules = device_rules::rules::container_rules(Some(rules), findings);
    if enforcement == DeviceEnforcement::Nothing {
        if !rootless && !device_rules::rules::allow_all(&rules) {
            findings.error(
                "linux.resources.devices",
                "this host has neither the devices controller of cgroup v1 nor cgroup v2 to enforce them",
            );
        }
        return DeviceControl::Untouched;
    }
    match enforcement {
        DeviceEnforcement::Nothing => DeviceControl::Untouched,
        DeviceEnforcement::Files => {
            DeviceControl::Files(device_rules::files::writes(&rules, findings))
        }
        DeviceEnforcement::Program => DeviceControl::Program(DeviceProgram {
            program: device_rules::program::program(&rules),
            required: !device_rules::rules::allow_all(&rules),
        }),
    }
}

/// Who is given the cgroup: the program's user, where it sees a cgroup2 of its own
/// that it may write (config-linux.md, "Cgroup ownership").
fn cgroup_owner(
    spec: &Spec,
    init: &InitPlan,
    id_maps: Option<&IdMaps>,
    host: &Host,
) -> Option<u32> {
    let namespaces = &init.namespaces;
    let unified = host.cgroups.as_ref().is_some_and(Layout::is_unified);
    if !unified || !namespaces.is_new(Kind::Cgroup) {
        return None;
    }
    let writable = |mount: &Mount| {
        let source = mount.source().as_ref();
        let options = mount.options().as_deref().unwrap_or_default();
        source.is_some_and(|source| source == Path::new("cgroup"))
            && mount.destination() == Path::new("/sys/fs/cgroup")
            && !options.iter().any(|option| option == "ro")
    };
    if !spec.mounts().iter().flatten().any(writable) {
        return None;
    }
    let inside = init.process.user.uid;
    match id_maps {
        Some(maps) => maps.outside_user(inside),
        // Of a namespace that is joined we do not know the maps.
        None if namespaces.has(Kind::User) => None,
        None => (inside != 0).then_some(inside),
    }
}

/// The container's own view of its cgroups, for a mount of that type.
fn cgroup_view(
    cgroup: &CgroupPlan,
    layout: Option<&Layout>,
    namespaces: &NamespacePlan,
) -> Option<CgroupMount> {
    let own_namespace = namespaces.has(Kind::Cgroup);
    let trees = &cgroup.hierarchies;
    let first = trees.first()?;
    if trees.iter().all(|tree| tree.controllers.is_empty()) {
        return Some(if own_namespace {
            CgroupMount::Unified
        } else {
            // What /proc/self/cgroup names is there: monitors of a whole host go
            // without a cgroup namespace for that.
            CgroupMount::UnifiedBind {
                source: PathBuf::from(&first.mount),
            }
        });
    }
    let hierarchies = trees
        .iter()
        .map(|tree| {
            let name = tree.mount.rsplit('/').next().unwrap_or_default().to_owned();
            let links = tree
                .controllers
                .iter()
                .filter(|controller| {
                    tree.controllers.len() > 1 && **controller != name && !controller.contains('=')
                })
                .cloned()
                .collect();
            // Gone without, the container stays in the cgroup of its creator.
            let own = layout.filter(|_| cgroup.optional).and_then(|layout| {
                let mut mounted = layout.hierarchies.iter();
                let own = mounted
                    .find(|other| other.mount == tree.mount)?
                    .own
                    .as_ref()?;
                Some(PathBuf::from(format!("{}{own}", tree.mount)))
            });
            LegacyHierarchy {
                options: options(&tree.controllers),
                source: PathBuf::from(tree.folder()),
                otherwise: own,
                name,
                links,
            }
        })
        .collect();
    Some(CgroupMount::Legacy {
        hierarchies,
        fresh: own_namespace,
    })
}

/// The mount options that name a v1 hierarchy; none for cgroup2.
fn options(controllers: &[String]) -> Option<String> {
    if controllers.is_empty() {
        return None;
    }
    let named = controllers.iter().all(|name| name.starts_with("name="));
    let list = controllers.join(",");
    Some(if named { format!("none,{list}") } else { list })
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
