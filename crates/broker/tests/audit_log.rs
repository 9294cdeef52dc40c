//! The log of the authorizer's decisions: its target, its levels, Kafka's words.

mod authorization_node;
mod wire_client;

use std::sync::{Arc, Mutex};

use authorization_node::{Node, produce_request};
use ottla_broker::authorization::AUDIT;
use ottla_metadata::AclOperation::Write;
use ottla_metadata::AclResourceType::Topic;
use ottla_protocol::records::BatchOptions;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Keeps the lines of the log of decisions.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == AUDIT && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut lines = self.0.lock().expect("no panic while it is held");
        lines.push((*event.metadata().level(), text.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn denials_are_told_at_info_and_what_is_allowed_at_debug() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("the only one");
    let mut node = Node::start();
    node.create_topic("allowed");
    node.create_topic("denied");
    node.allow(&[(Topic, "allowed", Write)]);
    lines.0.lock().expect("a lock").clear();
    for _ in 0..2 {
        node.client.call(&produce_request(&["denied", "allowed"], BatchOptions::default()), 12);
    }
    let acl = "StandardAcl[resourceType=TOPIC, resourceName=allowed, patternType=LITERAL, principal=User:ANONYMOUS, \
               host=127.0.0.1, operation=WRITE, permissionType=ALLOW]";
    let line = |outcome: &str, topic: &str, rule: &str| {
        format!(
            "Principal = User:ANONYMOUS is {outcome} operation = WRITE from host = 127.0.0.1 on resource = \
             Topic:LITERAL:{topic} for request = Produce with resourceRefCount = 1 based on rule {rule}"
        )
    };
    let denied = (Level::INFO, line("Denied", "denied", "DefaultDeny"));
    let allowed = (Level::DEBUG, line("Allowed", "allowed", &format!("MatchingAcl(acl={acl})")));
    let expected = [&denied, &allowed, &denied, &allowed];
    assert_eq!(lines.0.lock().expect("a lock").iter().collect::<Vec<_>>(), expected, "each time anew");
    node.stop();
}
