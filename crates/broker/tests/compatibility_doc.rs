//! `docs/compatibility.md` is written from the declarations; this test fails when it is not what they say.
//! `OTTLA_UPDATE_DOCS=1 cargo test -p ottla-broker --test compatibility_doc` writes it.

use std::fmt::Write;
use std::path::Path;

use ottla_broker::apis::{self, ListenerKind};
use ottla_config::{Scope, compatibility};
use ottla_protocol::ApiKey;

#[test]
fn the_page_is_what_the_declarations_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let wanted = page();
    if std::env::var_os("OTTLA_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/compatibility.md is writable");
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == wanted, "docs/compatibility.md is stale: run this test with OTTLA_UPDATE_DOCS=1");
}

fn page() -> String {
    let mut out = String::from(include_str!("compatibility/head.md"));
    out += "\n## APIs\n\nServed are all stable versions that Apache Kafka 4.3.1 knows.\n\n";
    out += "| Key | API | Kafka | Ottla, brokers' listeners | Ottla, controllers' listeners |\n| --- | --- | --- | --- | --- |\n";
    for api in ApiKey::ALL {
        let (low, high) = apis::versions(*api);
        let served =
            |kind| if apis::of(kind).contains(api) { format!("{low}-{high}") } else { "-".to_string() };
        let _ = writeln!(
            out,
            "| {} | {} | {low}-{high} | {} | {} |",
            api.code(),
            api.name(),
            served(ListenerKind::Broker),
            served(ListenerKind::Controller),
        );
    }
    out += "\n## Deviations\n\nIn the behaviour of the broker:\n\n";
    out += include_str!("compatibility/deviations.md");
    out += "\nIn the tools (those that are there so far: [tools](tools/README.md)):\n\n";
    out += include_str!("compatibility/tools.md");
    out += "\nIn reading configurations:\n\n";
    out += &compatibility::markdown_deviations();
    out += "\n## Kafka's own tests\n\n";
    out += include_str!("compatibility/kafka_own_tests.md");
    out += "\n## Configuration keys\n";
    for (scope, title) in [
        (Scope::Broker, "Broker"),
        (Scope::BrokerDynamic, "Broker, at run time only"),
        (Scope::Topic, "Topic"),
        (Scope::Group, "Group"),
        (Scope::ClientMetrics, "Client metrics"),
        (Scope::ClientQuota, "Client quotas"),
        (Scope::IpQuota, "Quotas of addresses"),
        (Scope::Producer, "Producer of the Rust client"),
        (Scope::Consumer, "Consumer and share consumer of the Rust client"),
        (Scope::Admin, "Admin of the Rust client"),
    ] {
        let _ = write!(out, "\n### {title}\n\n{}", compatibility::markdown_table(scope));
    }
    out
}
