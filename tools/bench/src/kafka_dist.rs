//! Apache Kafka 4.3.1, as the client suites have it: from Maven Central, in a cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Class path of broker and tools. Downloads them when they are not there yet.
///
/// One place knows where they are kept and how they are fetched: the harness of the client suites.
pub fn class_path() -> Result<String> {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat");
    let program = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]); \
                   from harness import kafka_dist; print(kafka_dist.root())";
    let output =
        Command::new("python3").args(["-c", program]).arg(&suites).output().context("starting python3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "no Apache Kafka: {}",
        String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default()
    );
    let folder = PathBuf::from(said.lines().last().unwrap_or_default()).join("kafka");
    let mut jars = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "jar") {
            jars.push(path.to_string_lossy().into_owned());
        }
    }
    ensure!(!jars.is_empty(), "no jars in {}", folder.display());
    jars.sort();
    Ok(jars.join(":"))
}
