//! An image of this program that nobody can write: what the container can reach
//! through `/proc/<pid>/exe` must not be the host's file (CVE-2019-5736).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sendfile::sendfile;
use nix::sys::stat::{Mode, fstat};

use crate::error::StepError;
use crate::sys::Errno;
use crate::sys::open::open;

/// MFD_EXEC, Linux 6.3: executable where `vm.memfd_noexec` is 1.
const MFD_EXEC: libc::c_uint = 0x10;

/// An image to seal in place of the running program.
static INIT_IMAGE: OnceLock<&'static [u8]> = OnceLock::new();

/// Names an executable file whose `main` calls [`init_stage`](super::init_stage)
/// first: it is sealed for each container in place of the calling program, and
/// the smaller it is, the less a container costs. The first call counts.
///
/// Without it the calling program is sealed, and has to call `init_stage`
/// itself.
pub fn use_init_image(image: &'static [u8]) {
    let _ = INIT_IMAGE.set(image);
}

/// Makes the image.
pub(crate) fn sealed_self() -> Result<OwnedFd, StepError> {
    if let Some(image) = INIT_IMAGE.get() {
        return seal_bytes(image)
            .map_err(|errno| StepError::new("seal", "the image of the init process", errno));
    }
    let failed = |errno| StepError::new("seal", "a copy of this program", errno);
    let program = open(
        "/proc/self/exe",
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)?;
    copy(&program).map_err(failed)
}

fn copy(program: &OwnedFd) -> Result<OwnedFd, Errno> {
    let image = memory_file()?;
    let mut left = usize::try_from(fstat(program)?.st_size).map_err(|_| Errno::EFBIG)?;
    while left > 0 {
        match sendfile(image.as_fd(), program.as_fd(), None, left) {
            Ok(0) => return Err(Errno::EIO),
            Ok(sent) => left = left.saturating_sub(sent),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
    }
    seal(image)
}

fn seal_bytes(mut bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let image = memory_file()?;
    while !bytes.is_empty() {
        match nix::unistd::write(&image, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    seal(image)
}

fn memory_file() -> Result<OwnedFd, Errno> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let executable = flags | MFdFlags::from_bits_retain(MFD_EXEC);
    match memfd_create(c"lodge:init", executable) {
        // A kernel that does not know the flag; there everything is executable.
        Err(Errno::EINVAL) => memfd_create(c"lodge:init", flags),
        made => made,
    }
}

fn seal(image: OwnedFd) -> Result<OwnedFd, Errno> {
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(&image, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(image)
}
