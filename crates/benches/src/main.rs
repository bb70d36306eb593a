//! The program of the benchmarks.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    benches::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("benches: skipped: they run on Linux only");
}
