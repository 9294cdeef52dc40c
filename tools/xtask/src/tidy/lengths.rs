//! A file holds one noun, a function fits on a screen. The numbers are ratchets: what is already longer is
//! listed with its length and may only shrink.

use std::collections::BTreeMap;

use super::Problem;
use super::exceptions::Exceptions;
use super::source::{code_only, functions};
use crate::repo::File;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Kinds of files whose length counts.
const SOURCES: [&str; 8] = [".rs", ".py", ".java", ".scala", ".go", ".js", ".ts", ".sh"];

/// Nothing is longer than the rules allow, but for listed exceptions, and these are not longer than listed.
pub fn check(files: &[File], exceptions: &Exceptions) -> Vec<Problem> {
    let long = too_long(files);
    let mut found = Vec::new();
    for (name, lines) in &long {
        match exceptions.get(name) {
            None => {
                let limit = limit_of(name);
                found.push(format!("{name}: {lines} lines, at most {limit}; find the second noun in it"));
            }
            Some(allowed) if lines > allowed => {
                found
                    .push(format!("{name}: {lines} lines, grown from {allowed}; exceptions may only shrink"));
            }
            Some(allowed) if lines < allowed => found.push(format!(
                "{name}: {lines} lines, listed with {allowed}; `cargo xtask fix` lowers the exception"
            )),
            Some(_) => {}
        }
    }
    for name in exceptions.keys().filter(|name| !long.contains_key(*name)) {
        found.push(format!("{name}: no longer too long; `cargo xtask fix` takes the exception out"));
    }
    found
}

/// The exceptions lowered to what is there now.
pub fn shrunk(files: &[File], exceptions: &Exceptions) -> Exceptions {
    let long = too_long(files);
    let lower =
        |(name, allowed): (&String, &usize)| long.get(name).map(|lines| (name.clone(), *lines.min(allowed)));
    exceptions.iter().filter_map(lower).collect()
}

fn limit_of(name: &str) -> usize {
    if name.contains("::") { FUNCTION_LINES_MAX } else { FILE_LINES_MAX }
}

fn too_long(files: &[File]) -> BTreeMap<String, usize> {
    let mut long = BTreeMap::new();
    for file in files.iter().filter(|f| !f.is_generated() && SOURCES.iter().any(|end| f.path.ends_with(end)))
    {
        let lines = file.text().lines().count();
        if lines > FILE_LINES_MAX {
            long.insert(file.path.clone(), lines);
        }
        if !file.is_rust() {
            continue;
        }
        for function in functions(&code_only(file.text())) {
            if function.lines > FUNCTION_LINES_MAX {
                // Two of one name in a file: the longer one counts.
                let entry = long.entry(format!("{}::{}", file.path, function.name)).or_default();
                *entry = function.lines.max(*entry);
            }
        }
    }
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(lines: usize) -> Vec<File> {
        let text = format!("fn long() {{\n{}}}\n", "    a();\n".repeat(lines - 2));
        vec![File { path: "crates/x/src/a.rs".into(), text: Some(text) }]
    }

    fn listed(lines: usize) -> Exceptions {
        Exceptions::from([("crates/x/src/a.rs::long".to_string(), lines)])
    }

    #[test]
    fn seventy_lines_fit() {
        assert!(check(&files(70), &Exceptions::new()).is_empty());
        assert_eq!(check(&files(71), &Exceptions::new()).len(), 1);
        assert_eq!(check(&files(801), &Exceptions::new()).len(), 2);
    }

    #[test]
    fn exceptions_only_shrink() {
        assert!(check(&files(90), &listed(90)).is_empty());
        assert_eq!(check(&files(91), &listed(90)).len(), 1);
        assert_eq!(check(&files(89), &listed(90)).len(), 1);
        assert_eq!(check(&files(60), &listed(90)).len(), 1);
        assert_eq!(shrunk(&files(91), &listed(90)), listed(90));
        assert_eq!(shrunk(&files(80), &listed(90)), listed(80));
        assert!(shrunk(&files(60), &listed(90)).is_empty());
    }
}
