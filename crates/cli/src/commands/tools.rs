//! `ottla <tool>`, or a link named as Kafka's script: `kafka-topics.sh`.

use std::path::Path;

use ottla_tools::{Io, Tool, find};

/// Runs the tool that the command line names, if it names one; gives its exit code.
pub fn run(arguments: &[String]) -> Option<i32> {
    let (tool, rest) = choose(arguments)?;
    init_log();
    Some(tool.main(&mut Io::process(), rest))
}

/// The tool, and what follows its name.
fn choose(arguments: &[String]) -> Option<(&'static Tool, &[String])> {
    let (program, rest) = arguments.split_first()?;
    let program = Path::new(program).file_name()?.to_str()?;
    if let Some(tool) = find(program).filter(|tool| tool.script == bare(program)) {
        return Some((tool, rest));
    }
    let (name, rest) = rest.split_first()?;
    Some((find(name)?, rest))
}

/// A program's name without the ending of scripts.
fn bare(program: &str) -> &str {
    program.strip_suffix(".sh").unwrap_or(program)
}

/// Warnings of the clients go to the error output, as Kafka's tools log them.
fn init_log() {
    let level = std::env::var("OTTLA_LOG").unwrap_or_else(|_| "warn".into());
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A log that can't be set up is no reason not to run the tool.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(line: &str) -> Option<(&'static str, Vec<String>)> {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        choose(&arguments).map(|(tool, rest)| (tool.name, rest.to_vec()))
    }

    #[test]
    fn a_tool_is_chosen_by_its_name_or_the_programs() {
        let expect = Some(("jmx", vec!["--x".to_owned()]));
        for line in
            ["/bin/ottla jmx --x", "ottla kafka-jmx --x", "kafka/bin/kafka-jmx.sh --x", "kafka-jmx --x"]
        {
            assert_eq!(chosen(line), expect, "{line}");
        }
        assert_eq!(chosen("ottla server"), None);
        assert_eq!(chosen("ottla"), None);
    }
}
