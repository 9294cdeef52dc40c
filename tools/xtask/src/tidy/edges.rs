//! Which crate may use which: dependencies go one way, and a new edge is a decision, taken here.

use super::Problem;
use crate::repo::File;

/// Folder of a package, then the packages of this repository that it may use. The order is that of the
/// layers: nothing may use what stands below it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("crates/protocol", &[]),
    ("crates/config", &[]),
    ("crates/storage", &["ottla-protocol", "ottla-config"]),
    ("crates/metadata", &["ottla-protocol", "ottla-config"]),
    ("crates/security", &["ottla-metadata", "ottla-protocol"]),
    ("crates/net", &["ottla-protocol", "ottla-config"]),
    ("crates/http", &["ottla-security"]),
    ("crates/controller", &["ottla-metadata", "ottla-protocol", "ottla-config"]),
    ("crates/coordinator", &["ottla-metadata", "ottla-protocol", "ottla-config"]),
    (
        "crates/broker",
        &[
            "ottla-protocol",
            "ottla-config",
            "ottla-storage",
            "ottla-metadata",
            "ottla-net",
            "ottla-security",
            "ottla-http",
            "ottla-controller",
            "ottla-coordinator",
        ],
    ),
    ("crates/client", &["ottla-protocol", "ottla-config", "ottla-security", "ottla-http"]),
    ("crates/tools", &["ottla-client", "ottla-config", "ottla-metadata", "ottla-protocol", "ottla-storage"]),
    (
        "crates/cli",
        &[
            "ottla-tools",
            "ottla-client",
            "ottla-broker",
            "ottla-config",
            "ottla-metadata",
            "ottla-protocol",
            "ottla-storage",
        ],
    ),
    ("tools/xtask", &[]),
    ("tests/compat/rust/program", &["ottla-client", "ottla-protocol"]),
    ("tools/bench", &["ottla-net", "ottla-protocol", "ottla-security"]),
    (
        "tools/instructions",
        &["ottla-client", "ottla-metadata", "ottla-protocol", "ottla-security", "ottla-storage"],
    ),
    ("tools/fuzz", &["ottla-config", "ottla-metadata", "ottla-protocol", "ottla-security", "ottla-storage"]),
];

/// Every manifest is in the table, and uses no more than the table allows, not even in tests.
pub fn check(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in files {
        let Some(folder) = file.path.strip_suffix("/Cargo.toml") else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == folder) else {
            found.push(format!(
                "{}: a package that the table of allowed edges does not know (tools/xtask/src/tidy/edges.rs)",
                file.path
            ));
            continue;
        };
        for used in dependencies(file.text()) {
            if used.starts_with("ottla") && !allowed.contains(&used) {
                found.push(format!(
                    "{}: {used} is not an allowed dependency of {folder} (tools/xtask/src/tidy/edges.rs)",
                    file.path
                ));
            }
        }
    }
    found
}

/// Names of what a manifest depends on: to run, to build or to test.
pub fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut in_table = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            in_table = header.ends_with("dependencies") && !header.starts_with("workspace");
            // [dependencies.name]
            if let Some((table, name)) = header.rsplit_once('.')
                && table.ends_with("dependencies")
                && !table.starts_with("workspace")
            {
                names.push(name);
            }
        } else if in_table && !line.starts_with('#') {
            let end = line.find([' ', '.', '=']).unwrap_or(line.len());
            if end > 0 {
                names.push(&line[..end]);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_form_of_a_dependency() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\"\n# c = \"1\"\n\
                        [dev-dependencies]\nd = { path = \"y\" }\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n\
                        [dependencies.f]\nversion = \"1\"\n[lints]\nworkspace = true\n";
        assert_eq!(dependencies(manifest), ["a", "b", "d", "e", "f"]);
    }

    #[test]
    fn an_edge_against_the_layers_is_found() {
        let manifest = |path: &str, text: &str| File { path: path.into(), text: Some(text.into()) };
        let upward =
            manifest("crates/protocol/Cargo.toml", "[dependencies]\nottla-config.workspace = true\n");
        assert_eq!(check(&[upward]).len(), 1);
        let unknown = manifest("crates/new/Cargo.toml", "");
        assert_eq!(check(&[unknown]).len(), 1);
        let fine = manifest(
            "crates/net/Cargo.toml",
            "[dependencies]\nottla-config.workspace = true\nbytes = \"1\"\n",
        );
        assert!(check(&[fine]).is_empty());
    }

    #[test]
    fn the_table_is_in_the_order_of_the_layers() {
        for (i, (_, allowed)) in ALLOWED.iter().enumerate() {
            for used in *allowed {
                let folder = format!("crates/{}", used.trim_start_matches("ottla-"));
                assert!(ALLOWED[..i].iter().any(|(above, _)| *above == folder), "{used} must stand higher");
            }
        }
    }
}
