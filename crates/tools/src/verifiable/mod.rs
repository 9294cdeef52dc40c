//! Tools whose output programs check: each record and each event is a line of JSON.
//!
//! | file | what |
//! | --- | --- |
//! | `producer` | `verifiable-producer` |
//! | `consumer` | `verifiable-consumer` |
//! | `share_consumer` | `verifiable-share-consumer` |
//! | `event` | the lines |

pub mod consumer;
mod event;
pub mod producer;
pub mod share_consumer;

use crate::connect::read_properties;
use crate::tool::Command;
use crate::{Args, Failure, Io, Tool, outln};
use ottla_client::config::Properties;

/// Reads a command line; without arguments help is printed, and that is no error.
fn parse(
    tool: &'static Tool,
    command: &'static Command,
    io: &mut Io,
    arguments: &[String],
) -> Result<Args, Failure> {
    if arguments.is_empty() {
        let text = crate::argparse::text::help(&[command]) + &crate::help::examples(tool, "");
        return Err(Failure::Help { text, code: 0 });
    }
    tool.parse(io, arguments)
}

/// The properties of `--command-config`, or of its older spelling.
fn file_properties(
    command: &'static Command,
    args: &Args,
    older: &str,
    io: &mut Io,
) -> Result<Properties, Failure> {
    let refused = |message: &str| {
        let usage = crate::argparse::text::usage(&[command]);
        Failure::Syntax { text: format!("{usage}{}: error: {message}\n", command.name), code: 1 }
    };
    let mut file = args.value("command-config")?;
    if !older.is_empty() && args.has(older) {
        if file.is_some() {
            return Err(refused(&format!("Options --{older} and --command-config are mutually exclusive.")));
        }
        outln!(
            io,
            "Option --{older} has been deprecated and will be removed in a future version. Use --command-config \
             instead."
        );
        file = args.value(older)?;
    }
    match file {
        None => Ok(Properties::new()),
        Some(path) => read_properties(path).map_err(|why| refused(why.text())),
    }
}
