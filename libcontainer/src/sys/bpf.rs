//! bpf(2), as far as device programs of cgroups need it.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{Errno, fd};

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawInsn {
    /// Operation.
    pub(crate) code: u8,
    /// Destination and source register, in the order of the byte order.
    pub(crate) registers: u8,
    /// Offset.
    pub(crate) offset: i16,
    /// Immediate value.
    pub(crate) immediate: i32,
}

const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_ATTACH: i32 = 8;
const BPF_PROG_DETACH: i32 = 9;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_PROG_QUERY: i32 = 16;

const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
const BPF_F_REPLACE: u32 = 1 << 2;

/// What the kernel may write behind the fields that we know: 6.17 to 7.1 write
/// 8 bytes past a short `bpf_attr` in `BPF_PROG_QUERY`, so the attributes always
/// come in full size and zeroed.
const ATTRIBUTE_SIZE: usize = 144;
const _: () = assert!(ATTRIBUTE_SIZE >= 64);

/// `union bpf_attr`, written by offset: `u32` and `u64` fields at the places
/// that linux/bpf.h gives.
#[repr(C, align(8))]
struct Attributes([u8; ATTRIBUTE_SIZE]);

impl Attributes {
    fn new() -> Self {
        Self([0; ATTRIBUTE_SIZE])
    }

    fn put(mut self, offset: usize, bytes: &[u8]) -> Self {
        if let Some(place) = self
            .0
            .get_mut(offset..)
            .and_then(|rest| rest.get_mut(..bytes.len()))
        {
            place.copy_from_slice(bytes);
        }
        self
    }

    fn u32(self, offset: usize, value: u32) -> Self {
        self.put(offset, &value.to_ne_bytes())
    }

    fn fd(self, offset: usize, fd: BorrowedFd<'_>) -> Self {
        self.put(offset, &fd.as_raw_fd().to_ne_bytes())
    }

    fn pointer<T: ?Sized>(self, offset: usize, pointer: *const T) -> Self {
        // On a 32-bit kernel the upper half of the __aligned_u64 stays zero.
        let address = u64::try_from(pointer.cast::<u8>().addr()).unwrap_or_default();
        self.put(offset, &address.to_ne_bytes())
    }

    fn get_u32(&self, offset: usize) -> u32 {
        self.0
            .get(offset..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

/// # Safety
///
/// Pointers in `attributes` must be valid for what `command` does with them.
unsafe fn bpf(command: i32, attributes: &mut Attributes) -> Result<libc::c_long, Errno> {
    let pointer: *mut Attributes = attributes;
    // SAFETY: the attributes are initialised, of the size given, and exclusively
    // borrowed; the pointers in them are the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, pointer, ATTRIBUTE_SIZE) };
    Errno::result(result)
}

/// A command without a pointer among its attributes.
fn plain(command: i32, mut attributes: Attributes) -> Result<libc::c_long, Errno> {
    // SAFETY: the callers put numbers and descriptors there alone.
    unsafe { bpf(command, &mut attributes) }
}

/// Loads a device program.
pub(crate) fn load_device_program(instructions: &[RawInsn]) -> Result<OwnedFd, Errno> {
    const LICENSE: &std::ffi::CStr = c"Apache-2.0";
    let count = u32::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?;
    let mut attributes = Attributes::new()
        .u32(0, BPF_PROG_TYPE_CGROUP_DEVICE)
        .u32(4, count)
        .pointer(8, instructions.as_ptr())
        .pointer(16, LICENSE.as_ptr());
    // SAFETY: the kernel reads `count` instructions and the license up to its
    // NUL; both outlive the call.
    let program = unsafe { bpf(BPF_PROG_LOAD, &mut attributes) }?;
    Ok(fd::own(program))
}

/// Attaches a device program beside those that are there, or in the place of
/// `replaced` (kernel 5.6), in one step either way.
pub(crate) fn attach_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let mut attributes = Attributes::new()
        .fd(0, cgroup)
        .fd(4, program)
        .u32(8, BPF_CGROUP_DEVICE)
        .u32(12, BPF_F_ALLOW_MULTI);
    if let Some(old) = replaced {
        attributes = attributes
            .u32(12, BPF_F_ALLOW_MULTI | BPF_F_REPLACE)
            .fd(16, old);
    }
    plain(BPF_PROG_ATTACH, attributes).map(|_| ())
}

/// Detaches a device program.
pub(crate) fn detach_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let attributes = Attributes::new()
        .fd(0, cgroup)
        .fd(4, program)
        .u32(8, BPF_CGROUP_DEVICE);
    plain(BPF_PROG_DETACH, attributes).map(|_| ())
}

/// The device programs attached to this very cgroup; those that may not be
/// opened (`EPERM`, `EACCES`: a security module says so) are left out, for they
/// can only restrict further.
pub(crate) fn device_programs(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Errno> {
    // The kernel attaches at most 64 to a cgroup (BPF_CGROUP_MAX_PROGS).
    const MOST: u32 = 64;
    let mut ids = [0_u32; 64];
    let mut attributes = Attributes::new()
        .fd(0, cgroup)
        .u32(4, BPF_CGROUP_DEVICE)
        .pointer(16, ids.as_mut_ptr())
        .u32(24, MOST);
    // SAFETY: the kernel writes at most MOST ids to `ids`, which has room for
    // them and outlives the call.
    unsafe { bpf(BPF_PROG_QUERY, &mut attributes) }?;
    let count = usize::try_from(attributes.get_u32(24)).unwrap_or_default();
    let mut programs = Vec::new();
    for id in ids.iter().take(count) {
        match plain(BPF_PROG_GET_FD_BY_ID, Attributes::new().u32(0, *id)) {
            Ok(program) => programs.push(fd::own(program)),
            Err(Errno::EPERM | Errno::EACCES | Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(programs)
}

/// Lifts the limit of locked memory, against which kernels before 5.11 charge
/// programs.
pub(crate) fn lift_memlock() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    // Without CAP_SYS_RESOURCE the old limit stays, and the load says so.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
}
