//! The program `lodge-init`: the process inside a container, and nothing else.
//!
//! It is the image that `lodge` seals for each container, when the build put it
//! there (`hack/build-static` does): a small one is copied, started and kept at
//! a fraction of the cost of the whole program. Without it `lodge` seals itself.

mod alloc;

fn main() {
    libcontainer::process::init_stage();
}
