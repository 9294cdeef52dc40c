//! What no compiler checks. Each rule is a file; each finding names a file, often a line, and what to do.
//!
//! The rules run in `cargo xtask tidy`, in `cargo xtask verify`, and as a test of this package.

mod docs;
mod edges;
mod exceptions;
mod lengths;
mod pure;
mod source;
mod unsafe_code;
mod words;

use std::process::ExitCode;

use anyhow::Result;

use crate::{codegen, repo};

/// One finding.
pub type Problem = String;

/// Runs all rules and prints what they find.
pub fn run() -> Result<ExitCode> {
    let clean = report(&problems()?);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What all rules find.
pub fn problems() -> Result<Vec<Problem>> {
    let files = repo::files()?;
    let mut found = Vec::new();
    found.extend(edges::check(&files));
    found.extend(pure::check(&files));
    found.extend(unsafe_code::check(&files));
    found.extend(lengths::check(&files, &exceptions::read()?));
    found.extend(words::check(&files));
    found.extend(docs::check(&files));
    if let Err(stale) = codegen::run(true) {
        found.push(format!("generated code is {stale:#}"));
    }
    Ok(found)
}

/// Prints the findings; whether there were none.
pub fn report(problems: &[Problem]) -> bool {
    for problem in problems {
        println!("tidy: {problem}");
    }
    println!(
        "tidy: {}",
        if problems.is_empty() { "clean".to_string() } else { format!("{} findings", problems.len()) }
    );
    problems.is_empty()
}

/// Lowers the exceptions of the length rules to what is there now, and drops those no longer needed.
pub fn shrink_exceptions() -> Result<()> {
    exceptions::write(&lengths::shrunk(&repo::files()?, &exceptions::read()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let problems = super::problems().expect("the repository can be read");
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }
}
