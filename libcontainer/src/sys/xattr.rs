//! Extended attributes.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::Result;
use super::call::Call;

/// fsetxattr(2), whether it was there or not.
pub(crate) fn set_attribute(file: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    Call::Fsetxattr(file, name, value).make()?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::set_attribute;
    use crate::sys::Errno;
    use std::os::fd::AsFd;

    #[test]
    fn a_name_without_a_class_is_refused() {
        let file = tempfile::tempfile().unwrap();
        let set = |name| set_attribute(file.as_fd(), name, b"1");
        assert_eq!(set(c"noclass.x"), Err(Errno::EOPNOTSUPP));
        assert_eq!(set(c""), Err(Errno::ERANGE));
    }
}
