//! What it costs to ask an authorizer, with many topics and many entries.

use std::time::Duration;

use anyhow::Result;
use ottla_protocol::messages::CreateAclsRequest;
use ottla_protocol::messages::create_acls_request::AclCreation;

use super::Episode;
use crate::contestant::{Broker, Kind, Workplace};
use crate::effort::Effort;
use crate::load::Moved;
use crate::load::batch::BatchKind;
use crate::load::many_topics::{self, ManyTopics};
use crate::metric::{Metric, Slice};
use crate::process::cpu_seconds;
use crate::secure::USER;
use crate::topic::{TIMEOUT, check};
use crate::wire::Connection;
use crate::work::KIB;

/// Entries of the authorizer, each for the topics that begin with a text of its own.
const ENTRIES: usize = 1_000;
/// How often the two brokers take turns.
const TURNS: usize = 5;
/// How long a turn takes at most: the ratio is that of all turns.
const TURN_MAX: Duration = Duration::from_secs(1);

/// Whoever is on the plain listener may do everything, so that the bench can prepare; the load logs in.
const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                          super.users=User:ANONYMOUS\n";

/// A producer that goes round many topics, on a broker with an authorizer and on one without.
pub struct Authorization {
    /// How many topics.
    pub topics: usize,
    /// How long both are loaded, in turns.
    pub slice: Duration,
}

impl Episode for Authorization {
    fn rows(&self) -> Vec<String> {
        vec![format!(
            "{ENTRIES} ACLs: produce 1 KB records over {} topics, 10 in a request, acks=1, after a login",
            self.topics
        )]
    }

    /// One: both brokers take turns in it, and each start makes tens of thousands of files.
    fn starts(&self, _: &Effort) -> usize {
        1
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let with = place.start_secure(kind, "authorizer", AUTHORIZER)?;
        let without = place.start_secure(kind, "no-authorizer", "")?;
        create_entries(with.port)?;
        let prefix = |at: usize| format!("{}{:05}", prefix(at % ENTRIES), at / ENTRIES);
        let names: Vec<String> = (0..self.topics).map(prefix).collect();
        let mut load = ManyTopics::new(&names, BatchKind::plain(KIB, 0))?;
        for broker in [&with, &without] {
            many_topics::create(broker.port, &names)?;
            load.settle(&broker.secure()?.sasl())?;
        }
        let (mut moved, mut cpu) = ([Moved::default(); 2], [0.0; 2]);
        for turn in 0..TURNS * 2 {
            // As rotations do: neither is always first.
            let i = usize::from(turn % 4 == 1 || turn % 4 == 2);
            let (some, used) = self.turn([&with, &without][i], &mut load)?;
            moved[i].requests += some.requests;
            moved[i].seconds += some.seconds;
            cpu[i] += used;
        }
        with.discard()?;
        without.discard()?;
        let each = |i: usize| cpu[i] * 1e6 / (moved[i].requests as f64).max(1.0);
        let rate = moved[0].requests as f64 / moved[0].seconds.max(1e-3);
        let values = [
            (Metric::CpuPerRequest, each(0)),
            (Metric::Requests, rate),
            (Metric::TimesWithout, each(0) / each(1).max(1e-3)),
        ];
        Ok(vec![Slice::of(values)])
    }
}

impl Authorization {
    fn turn(&self, broker: &Broker<'_>, load: &mut ManyTopics) -> Result<(Moved, f64)> {
        let door = broker.secure()?.sasl();
        let before = cpu_seconds(broker.pid())?;
        let moved = load.run(&door, self.slice.min(TURN_MAX))?;
        Ok((moved, cpu_seconds(broker.pid())? - before))
    }
}

fn prefix(entry: usize) -> String {
    format!("acl-{entry:04}-")
}

fn create_entries(port: u16) -> Result<()> {
    let entry = |at: usize| AclCreation {
        // A topic, all that begin so, to write, allowed.
        resource_type: 2,
        resource_name: prefix(at).into(),
        resource_pattern_type: 4,
        principal: format!("User:{USER}").into(),
        host: "*".into(),
        operation: 4,
        permission_type: 3,
    };
    let request = CreateAclsRequest { creations: (0..ENTRIES).map(entry).collect() };
    let answer = Connection::open(port, TIMEOUT)?.call(&request, 3)?;
    answer.results.iter().try_for_each(|result| check("CreateAcls", result.error_code))
}
