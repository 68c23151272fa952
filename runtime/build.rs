//! Takes the image of the init process into the program, where one was built.

fn main() {
    println!("cargo:rerun-if-env-changed=LODGE_INIT_IMAGE");
    println!("cargo:rustc-check-cfg=cfg(embedded_init)");
    if let Some(path) = std::env::var_os("LODGE_INIT_IMAGE") {
        let path = std::path::Path::new(&path);
        println!("cargo:rerun-if-changed={}", path.display());
        println!("cargo:rustc-cfg=embedded_init");
    }
}
