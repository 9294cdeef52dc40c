//! `ottla server-stop`: asks the nodes of this machine to end. Starting one is `ottla server`.

use std::path::Path;

use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::tool::{Group, Syntax, Tool};

const OPTIONS: [Opt; 2] = [
    opt("process-role", "Only nodes whose server.properties has this in process.roles.")
        .value("broker or controller"),
    opt("node-id", "Only the node whose server.properties has this node.id.").value("id"),
];

/// The tool.
pub static STOP: Tool = Tool {
    name: "server-stop",
    script: "kafka-server-stop",
    group: Group::Server,
    about: "Asks the nodes that run on this machine to stop.",
    examples: "kafka-server-stop.sh\nkafka-server-stop.sh --node-id=1",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

fn run(tool: &'static Tool, _: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = crate::jopt::parse(tool, &OPTIONS, arguments)?;
    if args.has("help") {
        return Err(args.usage(tool.about));
    }
    if args.has("version") {
        return Err(Failure::Version);
    }
    let wanted = |process: &Process| {
        Ok::<_, Failure>(
            matches(args.value("process-role")?, process.property("process.roles").as_deref())
                && matches(args.value("node-id")?, process.property("node.id").as_deref()),
        )
    };
    let mut stopped = 0;
    for process in processes() {
        if wanted(&process)? && process.terminate() {
            stopped += 1;
        }
    }
    if stopped == 0 { Err(Failure::message("No kafka server to stop")) } else { Ok(()) }
}

/// A role is one of a list; an id is the whole value.
fn matches(wanted: Option<&str>, have: Option<&str>) -> bool {
    match (wanted, have) {
        (None, _) => true,
        (Some(wanted), Some(have)) => have.split(',').any(|part| part.trim() == wanted),
        (Some(_), None) => false,
    }
}

/// A process that runs a node.
struct Process {
    id: i32,
    arguments: Vec<String>,
}

impl Process {
    /// The value of a key, from its `--override`s or else its file.
    fn property(&self, key: &str) -> Option<String> {
        let follows = |option: &'static str| {
            let pairs = self.arguments.windows(2).filter_map(move |pair| match pair {
                [name, value] if name == option => Some(value.clone()),
                _ => None,
            });
            let prefix = format!("{option}=");
            let joined =
                self.arguments.iter().filter_map(move |a| a.strip_prefix(&prefix).map(str::to_owned));
            pairs.chain(joined).collect::<Vec<_>>()
        };
        let overridden = follows("--override")
            .into_iter()
            .rev()
            .find_map(|pair| Some(pair.strip_prefix(key)?.strip_prefix('=')?.to_owned()));
        overridden.or_else(|| {
            let file = follows("--config").pop().or_else(|| self.script_file())?;
            let base = std::fs::read_link(format!("/proc/{}/cwd", self.id)).unwrap_or_default();
            crate::connect::read_properties(base.join(Path::new(&file))).ok()?.remove(key)
        })
    }

    /// The file that `kafka-server-start.sh` and `ottla server-start` take without an option before it.
    fn script_file(&self) -> Option<String> {
        let is_start =
            |argument: &String| argument == "server-start" || argument.ends_with("kafka-server-start.sh");
        let at = self.arguments.iter().position(is_start)?;
        let mut words = self.arguments.iter().skip(at + 1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--override" => drop(words.next()),
                flag if flag.starts_with('-') => {}
                file => return Some(file.to_owned()),
            }
        }
        None
    }

    fn terminate(&self) -> bool {
        rustix::process::Pid::from_raw(self.id)
            .is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok())
    }
}

/// Processes of this machine whose command line is `ottla server`, or Kafka's script in its place.
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| u32::try_from(*id) != Ok(std::process::id())).filter_map(process).collect()
}

fn process(id: i32) -> Option<Process> {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let arguments: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|part| !part.is_empty())
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    is_node(&arguments).then_some(Process { id, arguments })
}

fn is_node(arguments: &[String]) -> bool {
    let Some((program, rest)) = arguments.split_first() else { return false };
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let server = rest.first().is_some_and(|first| first == "server" || first == "server-start");
    (name.starts_with("ottla") && server) || name == "kafka-server-start.sh"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn nodes_are_known_by_their_command_line() {
        assert!(is_node(&arguments("/usr/bin/ottla server --config a.properties")));
        assert!(is_node(&arguments("ottla server-start a.properties")));
        assert!(!is_node(&arguments("ottla topics --list")));
        assert!(!is_node(&arguments("grep ottla server")));
        assert!(!is_node(&[]));
    }

    #[test]
    fn overrides_say_which_node_it_is() {
        let process = Process {
            id: -1,
            arguments: arguments(
                "ottla server --override node.id=7 --override=process.roles=broker,controller",
            ),
        };
        assert_eq!(process.property("node.id").as_deref(), Some("7"));
        assert!(matches(Some("controller"), process.property("process.roles").as_deref()));
        assert!(!matches(Some("8"), process.property("node.id").as_deref()));
        assert!(!matches(Some("8"), process.property("broker.id").as_deref()));
    }

    #[test]
    fn a_script_is_given_its_file_without_an_option() {
        let file = |line: &str| Process { id: -1, arguments: arguments(line) }.script_file();
        assert_eq!(file("ottla server-start --override a=b f.properties").as_deref(), Some("f.properties"));
        assert_eq!(file("/opt/bin/kafka-server-start.sh -daemon f").as_deref(), Some("f"));
        assert_eq!(file("ottla server --config f"), None);
    }
}
