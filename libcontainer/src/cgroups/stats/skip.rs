//! When a figure is left out of the JSON: its readers know absence as zero.

/// A number that is 0.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(super) fn zero(number: &u64) -> bool {
    *number == 0
}

/// A group in which all is zero.
pub(super) fn default<T: Default + PartialEq>(group: &T) -> bool {
    *group == T::default()
}
