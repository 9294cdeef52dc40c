//! `librdkafka.c` with librdkafka as Python's wheel has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const SOURCE: &str = include_str!("librdkafka.c");

/// Compiles the program into a folder.
pub fn compile(folder: &Path) -> Result<PathBuf> {
    let library = library()?;
    let (source, program) = (folder.join("librdkafka.c"), folder.join("librdkafka-client"));
    fs::write(&source, SOURCE)?;
    let beside = library.parent().unwrap_or(Path::new("/"));
    let output = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&program, &source, &library])
        .arg(format!("-Wl,-rpath,{}", beside.display()))
        .output()
        .context("starting cc")?;
    ensure!(output.status.success(), "librdkafka.c: {}", String::from_utf8_lossy(&output.stderr));
    Ok(program)
}

/// The shared library: that of OTTLA_LIBRDKAFKA, or of the environment in which the client suites run Python, which is
/// made when it is not there.
fn library() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("OTTLA_LIBRDKAFKA") {
        return Ok(given.into());
    }
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat");
    let program = "import sys, pathlib; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]); \
                   from harness.context import venv; \
                   print(venv('python', pathlib.Path(sys.argv[1]) / 'python' / 'requirements.txt'))";
    let output =
        Command::new("python3").args(["-c", program]).arg(&suites).output().context("starting python3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "no librdkafka: {}", String::from_utf8_lossy(&output.stderr));
    let packages = PathBuf::from(said.lines().last().unwrap_or_default()).join("lib");
    for python in fs::read_dir(&packages).with_context(|| format!("reading {}", packages.display()))? {
        let folder = python?.path().join("site-packages/confluent_kafka.libs");
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("librdkafka")) {
                return Ok(path);
            }
        }
    }
    anyhow::bail!("no librdkafka in {}; OTTLA_LIBRDKAFKA can name one", packages.display())
}
