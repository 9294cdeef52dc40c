"""Java: the codec proof, and kafka-clients 4.3.1 against one node."""

import shutil
from pathlib import Path

from harness import kafka_dist, paths
from harness.control import control, of_broker
from harness.context import Suite
from harness.result import Result, from_lines

HERE = Path(__file__).resolve().parent
SEEDS = 20


def codec_proof(ctx) -> Path:
    """The program that reads and writes the samples with Ottla's codec, built with the profile and in the folder of the binary."""
    profile = {"debug": "dev"}.get(ctx.ottla.parent.name, ctx.ottla.parent.name)
    target = ctx.ottla.parent.parent
    ctx.run("cargo", ["cargo", "build", "-q", "--profile", profile, "-p", "ottla-protocol", "--example", "codec_proof", "--target-dir", target], 1800, cwd=paths.REPO, check=True)
    return ctx.ottla.parent / "examples" / "codec_proof"


def codec(ctx) -> Result:
    """Kafka writes every message of every version, Ottla reads it and writes it again, Kafka reads that. Against Kafka: its own bytes come back."""
    java = kafka_dist.java("-cp", f"{kafka_dist.compile_java('codec', HERE / 'codec')}:{kafka_dist.jars('kafka')}", "CodecProof")
    samples, answer = ctx.work / "samples.bin", ctx.work / "answer.bin"
    _, said = ctx.run("write", [*java, "write", samples, SEEDS], 600, check=True)
    if ctx.against == "ottla":
        # It ends with an error when a sample differs; which one, and how, the check says.
        ctx.run("codec_proof", [codec_proof(ctx), samples, answer], 600)
    else:
        shutil.copy(samples, answer)
    rc, text = ctx.run("check", [*java, "check", samples, answer], 600)
    r = from_lines(text, rc)
    r.note = said.splitlines()[0]
    return r


def records(ctx) -> Result:
    """Batches that Ottla writes, read by Kafka; and what Ottla's validation makes of good and bad batches, beside Kafka's own. Against
    Kafka there is nothing to compare."""
    classes = kafka_dist.compile_java("records", HERE / "records")
    java = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}")
    r = Result()
    for printer, judge in [("records_for_java", ["RecordFixtures", "check"]), ("cases_for_java", ["ValidatorJudge"])]:
        # Their output is the test's: the two print only when they are asked for by name.
        ctx.run(printer, ["cargo", "test", "-q", "-p", "ottla-protocol", "--lib", "--", "--ignored", "--nocapture", printer], 1800, cwd=paths.REPO, check=True)
        rc, text = ctx.run(judge[0], [*java, *judge, ctx.work / f"{printer}.log"], 600)
        judged = from_lines(text, rc)
        if not judged.passed and not judged.failed:
            r.fail(judge[0], f"no batch in the output of {printer}")
        r.merge(judged)
    return r


def clients(ctx) -> Result:
    classes = kafka_dist.compile_java("clients", HERE / "clients")
    r = Result()
    with ctx.clean_broker(r) as b:
        argv = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}", "ClientSuite", b.bootstrap, *([ctx.options.only] if ctx.options.only else []), heap_mb=400, level="OFF")
        rc, text = ctx.run("client-suite", argv, 2400)
        r.merge(from_lines(text, rc))
    return r


def programs(ctx, name: str, main: str, runs: list, properties: dict, needs: list) -> Result:
    """A folder of cases that is run once or more often against one broker, each time with other arguments. `runs`: (prefix of the names, arguments)."""
    shared = [kafka_dist.compile_java("clients", HERE / "clients")]
    if name == "groups":
        shared.append(kafka_dist.compile_java("transactions", HERE / "transactions", more=shared))
    classes = kafka_dist.compile_java(name, HERE / name, more=shared)
    r = Result()
    # A client that asks for a topic that was just deleted, or is made in a moment, would make it.
    properties["auto.create.topics.enable"] = "false"
    with ctx.clean_broker(r, properties=properties) as b, control(ctx.work / "control", of_broker(b)) as folder:
        if ctx.lacks(r, b, *needs):
            return r
        for prefix, args in runs:
            argv = kafka_dist.java("-cp", ":".join([*map(str, [classes, *shared]), kafka_dist.jars("kafka")]), main, b.bootstrap, folder, *args, *([ctx.options.only] if ctx.options.only else []), heap_mb=400, level="OFF")
            rc, text = ctx.run(f"{name}-{prefix or 'all'}", argv, 1800)
            r.merge(from_lines(text, rc).prefixed(prefix))
    return r


def transactions(ctx) -> Result:
    """Under transaction.version 2, then with the feature set back while the broker runs."""
    versions = [2, 1, 0, 2] if ctx.options.full else [2, 1]
    return programs(ctx, "transactions", "TransactionSuite", [(f"{i}-tv{v}." if ctx.options.full else f"tv{v}.", [v]) for i, v in enumerate(versions)],
                    {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "300", "transaction.state.log.num.partitions": "4", "offsets.topic.num.partitions": "4"}, ["AddPartitionsToTxn"])


def groups(ctx) -> Result:
    """Groups of the consumer protocol, and classic groups on the way there and back."""
    return programs(ctx, "groups", "GroupSuite", [("", [])],
                    {"group.consumer.min.session.timeout.ms": "1000", "group.consumer.min.heartbeat.interval.ms": "100",
                     "group.consumer.heartbeat.interval.ms": "300", "transaction.state.log.num.partitions": "4", "offsets.topic.num.partitions": "4"},
                    ["AddPartitionsToTxn", "ConsumerGroupHeartbeat"])


def share(ctx) -> Result:
    """Share groups: what is delivered, acknowledged and delivered again."""
    return programs(ctx, "share", "ShareSuite", [("", [])],
                    {"group.share.min.session.timeout.ms": "1000", "group.share.min.heartbeat.interval.ms": "100", "group.share.heartbeat.interval.ms": "300",
                     "group.share.min.record.lock.duration.ms": "1000", "share.coordinator.state.topic.num.partitions": "4", "offsets.topic.num.partitions": "4",
                     "transaction.state.log.num.partitions": "4"}, ["AddPartitionsToTxn", "ShareGroupHeartbeat", "ShareFetch"])


SUITES = [
    Suite("java/codec", codec, "every message of every version: Kafka's bytes, read and written by Ottla, read by Kafka"),
    Suite("java/records", records, "record batches and their validation, judged by Kafka's own classes", ottla_only=True),
    Suite("java/clients", clients, "kafka-clients 4.3.1: producer, consumer, groups, admin"),
    Suite("java/transactions", transactions, "transactional producers, read_committed, offsets in transactions, admin, restarts; transaction.version 2 and 1"),
    Suite("java/groups", groups, "the consumer protocol (KIP-848): members, listeners, regular expressions, static members, migration both ways, admin"),
    Suite("java/share", share, "KafkaShareConsumer (KIP-932): accept, release, reject, renew, locks, crash, poison records, restarts, admin"),
]
