//! The controller quorum (KRaft).

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::{KeyDef, boolean, int, list};
use crate::validator::Validator;

const ALONE: &str = "a quorum of one has no election and no peer";

pub(super) const KEYS: &[KeyDef] = &[
    list("controller.quorum.voters", &[], High)
        .check(Validator::QuorumVoters)
        .honoured_but("one voter, this node")
        .doc("The voters of a static quorum as `id@host:port`, separated by commas."),
    list("controller.quorum.bootstrap.servers", &[], High)
        .check(Validator::QuorumBootstrapServers)
        .without_effect(ALONE)
        .doc("Addresses through which a node finds a quorum with dynamic voters."),
    int("controller.quorum.election.timeout.ms", 1000, High)
        .at_least(0)
        .without_effect(ALONE)
        .doc("How long a voter waits for a leader it can fetch from before it calls an election."),
    int("controller.quorum.election.backoff.max.ms", 1000, High)
        .at_least(0)
        .without_effect(ALONE)
        .doc("The longest random pause before an election is tried again."),
    int("controller.quorum.fetch.timeout.ms", 2000, High).at_least(0).without_effect(ALONE).doc(
        "How long a voter goes without a successful fetch before it stands for election, and a \
             leader without fetches from a majority before it resigns.",
    ),
    int("controller.quorum.append.linger.ms", 25, Medium)
        .at_least(0)
        .without_effect(ALONE)
        .doc("How long the leader collects records before it writes them out."),
    int("controller.quorum.request.timeout.ms", 2000, Medium)
        .at_least(0)
        .without_effect(ALONE)
        .doc("How long a node waits for another one's answer in the quorum."),
    int("controller.quorum.retry.backoff.ms", 20, Low)
        .at_least(0)
        .without_effect(ALONE)
        .doc("Pause before a failed request to another node of the quorum is repeated."),
    boolean("controller.quorum.auto.join.enable", false, Low)
        .without_effect(ALONE)
        .doc("Whether a new controller adds itself to the voters."),
    int("controller.quorum.fetch.max.bytes", 1024 * 1024, Low)
        .at_least(1)
        .without_effect(ALONE)
        .doc("The most that one fetch of the metadata log returns, but for a first batch that is larger."),
    int("controller.quorum.fetch.snapshot.max.bytes", 1024 * 1024, Low)
        .at_least(1)
        .without_effect(ALONE)
        .doc("The most of a snapshot that one answer carries."),
];
