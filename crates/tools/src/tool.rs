//! What a tool is, and how one is run.

use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::option::Opt;
use crate::{argparse, errln, help, jopt, out, outln};

/// The version that `--version` prints: that of the Kafka whose tools these are.
pub const KAFKA_VERSION: &str = "4.3.1";

/// A tool: a constant in a module of its own, listed in [`crate::registry`].
#[derive(Debug)]
pub struct Tool {
    /// Its name after `ottla`: `topics`.
    pub name: &'static str,
    /// Kafka's script without `.sh`: `kafka-topics`; empty when Kafka has none.
    pub script: &'static str,
    /// Where it is listed.
    pub group: Group,
    /// What it does, in one line.
    pub about: &'static str,
    /// Command lines that work as they stand, one each line.
    pub examples: &'static str,
    /// What it understands.
    pub syntax: Syntax,
    /// Runs it with what follows its name. [`Tool::parse`] reads that; [`Tool::main`] prints failures.
    pub run: fn(&'static Tool, &mut Io, &[String]) -> Result<(), Failure>,
}

/// Under which heading a tool is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Topics, partitions and their settings.
    Topics,
    /// Groups and their offsets.
    Groups,
    /// Reading and writing records.
    Records,
    /// The cluster and its quorum.
    Cluster,
    /// Users, rights and tokens.
    Security,
    /// Measuring and verifying.
    Performance,
    /// Files of a node.
    Files,
    /// Nodes, and what is elsewhere now.
    Server,
}

impl Group {
    /// All, as they are listed.
    pub const ALL: [Group; 8] = [
        Group::Topics,
        Group::Groups,
        Group::Records,
        Group::Cluster,
        Group::Security,
        Group::Performance,
        Group::Files,
        Group::Server,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Topics => "Topics and settings",
            Group::Groups => "Groups and offsets",
            Group::Records => "Reading and writing records",
            Group::Cluster => "Cluster",
            Group::Security => "Security",
            Group::Performance => "Measuring and verifying",
            Group::Files => "Files of a node",
            Group::Server => "Nodes",
        }
    }
}

/// What a tool understands.
#[derive(Debug)]
pub enum Syntax {
    /// Options in JOptSimple's manner; `--help` and `--version` are added.
    Options(&'static [Opt]),
    /// Options, positional arguments and sub-commands in argparse4j's manner; `-h` is added.
    Commands(&'static Command),
    /// Its own; this is the synopsis after its name.
    Own(&'static str),
}

/// A parser of argparse4j, or a sub-command of one.
#[derive(Debug)]
pub struct Command {
    /// The program's name in texts, or the sub-command's.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Its options and positional arguments.
    pub options: &'static [Opt],
    /// What stands for the sub-commands in the synopsis; empty for their names in braces.
    pub metavar: &'static str,
    /// Its sub-commands; one must be chosen if there are any.
    pub commands: &'static [Command],
    /// The exit code of `--help`: 0, or 1 for Kafka's tools that use `parseArgsOrFail`.
    pub help_code: i32,
}

/// Options that every tool understands besides Kafka's.
pub static COMMON: [Opt; 1] = [crate::option::opt(
    "output",
    "How results are printed: text as Kafka's tools do, or one JSON document for programs.",
)
.value("text or json")
.choices(&["text", "json"])
.beyond_kafka()];

impl Tool {
    /// Reads a command line by the declarations.
    ///
    /// # Errors
    /// In the words of Kafka's parsers; also for `--help` and `--version`, and in tools of JOptSimple's
    /// manner for no arguments at all, which is answered with help.
    pub fn parse(&'static self, io: &mut Io, arguments: &[String]) -> Result<Args, Failure> {
        let args = match &self.syntax {
            Syntax::Options(options) => {
                let args = jopt::parse(self, options, arguments)?;
                if arguments.is_empty() || args.found.contains_key("help") {
                    return Err(args.usage(self.about));
                }
                if args.found.contains_key("version") {
                    return Err(Failure::Version);
                }
                args
            }
            Syntax::Commands(command) => argparse::parse(self, command, arguments)?,
            Syntax::Own(_) => Args {
                tool: self,
                commands: Vec::new(),
                options: Vec::new(),
                found: Default::default(),
                sequence: Vec::new(),
                rest: arguments.to_vec(),
            },
        };
        match args.found.get("output").and_then(|values| values.last()).map(String::as_str) {
            Some("json") if !self.declares("output") => io.output = crate::io::Output::Json,
            _ => {}
        }
        Ok(args)
    }

    /// Runs the tool and prints why it failed; gives the exit code.
    pub fn main(&'static self, io: &mut Io, arguments: &[String]) -> i32 {
        let code = match (self.run)(self, io, arguments) {
            Ok(()) => 0,
            Err(failure) => report(io, &failure),
        };
        io.flush();
        match io.take_failure() {
            Some(error) if code == 0 => {
                errln!(io, "The output is not whole, it can't be written: {error}");
                1
            }
            _ => code,
        }
    }

    /// Whether the tool itself has an option of this name, so that the common one gives way.
    pub(crate) fn declares(&self, name: &str) -> bool {
        fn within(command: &Command, name: &str) -> bool {
            command.options.iter().any(|option| option.is_called(name))
                || command.commands.iter().any(|command| within(command, name))
        }
        match &self.syntax {
            Syntax::Options(options) => options.iter().any(|option| option.is_called(name)),
            Syntax::Commands(command) => within(command, name),
            Syntax::Own(_) => true,
        }
    }
}

/// Prints a failure as Kafka's tools do; gives the exit code.
fn report(io: &mut Io, failure: &Failure) -> i32 {
    match failure {
        Failure::Usage { tool, message } => {
            errln!(io, "{message}");
            io.print_error(format_args!("{}", help::options(tool)));
            1
        }
        Failure::Syntax { text, code } => {
            io.print_error(format_args!("{text}"));
            *code
        }
        Failure::Help { text, code } => {
            out!(io, "{text}");
            *code
        }
        Failure::Version => {
            outln!(io, "{KAFKA_VERSION}");
            0
        }
        Failure::Message { message, code } => {
            errln!(io, "{message}");
            *code
        }
        Failure::Exception { message, .. } => {
            errln!(io, "{message}");
            1
        }
        Failure::Exit(code) => *code,
    }
}
