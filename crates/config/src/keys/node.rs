//! Who this node is: identity, roles, liveness towards the controller, start and stop.

use crate::key_def::Importance::{High, Medium};
use crate::key_def::Type::{Int, List, String};
use crate::key_def::{KeyDef, boolean, int, long, required, unset};

const ONE_NODE: &str = "a node that is broker and controller in one has no link to supervise";

pub(super) const KEYS: &[KeyDef] = &[
    required(Int, "node.id", High).at_least(0).honoured().doc(
        "The number that identifies this node in the cluster. Brokers and controllers share one \
             number space. Left out, Ottla takes `broker.id`, and 1 if that is missing too.",
    ),
    int("broker.id", -1, High)
        .honoured()
        .doc("The older name of `node.id`. If both are given they must agree."),
    required(List, "process.roles", High).some_of(&["broker", "controller"]).honoured().doc(
        "What this process does: `broker`, `controller`, or both. Left out, Ottla runs both in one \
             process.",
    ),
    required(List, "controller.listener.names", High).not_empty().honoured().doc(
        "Names of the listeners that serve controllers. Brokers talk to controllers over the first \
             of them, and clients never see them advertised.",
    ),
    unset(String, "broker.rack", Medium).honoured().doc(
        "The rack or zone this broker stands in. It is reported in metadata, so that replicas can be \
             spread and readers can pick a close one.",
    ),
    int("broker.heartbeat.interval.ms", 2000, Medium)
        .without_effect(ONE_NODE)
        .doc("Time between the heartbeats a broker sends to the active controller."),
    int("broker.session.timeout.ms", 9000, Medium)
        .without_effect(ONE_NODE)
        .doc("How long the controller waits without a heartbeat before it fences a broker."),
    int("initial.broker.registration.timeout.ms", 60_000, Medium).without_effect(ONE_NODE).doc(
        "How long a starting broker keeps trying to register with the controllers before it gives \
             up.",
    ),
    boolean("controlled.shutdown.enable", true, Medium)
        .without_effect("an orderly stop is always on")
        .doc("Whether a stopping broker first hands its leaderships to other brokers."),
    int("controller.socket.timeout.ms", 30_000, Medium)
        .without_effect(ONE_NODE)
        .doc("Socket timeout of the channel between controller and broker."),
    long("controller.performance.sample.period.ms", 60_000, Medium)
        .at_least(100)
        .internal()
        .without_effect("no such log is written")
        .doc("Time between two reports on how long controller events take."),
    long("controller.performance.always.log.threshold.ms", 2000, Medium)
        .at_least(0)
        .internal()
        .without_effect("no such log is written")
        .doc("A controller event that takes longer than this is always reported."),
    unset(List, "early.start.listeners", High)
        .no_duplicates_or_null()
        .without_effect("no authorizer has to be waited for")
        .doc("Listeners that may open before the authorizer is ready."),
    long("server.max.startup.time.ms", i64::MAX, Medium)
        .at_least(0)
        .internal()
        .without_effect("a start ends in milliseconds or fails")
        .doc("Upper bound for the start of the server, for tests."),
    boolean("unstable.api.versions.enable", false, High)
        .internal()
        .without_effect("no unstable version is served")
        .doc("Whether protocol versions that are still in development are offered, for tests."),
    boolean("unstable.feature.versions.enable", false, High)
        .internal()
        .without_effect("no unstable version is served")
        .doc("Whether feature levels that are still in development can be set, for tests."),
];
