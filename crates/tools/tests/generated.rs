//! `docs/tools/` and `bin/` are written from the declarations; these tests fail when they are not what those say.
//! `OTTLA_UPDATE_DOCS=1 cargo test -p ottla-tools --test generated` writes them.

use std::path::{Path, PathBuf};

fn check(folder: &str, wanted: Vec<(String, String)>, executable: bool) {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let update = std::env::var_os("OTTLA_UPDATE_DOCS").is_some();
    if update {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
    }
    let mut stale = Vec::new();
    for (name, text) in &wanted {
        let path = folder.join(name);
        if update {
            std::fs::write(&path, text).expect("the file is writable");
            if executable {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
            }
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != *text {
            stale.push(name.clone());
        }
    }
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !wanted.iter().any(|(known, _)| *known == name) {
            stale.push(format!("{name} (too much)"));
        }
    }
    assert!(
        stale.is_empty(),
        "{} is stale: run this test with OTTLA_UPDATE_DOCS=1: {stale:?}",
        folder.display()
    );
}

#[test]
fn the_pages_of_tools_are_what_the_declarations_say() {
    check("docs/tools", ottla_tools::markdown::pages(), false);
}

#[test]
fn the_scripts_are_what_the_declarations_say() {
    check("bin", ottla_tools::shims::all(), true);
}
