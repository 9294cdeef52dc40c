//! Kafka's scripts, for habits and for other people's scripts: each hands over to `ottla`.

use crate::registry::TOOLS;

/// Every script as (file name, text), by name.
pub fn all() -> Vec<(String, String)> {
    let scripts = TOOLS.iter().filter(|tool| !tool.script.is_empty()).map(|tool| (tool.script, tool.name));
    let mut all: Vec<(String, String)> = scripts
        .chain([("kafka-server-start", "server-start")])
        .map(|(script, name)| (format!("{script}.sh"), text(name)))
        .collect();
    all.sort();
    all
}

/// `ottla` beside the script is taken before one in the path, so that an unpacked archive works as it is.
fn text(name: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # Written from the declarations of the tools: crates/tools/src/shims.rs.\n\
         here=$(dirname -- \"$0\")\n\
         if [ -x \"$here/ottla\" ]; then exec \"$here/ottla\" {name} \"$@\"; fi\n\
         exec ottla {name} \"$@\"\n"
    )
}
