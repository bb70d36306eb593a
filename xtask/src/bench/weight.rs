//! What a dependency on a runtime costs before the program runs: the time of a cold build, crates, size.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::cli::{Failure, Outcome};
use crate::{deps, process, workspace};

/// How often each is built; the median counts.
const ROUNDS: usize = 3;

/// A hello world.
struct Hello {
    name: &'static str,
    /// What the table says of it.
    about: &'static str,
    /// Its dependency. `ROOT` stands for the workspace.
    dependency: &'static str,
    main: &'static str,
}

const HELLOS: &[Hello] = &[
    Hello { name: "asyncio", about: "asyncio", dependency: "asyncio = { path = \"ROOT/crates/asyncio\" }", main: OURS },
    Hello {
        name: "asyncio-few",
        about: "asyncio, no default features",
        dependency: "asyncio = { path = \"ROOT/crates/asyncio\", default-features = false }",
        main: OURS,
    },
    Hello {
        name: "tokio-full",
        about: "tokio, feature `full`",
        dependency: "tokio = { version = \"1\", features = [\"full\"] }",
        main: TOKIO,
    },
    Hello {
        name: "tokio-few",
        about: "tokio, features `macros`, `rt`, `time`",
        dependency: "tokio = { version = \"1\", features = [\"macros\", \"rt\", \"time\"] }",
        main: TOKIO,
    },
    Hello {
        name: "smol",
        about: "smol",
        dependency: "smol = \"2\"",
        main: "fn main() {\n    smol::block_on(async {\n        \
               smol::Timer::after(std::time::Duration::from_millis(1)).await;\n        println!(\"hello\");\n    });\n}\n",
    },
];

const OURS: &str = "#[asyncio::main]\nasync fn main() {\n    \
                    asyncio::sleep(std::time::Duration::from_millis(1)).await;\n    println!(\"hello\");\n}\n";

const TOKIO: &str = "#[tokio::main(flavor = \"current_thread\")]\nasync fn main() {\n    \
                     tokio::time::sleep(std::time::Duration::from_millis(1)).await;\n    println!(\"hello\");\n}\n";

/// Builds each hello world from nothing a few times, in turn, and writes the table; `quick` is once.
pub fn run(quick: bool) -> Outcome {
    let rounds = if quick { 1 } else { ROUNDS };
    let mut seconds = vec![Vec::new(); HELLOS.len()];
    for hello in HELLOS {
        prepare(hello)?;
    }
    for round in 1..=rounds {
        for (hello, seconds) in HELLOS.iter().zip(&mut seconds) {
            eprintln!("{} {round}/{rounds}", hello.name);
            seconds.push(build(hello)?);
        }
    }
    let mut table = header(rounds)?;
    for (hello, mut seconds) in HELLOS.iter().zip(seconds) {
        seconds.sort_by(f64::total_cmp);
        let line = format!(
            "| {} | {:.1} | {} | {:.0} |\n",
            hello.about,
            seconds[rounds / 2],
            crates(hello)?,
            size(hello)? as f64 / 1024.0
        );
        table += &line;
    }
    print!("{table}");
    let file = workspace::root().join("docs/benchmarks/weight.md");
    write(&file, &table)
}

/// Where a hello world lives: below the build output of the workspace.
fn folder(hello: &Hello) -> PathBuf {
    workspace::root().join("target/weight").join(hello.name)
}

fn write(file: &Path, text: &str) -> Outcome {
    let folder = file.parent().unwrap_or(file);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, text));
    written.map_err(|error| Failure::while_doing(format!("writing {}", file.display()), error))
}

/// Writes the sources, and fetches what is not there yet.
fn prepare(hello: &Hello) -> Outcome {
    let root = workspace::root().to_string_lossy();
    let manifest = format!(
        "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}\n\n\
         [profile.release]\nstrip = true\n\n[workspace]\n",
        hello.dependency.replace("ROOT", &root)
    );
    write(&folder(hello).join("Cargo.toml"), &manifest)?;
    write(&folder(hello).join("src/main.rs"), hello.main)?;
    // The versions that the workspace is tested with; cargo takes out what is not needed.
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock"))
        .map_err(|error| Failure::while_doing("reading Cargo.lock", error))?;
    write(&folder(hello).join("Cargo.lock"), &lock)?;
    process::output(cargo(hello, &["fetch", "--offline"]))
        .or_else(|_| process::output(cargo(hello, &["fetch"])))
        .map(drop)
}

fn cargo(hello: &Hello, arguments: &[&str]) -> Command {
    let mut command = process::cargo(arguments);
    command.current_dir(folder(hello)).env("CARGO_TARGET_DIR", folder(hello).join("target"));
    command
}

/// Builds from nothing, and returns the seconds it took.
fn build(hello: &Hello) -> Result<f64, Failure> {
    let target = folder(hello).join("target");
    if target.exists() {
        let what = format!("removing {}", target.display());
        fs::remove_dir_all(&target).map_err(|error| Failure::while_doing(what, error))?;
    }
    let began = Instant::now();
    process::output(cargo(hello, &["build", "--quiet", "--release", "--offline"]))?;
    Ok(began.elapsed().as_secs_f64())
}

/// How many crates are compiled, the program itself not counted.
fn crates(hello: &Hello) -> Result<usize, Failure> {
    let tree = ["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = process::output(cargo(hello, &tree))?;
    Ok(deps::packages(&tree).len() - 1)
}

/// The bytes of the stripped program.
fn size(hello: &Hello) -> Result<u64, Failure> {
    let program = folder(hello).join("target/release/hello");
    let what = format!("looking at {}", program.display());
    fs::metadata(program).map(|file| file.len()).map_err(|error| Failure::while_doing(what, error))
}

fn header(rounds: usize) -> Result<String, Failure> {
    let of = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        process::output(command).map(|text| text.trim().to_owned())
    };
    let mut text = String::from("# Weight\n\nMade by `cargo xtask bench --weight`, not written by hand. ");
    text += "[What the rows mean](../benchmarks.md).\n\n";
    if rounds < ROUNDS {
        text += "**A quick run: one build of each, and only roughly how long it takes.**\n\n";
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _ = writeln!(
        text,
        "- Date: {}. {cores} cores, {}.",
        of("date", &["-u", "+%Y-%m-%d"])?,
        of("rustc", &["--version"])?
    );
    let _ = writeln!(text, "- Median of {rounds} from nothing, with cargo's own release profile, stripped.\n");
    text += "| hello world | cold build, s | crates | program, KiB |\n|---|---:|---:|---:|\n";
    Ok(text)
}
