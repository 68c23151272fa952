//! From the spec to the filter.

use super::arch::Arch;
use super::emit;
use super::filter::{Filter, MAX_INSTRUCTIONS};
use super::profile::Profile;
use super::ranges::Section;
use crate::error::{Finding, Findings};
use crate::spec::oci::{LinuxSeccomp, LinuxSeccompAction};

/// Compiles `linux.seccomp` for a process of the architecture `native`.
///
/// `None` when nothing is to be filtered: everything is allowed and there is no
/// rule. What the profile names and nobody knows is skipped and said to the log.
///
/// # Errors
///
/// Every fault of the profile, with the path of its field.
pub fn compile(spec: &LinuxSeccomp, native: Arch) -> Result<Option<Filter>, Findings> {
    let profile = Profile::read(spec)?;
    let rules = spec.syscalls().as_deref().unwrap_or_default();
    if spec.default_action() == LinuxSeccompAction::ScmpActAllow && rules.is_empty() {
        return Ok(None);
    }
    let archs = archs(spec, native);
    let mut findings = Findings::new();
    let mut sections: Vec<Section> = Vec::with_capacity(archs.len());
    let has_x32 = archs.contains(&Arch::X32);
    for arch in &archs {
        let beside = *arch == Arch::X32 && archs.contains(&Arch::X86_64);
        if !beside {
            // A contradiction is one on all architectures; the first reports it.
            let report = sections.is_empty().then_some(&mut findings);
            sections.push(Section::new(&profile, *arch, has_x32, report));
        }
    }
    check_size(&sections, &mut findings);
    if findings.has_errors() {
        return Err(findings);
    }
    let program = emit::program(&sections, profile.default);
    if program.len() > MAX_INSTRUCTIONS {
        findings.push(too_long(program.len(), ""));
        return Err(findings);
    }
    log::debug!("seccomp filter flags: {}", profile.flags);
    Ok(Some(Filter {
        program,
        flags: profile.flags,
        listener: profile.listener,
    }))
}

/// The architectures of the profile, the native one first in any case.
fn archs(spec: &LinuxSeccomp, native: Arch) -> Vec<Arch> {
    let mut archs = vec![native];
    for arch in spec.architectures().as_deref().unwrap_or_default() {
        let arch = Arch::from_spec(*arch, native);
        if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    archs
}

/// Refuses what cannot fit before it is written: a condition takes at least one
/// instruction.
fn check_size(sections: &[Section], findings: &mut Findings) {
    let leaves = sections.iter().flat_map(|section| &section.leaves);
    let conditions: usize = leaves
        .flat_map(|leaf| &leaf.rules)
        .map(|(conditions, _)| conditions.len())
        .sum();
    if conditions > MAX_INSTRUCTIONS {
        findings.push(too_long(conditions, "at least "));
    }
}

fn too_long(count: usize, at_least: &str) -> Finding {
    Finding::error(
        "linux.seccomp",
        format!(
            "the filter takes {at_least}{count} instructions; the kernel takes {MAX_INSTRUCTIONS}"
        ),
    )
    .with_advice("name fewer argument conditions or fewer architectures")
}
