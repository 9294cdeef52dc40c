//! `unsafe` stands only in the modules listed here. The compiler denies it everywhere; a module that needs it
//! says `#[allow(unsafe_code)]` and is added to this list with its reason.

use super::Problem;
use super::source::{code_only, find_words, line_of};
use crate::repo::File;

/// Path of a module and why it can't do without.
const LISTED: [(&str, &str); 2] = [
    ("crates/cli/src/commands/footprint.rs", "madvise: pages that only the start needed are given back"),
    (
        "crates/net/src/time_slice.rs",
        "sched_setattr: no library calls it, and threads that serve are to run soon",
    ),
];

/// No `unsafe`, and no leave to write it, outside the list, and nothing in the list that is not needed.
pub fn check(files: &[File]) -> Vec<Problem> {
    let mut found = outside_the_list(files);
    for (path, _) in LISTED {
        if !files.iter().any(|f| f.path == path && !find_words(&code_only(f.text()), "unsafe").is_empty()) {
            found.push(format!("{path}: listed for `unsafe` but has none; take it off the list"));
        }
    }
    found
}

fn outside_the_list(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.is_rust() && !LISTED.iter().any(|(path, _)| *path == f.path)) {
        let code = code_only(file.text());
        for word in ["unsafe", "allow(unsafe_code)", "expect(unsafe_code)"] {
            for at in find_words(&code, word) {
                found.push(format!(
                    "{}:{}: `{word}` outside the list in tools/xtask/src/tidy/unsafe_code.rs",
                    file.path,
                    line_of(&code, at)
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_code_and_not_comments() {
        let file = |text: &str| [File { path: "crates/x/src/a.rs".into(), text: Some(text.into()) }];
        assert_eq!(outside_the_list(&file("fn f() { unsafe { g() } }")).len(), 1);
        assert_eq!(outside_the_list(&file("#![allow(unsafe_code)]")).len(), 1);
        assert!(
            outside_the_list(&file("// unsafe\n#![forbid(unsafe_code)]\nlet a = \"unsafe\";")).is_empty()
        );
    }
}
