//! `docs/authorization.md` is written from the declarations; this test fails when it is not what they say.
//! `OTTLA_UPDATE_DOCS=1 cargo test -p ottla-broker --test authorization_doc` writes it.

use std::fmt::Write;
use std::path::Path;

use ottla_broker::apis::{self, ListenerKind};
use ottla_broker::authorization::declared::{self, Question, Refusal};
use ottla_protocol::ApiKey;

#[test]
fn the_page_is_what_the_declarations_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/authorization.md");
    let wanted = page();
    if std::env::var_os("OTTLA_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/authorization.md is writable");
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == wanted, "docs/authorization.md is stale: run this test with OTTLA_UPDATE_DOCS=1");
}

#[test]
fn no_served_api_lacks_a_declaration() {
    for kind in [ListenerKind::Broker, ListenerKind::Controller] {
        for api in apis::of(kind) {
            assert!(declared::is_declared(*api), "{}", api.name());
        }
    }
}

fn page() -> String {
    let mut out = String::from(include_str!("authorization_doc/head.md"));
    out +=
        "\n| Key | API | Operation | Resource | When | Without it |\n| --- | --- | --- | --- | --- | --- |\n";
    for api in ApiKey::ALL {
        let is_served =
            [ListenerKind::Broker, ListenerKind::Controller].iter().any(|kind| apis::of(*kind).contains(api));
        let name = if is_served { api.name().to_owned() } else { format!("{} (not served)", api.name()) };
        let questions = declared::questions(*api);
        if questions.is_empty() {
            let _ = writeln!(out, "| {} | {name} | - | - | | |", api.code());
        }
        for (at, question) in questions.iter().enumerate() {
            let (key, name) = if at == 0 { (api.code().to_string(), &*name) } else { Default::default() };
            let _ = writeln!(out, "| {key} | {name} | {} |", row(question));
        }
    }
    out
}

fn row(question: &Question) -> String {
    let refusal = match question.refusal {
        Refusal::Error(error) => error.name().to_owned(),
        Refusal::LeftOut => "left out".to_owned(),
        Refusal::AsksNext => "the next is asked".to_owned(),
    };
    let resource = declared::resource_name(question.resource);
    format!("{} | {resource} | {} | {refusal}", question.operation, question.when)
}
