//! The commands of this workspace: `cargo xtask ci` and its parts.
fn main() {}
