//! The tools of Kafka's `bin/`: what each understands, prints and answers is Kafka's.
//!
//! A tool is a constant [`Tool`] in a module named as the tool: its declarations ([`option`]) and a function
//! that runs it. It reads the command line by [`Tool::parse`], writes to an [`Io`] (memory in tests), and fails
//! with a [`Failure`], which [`Tool::main`] prints with Kafka's exit code. Nothing is built for a tool before it
//! is chosen. Help, pages of documentation ([`markdown`]), shims ([`shims`]) and completions ([`completions`])
//! follow from the declarations.
//!
//! | module | what |
//! | --- | --- |
//! | [`registry`] | all tools |
//! | [`tool`], [`option`] | declarations |
//! | `jopt`, `argparse` | the two syntaxes of Kafka's tools |
//! | [`args`] | a parsed command line, and Kafka's checks of it |
//! | [`connect`] | from a command line to a client |
//! | [`table`] | tables as text or JSON |
//! | [`java`] | names of Java's exceptions, which texts show |

mod acls;
mod argparse;
pub mod args;
mod broker_api_versions;
mod client_metrics;
mod clock;
mod cluster;
pub mod completions;
mod configs;
pub mod connect;
mod console;
mod consumer_groups;
mod coordinator_records;
mod delegation_tokens;
mod delete_records;
mod doctor;
mod dump_log;
mod elsewhere;
mod failure;
mod features;
pub mod filter;
mod get_offsets;
mod group_tool;
mod groups;
mod help;
mod io;
pub mod java;
mod jopt;
mod leader_election;
mod log_dirs;
pub mod markdown;
mod metadata_quorum;
mod metadata_shell;
mod offset_reset;
pub mod option;
mod partitions_file;
mod perf;
mod progress;
mod reassign_partitions;
pub mod registry;
mod remote_log_metadata;
mod replica_verification;
mod server;
mod share_groups;
pub mod shims;
mod storage;
mod streams_application_reset;
mod streams_groups;
pub mod table;
pub mod tool;
mod top;
mod topics;
mod transactions;
mod verifiable;
mod why;
mod words;

pub use args::Args;
pub use failure::Failure;
pub use io::{Captured, Io, Output};
pub use option::{Kind, Opt, opt};
pub use registry::find;
pub use table::Table;
pub use tool::{Command, Group, Syntax, Tool};

/// Runs a tool by its name with the given input; gives the exit code and what was written. For tests.
pub fn run_captured(name: &str, arguments: &[&str], input: &str) -> Option<(i32, String, String)> {
    let tool = find(name)?;
    let (mut io, captured) = Io::captured(input);
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let code = tool.main(&mut io, &arguments);
    Some((code, captured.out(), captured.err()))
}

/// The command line is refused with code 1, and this is the first line of the error output.
#[cfg(test)]
#[track_caller]
fn refused(tool: &str, arguments: &str, expect: &str) {
    let split: Vec<&str> = arguments.split(' ').collect();
    let (code, _, err) = run_captured(tool, &split, "").expect("there is such a tool");
    assert_eq!((code, err.lines().next().unwrap_or_default()), (1, expect), "{arguments}");
}
