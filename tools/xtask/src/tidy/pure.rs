//! Pure crates take time, seeds and bytes as arguments: that is what lets a test, or a simulator, run them
//! without a machine around them. Their tests may read files.

use super::Problem;
use super::edges::dependencies;
use super::source::{code_only, find_words, line_of, without_tests};
use crate::repo::File;

const PURE: [&str; 5] = ["protocol", "config", "metadata", "controller", "coordinator"];

/// What a pure crate may not depend on (to run; tests may).
const BANNED_CRATES: [&str; 14] = [
    "tokio",
    "mio",
    "async-std",
    "smol",
    "socket2",
    "rustix",
    "libc",
    "nix",
    "rand",
    "fastrand",
    "getrandom",
    "tempfile",
    "chrono",
    "parking_lot",
];

/// What its code may not name, and what to do instead.
const BANNED_WORDS: [(&str, &str); 19] = [
    ("tokio", "belongs in broker or net"),
    ("std::fs", "take bytes as an argument"),
    ("fs::", "take bytes as an argument"),
    ("File::open", "take bytes as an argument"),
    ("std::thread", "the driver has the threads"),
    ("thread::spawn", "the driver has the threads"),
    ("thread::sleep", "return the time to be woken at"),
    ("std::process", "return an error"),
    ("std::env", "take values as arguments"),
    ("TcpStream", "belongs in net"),
    ("TcpListener", "belongs in net"),
    ("UdpSocket", "belongs in net"),
    ("UnixStream", "belongs in net"),
    ("ToSocketAddrs", "belongs in net"),
    ("Instant", "take `now_ms` as an argument"),
    ("SystemTime", "take `now_ms` as an argument"),
    ("rand::", "take a seed as an argument"),
    ("thread_rng", "take a seed as an argument"),
    ("getrandom", "take a seed as an argument"),
];

/// Names that come out of `use std::{...}`.
const BANNED_IN_STD: [&str; 4] = ["fs", "thread", "process", "env"];

/// No pure crate names what would tie it to a machine.
pub fn check(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in files {
        let Some(name) = file.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        if !PURE.contains(&name) {
            continue;
        }
        if file.path.ends_with("/Cargo.toml") {
            let run_time = file.text().split("[dev-dependencies]").next().unwrap_or_default();
            for banned in dependencies(run_time).iter().filter(|used| BANNED_CRATES.contains(used)) {
                found.push(format!("{}: {banned} in a pure crate", file.path));
            }
        } else if file.is_rust() && !is_test(&file.path) {
            found.extend(check_code(&file.path, file.text()));
        }
    }
    found
}

fn is_test(path: &str) -> bool {
    path.ends_with("_test.rs")
        || path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/examples/")
        || path.contains("/benches/")
}

fn check_code(path: &str, text: &str) -> Vec<Problem> {
    let code = without_tests(&code_only(text));
    let mut found = Vec::new();
    for (word, instead) in BANNED_WORDS {
        for at in find_words(&code, word) {
            found.push(format!("{path}:{}: `{word}` in a pure crate; {instead}", line_of(&code, at)));
        }
    }
    for at in find_words(&code, "std::{") {
        let group = &code[at..code[at..].find(';').map_or(code.len(), |i| at + i)];
        for word in BANNED_IN_STD {
            if find_words(group, word).iter().any(|i| !group[i + word.len()..].starts_with("::")) {
                found.push(format!("{path}:{}: `std::{word}` in a pure crate", line_of(&code, at)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check_code("x.rs", text).len()
    }

    #[test]
    fn finds_clocks_files_and_threads() {
        assert_eq!(findings("let t = std::time::Instant::now();"), 1);
        assert_eq!(findings("use std::time::SystemTime;"), 1);
        assert_eq!(findings("use std::fs;"), 1);
        assert_eq!(findings("use std::{collections::HashMap, thread};"), 1);
        assert_eq!(findings("tokio::spawn(x)"), 1);
    }

    #[test]
    fn leaves_words_tests_and_neighbours_alone() {
        assert_eq!(
            findings("// Instant::now\nlet a = \"std::fs\"; use std::time::Duration; let operand = 1;"),
            0
        );
        assert_eq!(findings("#[cfg(test)]\nmod tests { use std::fs; }"), 0);
        assert_eq!(findings("use std::{sync::Arc, net::IpAddr};"), 0);
    }
}
