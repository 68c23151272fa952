//! Kernels and sandboxes that lack a system call: it is taken away by injection.

mod calls;

use crate::tests::Test;

pub(super) fn tests() -> Vec<Test> {
    calls::tests()
}
