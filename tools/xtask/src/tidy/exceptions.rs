//! The list of files and functions that may be longer than the rules allow: it may only shrink.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use crate::repo;

const PATH: &str = "tools/xtask/length-exceptions.txt";

const HEAD: &str = "# Files over 800 lines and functions over 70, with their length. A line may be lowered or taken out, never
# raised or added without a reason in the commit; `cargo xtask fix` lowers them to what is there.
";

/// What is too long (`path` or `path::function`), and the length that is still allowed.
pub type Exceptions = BTreeMap<String, usize>;

/// The list as it is committed.
pub fn read() -> Result<Exceptions> {
    let path = repo::root().join(PATH);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut list = Exceptions::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (lines, name) = line.split_once(' ').with_context(|| format!("{PATH}: {line}"))?;
        list.insert(name.to_string(), lines.parse().with_context(|| format!("{PATH}: {line}"))?);
    }
    Ok(list)
}

/// Writes the list.
pub fn write(list: &Exceptions) -> Result<()> {
    let mut text = HEAD.to_string();
    for (name, lines) in list {
        text += &format!("{lines} {name}\n");
    }
    let path = repo::root().join(PATH);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
