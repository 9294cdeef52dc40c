//! `unsafe` stands only in the modules listed here. The compiler denies it everywhere; a module that needs it
//! says `#[allow(unsafe_code)]` and is added to this list with its reason.

use super::Problem;
use super::source::{code_only, find_words, line_of};
use crate::repo::File;

/// Path of a module and why it can't do without.
const LISTED: [(&str, &str); 0] = [];

/// No `unsafe`, and no leave to write it, outside the list.
pub fn check(files: &[File]) -> Vec<Problem> {
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
    for (path, _) in LISTED {
        if !files.iter().any(|f| f.path == path && !find_words(&code_only(f.text()), "unsafe").is_empty()) {
            found.push(format!("{path}: listed for `unsafe` but has none; take it off the list"));
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
        assert_eq!(check(&file("fn f() { unsafe { g() } }")).len(), 1);
        assert_eq!(check(&file("#![allow(unsafe_code)]")).len(), 1);
        assert!(check(&file("// unsafe\n#![forbid(unsafe_code)]\nlet a = \"unsafe\";")).is_empty());
    }
}
