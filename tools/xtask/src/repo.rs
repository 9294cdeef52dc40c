//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// One file that belongs to the repository.
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// What it holds; `None` when it is not UTF-8.
    pub text: Option<String>,
}

impl File {
    /// Whether a machine wrote it.
    pub fn is_generated(&self) -> bool {
        self.path.contains("/generated/") || self.path == "Cargo.lock"
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The text; empty when it is not UTF-8.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

/// The root folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// All files that git tracks or would track, in the order of their paths; without git, all files that are
/// not in a build folder.
pub fn files() -> Result<Vec<File>> {
    let root = root();
    let mut paths = match from_git(&root) {
        Some(paths) => paths,
        None => {
            let mut found = Vec::new();
            walk(&root, &root, &mut found)?;
            found
        }
    };
    paths.sort();
    paths.dedup();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        // A file can be tracked and deleted, or vanish while others work in the same checkout.
        let Ok(bytes) = fs::read(root.join(&path)) else { continue };
        files.push(File { path, text: String::from_utf8(bytes).ok() });
    }
    Ok(files)
}

fn from_git(root: &Path) -> Option<Vec<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(listing.stdout).ok()?;
    let paths: Vec<String> = text.split('\0').filter(|path| !path.is_empty()).map(str::to_string).collect();
    (!paths.is_empty()).then_some(paths)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if ["target", ".git", "node_modules", "build", "__pycache__"].iter().any(|skip| name == *skip) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(root, &path, found)?;
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            found.push(relative.to_string());
        }
    }
    Ok(())
}
