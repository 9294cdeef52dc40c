//! The shell's commands (Kafka: `org.apache.kafka.shell.command`).

use ottla_metadata::MetadataImage;

use super::glob::{Found, find};
use super::listing;
use super::node::Node;
use crate::{Io, outln};

/// How deep the tree is printed: it has less than ten levels.
const DEPTH_MAX: usize = 64;

/// A command: its name, what follows it, what it does, and whether it needs a shell.
struct Kind {
    name: &'static str,
    synopsis: &'static str,
    about: &'static str,
    shell_only: bool,
}

const fn kind(name: &'static str, synopsis: &'static str, about: &'static str, shell_only: bool) -> Kind {
    Kind { name, synopsis, about, shell_only }
}

const KINDS: [Kind; 10] = [
    kind("cat", "targets [targets ...]", "Show the contents of metadata files.", false),
    kind("cd", "[target]", "Set the current working directory.", true),
    kind("exit", "", "Exit the metadata shell.", true),
    kind("find", "[paths ...]", "Search for nodes in the directory hierarchy.", false),
    kind("help", "", "Display this help message.", true),
    kind("history", "[numEntriesToShow]", "Print command history.", true),
    kind("ls", "[targets ...]", "List metadata nodes.", false),
    kind("man", "cmd", "Show the help text for a specific command.", true),
    kind("pwd", "", "Print the current working directory.", true),
    kind("tree", "targets [targets ...]", "Show the contents of metadata nodes in a tree structure.", false),
];

/// A shell, or what one command needs of one.
pub struct Shell<'i> {
    root: Node<'i>,
    working_directory: String,
    interactive: bool,
    history: Vec<String>,
    done: bool,
}

impl<'i> Shell<'i> {
    /// A shell over an image; `interactive` ones have a history and a working directory.
    pub fn new(image: &'i MetadataImage, interactive: bool) -> Self {
        Self {
            root: Node::Root(image),
            working_directory: "/".to_owned(),
            interactive,
            history: Vec::new(),
            done: false,
        }
    }

    /// Whether `exit` was said.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Adds a line to the history.
    pub fn remember(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.history.push(line.to_owned());
        }
    }

    /// Runs a command; what is wrong with it is printed.
    ///
    /// # Errors
    /// When it can't be run at all.
    pub fn run(&mut self, words: &[String], io: &mut Io) -> Result<(), String> {
        let used = words.iter().rposition(|word| !word.is_empty()).map_or(0, |last| last + 1);
        let Some((name, rest)) = words.get(..used).unwrap_or_default().split_first() else { return Ok(()) };
        if let Err(message) = self.check(name, rest) {
            outln!(io, "{message}");
            return Ok(());
        }
        match name.as_str() {
            "cat" => rest.iter().for_each(|target| self.cat(target, io)),
            "cd" => self.cd(rest.first().map_or("/", String::as_str), io),
            "exit" => self.done = true,
            "find" => self.targets(rest).iter().for_each(|path| self.find(path, io)),
            "help" => help(io),
            "history" => self.print_history(rest.first(), io)?,
            "ls" => self.ls(&self.targets(rest), io),
            "man" => man(rest.first().map_or("", String::as_str), io),
            "pwd" => outln!(io, "{}", self.working_directory),
            _ => rest.iter().for_each(|target| self.tree(target, io)),
        }
        Ok(())
    }

    /// In the words of argparse4j, which reads the shell's commands in Kafka.
    fn check(&self, name: &str, rest: &[String]) -> Result<(), String> {
        let known: Vec<&Kind> = KINDS.iter().filter(|kind| self.interactive || !kind.shell_only).collect();
        let Some(kind) = known.iter().find(|kind| kind.name == name) else {
            let similar: Vec<&&Kind> = known.iter().filter(|kind| kind.name.starts_with(name)).collect();
            return Err(match similar.as_slice() {
                [one] => format!("invalid choice: '{name}': did you mean '{}'?", one.name),
                [] => {
                    let names: Vec<String> = known.iter().map(|kind| format!("'{}'", kind.name)).collect();
                    format!("invalid choice: '{name}' (choose from {})", names.join(", "))
                }
                several => {
                    let names: Vec<&str> = several.iter().map(|kind| kind.name).collect();
                    format!("ambiguous command: {name} could match {}", names.join(", "))
                }
            });
        };
        let (least, most) = match kind.synopsis {
            "" => (0, 0),
            "cmd" => (1, 1),
            text if text.starts_with("targets") => (1, usize::MAX),
            text if text.ends_with("...]") => (0, usize::MAX),
            _ => (0, 1),
        };
        if let Some(flag) = rest.iter().find(|word| word.len() > 1 && word.starts_with('-')) {
            return Err(format!("unrecognized arguments: '{flag}'"));
        }
        match rest.len() {
            given if given < least => Err("too few arguments".to_owned()),
            given if given > most => {
                Err(format!("unrecognized arguments: '{}'", rest.get(most..).unwrap_or_default().join(" ")))
            }
            _ => Ok(()),
        }
    }

    fn look_up(&self, target: &str) -> Vec<Found<'i>> {
        find(&self.root, &self.working_directory, target)
    }

    /// The paths that are not empty, or else the working directory.
    fn targets(&self, given: &[String]) -> Vec<String> {
        let paths: Vec<String> = given.iter().filter(|path| !path.is_empty()).cloned().collect();
        if paths.is_empty() { vec![".".to_owned()] } else { paths }
    }

    fn cat(&self, target: &str, io: &mut Io) {
        let found = self.look_up(target);
        if found.is_empty() {
            outln!(io, "cat: {target}: No such file or directory.");
        }
        for found in found {
            match found.node.content() {
                Some(text) => outln!(io, "{text}"),
                None => outln!(io, "cat: {target}: Is a directory"),
            }
        }
    }

    fn cd(&mut self, target: &str, io: &mut Io) {
        let found = self.look_up(target);
        if found.is_empty() {
            outln!(io, "cd: {target}: no such directory.");
        }
        for found in found {
            if found.node.is_directory() {
                self.working_directory = found.absolute();
            } else {
                outln!(io, "cd: {target}: not a directory.");
            }
        }
    }

    fn find(&self, path: &str, io: &mut Io) {
        let found = self.look_up(path);
        if found.is_empty() {
            outln!(io, "find: {path}: no such file or directory.");
        }
        for found in found {
            print_paths(path, &found.node, DEPTH_MAX, io);
        }
    }

    fn tree(&self, target: &str, io: &mut Io) {
        let found = self.look_up(target);
        if found.is_empty() {
            outln!(io, "tree: {target}: No such file or directory.");
        }
        for found in found {
            print_tree(&found.node, 0, io);
        }
    }

    fn ls(&self, targets: &[String], io: &mut Io) {
        let mut files = Vec::new();
        let mut directories = Vec::new();
        for target in targets {
            let found = self.look_up(target);
            if found.is_empty() {
                outln!(io, "ls: {target}: no such file or directory.");
            }
            for found in found {
                let name = found.last_name().to_owned();
                if found.node.is_directory() {
                    directories.push((name, found.node.names().into_iter().collect::<Vec<_>>()));
                } else {
                    files.push(name);
                }
            }
        }
        let width = (self.interactive && io.terminal).then(screen_width).flatten();
        listing::lines(&files, width).iter().for_each(|line| outln!(io, "{line}"));
        let has_intro = !files.is_empty() || directories.len() > 1;
        let mut is_first = files.is_empty();
        for (name, children) in directories {
            // An intro that stands for nothing is not printed, but the next is no first any more.
            let gap = if is_first { "" } else { "\n" };
            is_first = false;
            if children.is_empty() {
                continue;
            }
            if has_intro {
                outln!(io, "{gap}{name}:");
            }
            listing::lines(&children, width).iter().for_each(|line| outln!(io, "{line}"));
        }
    }

    fn print_history(&self, most: Option<&String>, io: &mut Io) -> Result<(), String> {
        if !self.interactive {
            return Err("The history command requires a shell.".to_owned());
        }
        let most = match most.map(|text| text.parse::<i64>()) {
            None => i64::MAX,
            Some(Ok(most)) => most,
            Some(Err(_)) => {
                let text = most.map_or("", String::as_str);
                outln!(io, "argument numEntriesToShow: could not convert '{text}' to Integer (32 bits)");
                return Ok(());
            }
        };
        let most = usize::try_from(most.max(0)).unwrap_or(usize::MAX);
        let skip = self.history.len().saturating_sub(most);
        for (number, line) in self.history.iter().enumerate().skip(skip) {
            outln!(io, "{number:5}  {line}");
        }
        Ok(())
    }
}

fn screen_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

fn print_paths(path: &str, node: &Node<'_>, depth: usize, io: &mut Io) {
    outln!(io, "{path}");
    if depth == 0 || io.is_broken() {
        return;
    }
    for name in node.names() {
        let next = if path == "/" { format!("/{name}") } else { format!("{path}/{name}") };
        if let Some(child) = node.child(&name) {
            print_paths(&next, &child, depth - 1, io);
        }
    }
}

fn print_tree(node: &Node<'_>, depth: usize, io: &mut Io) {
    let indent = "  ".repeat(depth);
    if let Some(text) = node.content() {
        outln!(io, "{indent}{text}");
    }
    if depth == DEPTH_MAX || io.is_broken() {
        return;
    }
    for name in node.names() {
        outln!(io, "{indent}{name}:");
        if let Some(child) = node.child(&name) {
            print_tree(&child, depth + 1, io);
        }
    }
}

fn help(io: &mut Io) {
    outln!(io, "Welcome to the Apache Kafka metadata shell.\n");
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    outln!(io, "usage: {{{}}} ...\n\npositional arguments:", names.join(","));
    for kind in &KINDS {
        outln!(io, "    {:20}{}", kind.name, kind.about);
    }
}

fn man(name: &str, io: &mut Io) {
    match KINDS.iter().find(|kind| kind.name == name) {
        None => outln!(io, "man: unknown command {name}. Type help to get a list of commands."),
        Some(kind) => {
            outln!(io, "{name}: {}\n", kind.about);
            outln!(io, "usage: {name} {}", kind.synopsis);
        }
    }
}
