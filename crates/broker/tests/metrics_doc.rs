//! `docs/metrics.md` is written from the declarations; this test fails when it is not what they say.
//! `OTTLA_UPDATE_DOCS=1 cargo test -p ottla-broker --test metrics_doc` writes it. The dashboard may only ask for what is
//! declared.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use ottla_broker::metrics::{Kind, Metric, SUBJECTS, Series};

fn doc(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

#[test]
fn the_page_is_what_the_declarations_say() {
    let (path, wanted) = (doc("metrics.md"), page());
    if std::env::var_os("OTTLA_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/metrics.md is writable");
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == wanted, "docs/metrics.md is stale: run this test with OTTLA_UPDATE_DOCS=1");
}

fn page() -> String {
    let mut out = String::from(include_str!("metrics_doc/head.md"));
    for subject in &SUBJECTS {
        let _ = write!(out, "\n## {}\n\n{}\n\n", subject.title, subject.about);
        out += "| Metric | Type | Labels | Says | Name as in |\n| --- | --- | --- | --- | --- |\n";
        subject.metrics.iter().for_each(|metric| out += &row(metric));
    }
    out
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let series = match metric.series {
        Series::Few => "",
        Series::Topic => " (per topic)",
        Series::Partition => " (per partition)",
        Series::Group => " (per group)",
        Series::Client => " (per metric of a client)",
    };
    let (name, kind, help, origin) = (metric.name, metric.kind.name(), metric.help, metric.origin());
    format!("| `{name}` | {kind} | {}{series} | {help} | {origin} |\n", labels.join(", "))
}

#[test]
fn the_dashboard_asks_for_what_is_declared() {
    let text = std::fs::read_to_string(doc("grafana-dashboard.json")).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut asked = BTreeSet::new();
    expressions(&dashboard, &mut |text| asked.extend(names(text)));
    assert!(asked.len() > 40, "{asked:?}");
    let mut known = BTreeSet::new();
    for metric in SUBJECTS.iter().flat_map(|subject| subject.metrics) {
        match metric.kind {
            Kind::Histogram => {
                known.extend(["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name)))
            }
            Kind::Counter | Kind::Gauge => drop(known.insert(metric.name.to_owned())),
        }
    }
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// All texts that are queries.
fn expressions(value: &serde_json::Value, visit: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::Array(values) => values.iter().for_each(|value| expressions(value, visit)),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == "expr" || name == "query" || name == "definition" => visit(text),
                    _ => expressions(value, visit),
                }
            }
        }
        _ => {}
    }
}

/// The words of a query that are names of metrics.
fn names(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric =
        |word: &&str| ["kafka_", "ottla_", "process_"].iter().any(|prefix| word.starts_with(prefix));
    words.filter(is_metric).map(str::to_owned).collect()
}
