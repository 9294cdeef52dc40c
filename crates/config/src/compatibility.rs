//! The configuration part of `docs/compatibility.md`, written from the declarations.

use std::fmt::Write;

use crate::key_def::{KeyDef, Scope, Support};
use crate::keys;

/// Where Ottla does otherwise than Kafka on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    /// What it is about.
    pub subject: &'static str,
    /// What Kafka does.
    pub kafka: &'static str,
    /// What Ottla does.
    pub ottla: &'static str,
}

/// All deliberate deviations in reading configurations.
pub const DEVIATIONS: &[Deviation] = &[
    Deviation {
        subject: "`process.roles` not given",
        kafka: "The server does not start.",
        ottla: "The node is broker and controller in one, with `node.id` 1 and without a controller \
                listener; internal topics get one replica.",
    },
    Deviation {
        subject: "Encoding of `server.properties`",
        kafka: "ISO-8859-1.",
        ottla: "UTF-8 if the file is valid UTF-8, else ISO-8859-1.",
    },
    Deviation {
        subject: "Wrong values",
        kafka: "The first stops the start.",
        ottla: "All are reported, then the start stops.",
    },
    Deviation {
        subject: "Names of JVM classes",
        kafka: "A class that cannot be loaded stops the start.",
        ottla: "Where ignoring the class would betray who set it (authorizer, principals, policies, quotas, \
                configuration providers) the key is refused; elsewhere it is accepted without effect.",
    },
    Deviation {
        subject: "Regular expressions of client metrics subscriptions",
        kafka: "Java's syntax.",
        ottla: "No look-around and no back-references.",
    },
];

/// How many keys of a scope have each kind of support.
pub fn count(scope: Scope, support: Support) -> usize {
    keys::keys(scope).iter().filter(|def| def.support == support).count()
}

/// A Markdown table of the keys of a scope: key, type, default, what Ottla does with it.
pub fn markdown_table(scope: Scope) -> String {
    let mut text = String::from("| Key | Type | Default | Ottla |\n| --- | --- | --- | --- |\n");
    for def in keys::keys(scope).iter().filter(|def| !def.internal) {
        text.push_str(&markdown_row(def));
    }
    text
}

/// One row of [`markdown_table`].
pub fn markdown_row(def: &KeyDef) -> String {
    let default = match def.default_text() {
        text if text.is_empty() => "empty".to_owned(),
        text => format!("`{text}`"),
    };
    let note = if def.note.is_empty() { String::new() } else { format!(": {}", def.note) };
    format!(
        "| `{}` | {} | {} | {}{} |\n",
        def.name,
        def.ty.name().to_lowercase(),
        escape(&default),
        def.support.name(),
        escape(&note)
    )
}

/// A Markdown table of the deviations.
pub fn markdown_deviations() -> String {
    let mut text = String::from("| Subject | Apache Kafka | Ottla |\n| --- | --- | --- |\n");
    for deviation in DEVIATIONS {
        let (subject, kafka, ottla) = (deviation.subject, deviation.kafka, deviation.ottla);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {} | {} |", escape(subject), escape(kafka), escape(ottla));
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_becomes_of_a_key() {
        let row = |scope, name| markdown_row(keys::lookup(scope, name).unwrap());
        assert_eq!(row(Scope::Broker, "num.partitions"), "| `num.partitions` | int | `1` | honoured |\n");
        assert_eq!(
            row(Scope::Broker, "alter.config.policy.class.name"),
            "| `alter.config.policy.class.name` | class | `null` | refused: a JVM class cannot be loaded; without it \
             settings would be changed that the policy forbids |\n"
        );
        let lines = markdown_table(Scope::Topic).lines().count();
        assert_eq!(lines, 2 + keys::topic_keys().iter().filter(|def| !def.internal).count());
    }

    #[test]
    fn tables_have_whole_rows() {
        for scope in keys::SCOPES {
            for line in markdown_table(scope).lines() {
                assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
            }
        }
        assert!(markdown_deviations().lines().all(|line| line.replace("\\|", "").matches('|').count() == 4));
    }
}
