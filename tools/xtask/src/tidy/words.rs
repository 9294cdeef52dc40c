//! The repository is written for whoever reads it next, anywhere: no file names a path of one machine, and
//! none tells of the place where it was written.

use super::Problem;
use super::source::line_of;
use crate::repo::File;

/// Beginnings of paths that exist on one machine only. In halves, so that this file does not contain them.
const PATHS: [(&str, &str); 4] = [("/wo", "rk/"), ("/op", "t/kafka"), ("/tm", "p/ottla"), ("/roo", "t/")];

/// Words about a workplace.
const WORDS: [(&str, &str); 5] = [
    ("agent", " session"),
    ("sub", "agent"),
    ("coding", " agent"),
    ("language", " model"),
    ("issues", " show"),
];

/// No file that is text has any of them.
pub fn check(files: &[File]) -> Vec<Problem> {
    let whole = |(a, b): (&str, &str)| format!("{a}{b}");
    let paths: Vec<String> = PATHS.into_iter().map(whole).collect();
    let words: Vec<String> = WORDS.into_iter().map(whole).collect();
    let mut found = Vec::new();
    for file in files.iter().filter(|f| !f.is_generated()) {
        let text = file.text();
        for path in &paths {
            for (at, _) in text.match_indices(path.as_str()) {
                // `src/home/x` and `https://host/work/` are no absolute paths.
                let inside = text[..at]
                    .chars()
                    .next_back()
                    .is_some_and(|c| c.is_alphanumeric() || "._-})*~".contains(c));
                if !inside {
                    found.push(format!(
                        "{}:{}: `{path}` is a path of one machine",
                        file.path,
                        line_of(text, at)
                    ));
                }
            }
        }
        let lower = text.to_lowercase();
        for word in &words {
            for (at, _) in lower.match_indices(word.as_str()) {
                found.push(format!(
                    "{}:{}: `{word}` is no word of this project",
                    file.path,
                    line_of(&lower, at)
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: String) -> usize {
        check(&[File { path: "a.md".into(), text: Some(text) }]).len()
    }

    #[test]
    fn finds_paths_of_one_machine() {
        assert_eq!(findings(format!("see /{}/shared", "work")), 1);
        assert_eq!(findings(format!("cd /{}/x", "root")), 1);
        assert_eq!(findings("src/work/x and ${HOME}/work/ and /tmp/kafka-logs".into()), 0);
    }

    #[test]
    fn finds_words_of_a_workplace() {
        assert_eq!(findings(format!("a Sub{} wrote this", "agent")), 1);
        assert_eq!(findings("the Java agent of the test kit".into()), 0);
    }
}
