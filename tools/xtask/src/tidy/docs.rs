//! Every crate says what it is before its first line of code, and no document points nowhere.

use super::Problem;
use super::source::line_of;
use crate::repo::{self, File};

/// `lib.rs` and `main.rs` open with `//!`; links of documents to files of the repository hold.
pub fn check(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in files {
        let is_root = file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs");
        if is_root && !file.text().starts_with("//! ") {
            found.push(format!("{}: does not open with `//!`: what the crate is, and is not", file.path));
        }
        if file.path.ends_with(".md") {
            found.extend(dead_links(file));
        }
    }
    for required in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"] {
        if !files.iter().any(|f| f.path == required) {
            found.push(format!("{required} is missing"));
        }
    }
    found
}

fn dead_links(file: &File) -> Vec<Problem> {
    let root = repo::root();
    let folder = root.join(&file.path).parent().map_or_else(|| root.clone(), std::path::Path::to_path_buf);
    let mut found = Vec::new();
    for (at, target) in links(file.text()) {
        if target.contains("://") || target.starts_with("mailto:") || target.starts_with('#') {
            continue;
        }
        let path = target.split('#').next().unwrap_or_default();
        if !folder.join(path).exists() {
            found.push(format!(
                "{}:{}: a link to {target}, which is not there",
                file.path,
                line_of(file.text(), at)
            ));
        }
    }
    found
}

/// Position and target of every `[...](target)` outside of inline code.
fn links(text: &str) -> Vec<(usize, &str)> {
    text.match_indices("](")
        .filter(|(at, _)| {
            let line = text[..*at].rfind('\n').map_or(0, |end| end + 1);
            text[line..*at].matches('`').count().is_multiple_of(2)
        })
        .filter_map(|(at, open)| {
            let rest = &text[at + open.len()..];
            rest.find([')', ' ', '\n']).map(|end| (at, &rest[..end]))
        })
        .filter(|(_, target)| !target.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_targets_of_links() {
        assert_eq!(links("see [a](b.md), [c](d/e.md#f) and g(h)"), [(6, "b.md"), (17, "d/e.md#f")]);
        assert_eq!(links("`RULE:[1:$1](.*)`, [`a`](b.md)"), [(23, "b.md")]);
    }
}
