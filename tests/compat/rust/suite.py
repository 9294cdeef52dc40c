"""Ottla's Rust client: the same programs as Kafka's own client, groups of members of several clients, and connections that break.

`program/` is one binary on `ottla-client`; `java/` holds the same cases for kafka-clients. OTTLA_COMPAT_PROGRAM names a binary that is built
already.
"""

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import kafka_dist, paths  # noqa: E402
from harness.broker import HOST, free_port  # noqa: E402
from harness.context import Suite  # noqa: E402
from harness.control import control, of_broker  # noqa: E402
from harness.result import Result, from_lines  # noqa: E402
import rust_mixed  # noqa: E402
from rust_differences import reason  # noqa: E402

HERE = Path(__file__).resolve().parent
# Prefixes of topics and groups; of one length, so that requests and records have the same sizes.
JAVA, RUST = "java-", "rust-"
# Topics into which both programs write the same records, each a partition.
SAME_BYTES = ["bytes-plain", "bytes-once", "bytes-gzip", "bytes-snappy", "bytes-lz4", "bytes-zstd"]
PROPERTIES = {
    # A client that asks for a topic that is not there would make it.
    "auto.create.topics.enable": "false",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "300",
    "transaction.state.log.num.partitions": "4", "offsets.topic.num.partitions": "4", "share.coordinator.state.topic.num.partitions": "4",
    "group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.heartbeat.interval.ms": "300",
    "group.share.min.heartbeat.interval.ms": "100", "group.share.heartbeat.interval.ms": "300",
    "group.share.min.record.lock.duration.ms": "1000",
}


def program(ctx) -> Path:
    """The binary of the Rust programs."""
    if os.environ.get("OTTLA_COMPAT_PROGRAM"):
        return Path(os.environ["OTTLA_COMPAT_PROGRAM"])
    # Unoptimised: CI has built its parts for the tests already, and what is judged here is what comes out.
    target = Path(os.environ.get("CARGO_TARGET_DIR") or paths.REPO / "target")
    ctx.run("build", ["cargo", "build", "-q", "-p", "ottla-compat", "--target-dir", target], 1800, cwd=paths.REPO, check=True)
    return target / "debug/ottla-compat"


def java_classes() -> Path:
    return kafka_dist.compile_java("rust", HERE / "java")


def java(main: str, *args, heap_mb=400) -> list:
    return kafka_dist.java("-cp", f"{java_classes()}:{kafka_dist.jars('kafka')}", main, *args, heap_mb=heap_mb, level="OFF")


def said(text: str) -> dict:
    """What each case said: name -> lines. A case without an end is cut off."""
    cases, name, lines = {}, None, []
    for line in text.splitlines():
        if line.startswith("CASE "):
            name, lines = line[5:], []
        elif line.startswith("| "):
            lines.append(line[2:])
        elif name and line == f"END {name}":
            cases[name] = lines
            name = None
    if name:
        cases[name] = [*lines, "(cut off)"]
    return cases


def compare(r: Result, case: str, ours: list, kafkas: list):
    """Both must have said the same, line by line, but for what is listed with its reason."""
    wrong = []
    for i in range(max(len(ours), len(kafkas))):
        own, other = (lines[i] if i < len(lines) else "(nothing)" for lines in (ours, kafkas))
        if own != other and not reason(case, own, other):
            wrong.append(f"'{own}', Kafka's client: '{other}'")
    r.check(case, not wrong, f"{len(wrong)} of {len(kafkas)} lines: " + "; ".join(wrong))


def client(ctx) -> Result:
    """Each case by both clients at one broker, at the same time."""
    r, only = Result(), ctx.options.only or ""
    binary, argv = program(ctx), java("Programs")
    out = {}

    def run(name, argv):
        out[name] = ctx.run(name, argv, 1500)

    with ctx.clean_broker(r, properties=dict(PROPERTIES)) as b:
        runs = [("java", [*argv, b.bootstrap, JAVA, only]), ("rust", [binary, "cases", b.bootstrap, RUST, only])]
        threads = [threading.Thread(target=run, args=one) for one in runs]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        data = b.data
    cases = {name: said(text) for name, (_, text) in out.items()}
    for name, (rc, text) in out.items():
        r.check(f"({name} ended)", rc == 0 and text.rstrip().endswith("DONE"), f"exit code {rc}: {text[-300:]}")
    for case, kafkas in cases["java"].items():
        if any("not over after" in line for line in kafkas):
            r.fail(case, "Kafka's client did not come to an end")
        else:
            compare(r, case, cases["rust"].get(case, []), kafkas)
    for case in cases["rust"].keys() - cases["java"].keys():
        r.fail(case, "Kafka's client did not run it")
    segments = [(topic, *(data / f"{prefix}{topic}-0" / f"{0:020}.log" for prefix in (JAVA, RUST))) for topic in SAME_BYTES]
    pairs = [part for one in segments if one[1].exists() for part in one]
    if pairs or not only:
        rc, text = ctx.run("judge", java("Judge", *pairs), 300)
        r.merge(from_lines(text, rc))
    return r


def wire(ctx) -> Result:
    """The broker advertises a proxy, through which every connection of the client goes."""
    r, binary = Result(), program(ctx)
    proxy = free_port()
    properties = {**PROPERTIES, "advertised.listeners": f"PLAINTEXT://{HOST}:{proxy}"}
    with ctx.clean_broker(r, properties=properties, own_listener=True) as b, control(ctx.work / "control", of_broker(b)) as folder:
        seed = os.environ.get("OTTLA_WIRE_SEED", "1")
        rc, text = ctx.run("wire", [binary, "wire", f"{HOST}:{proxy}", b.bootstrap, seed, ctx.options.only or "all", folder], 2400)
        r.merge(from_lines(text, rc))
        r.note = f"seed {seed}"
    return r


def mixed(ctx) -> Result:
    """Members of Java's client, librdkafka and ours in one group."""
    return rust_mixed.run(ctx, program(ctx), java("MixedMember", heap_mb=128), PROPERTIES)


SUITES = [
    Suite("rust/client", client, "Ottla's Rust client: the same programs with Kafka's client, what came of them compared; bytes of records, partitions of keys"),
    Suite("rust/mixed", mixed, "groups of Java, librdkafka and Ottla's client, in all assignors and both protocols"),
    Suite("rust/wire", wire, "Ottla's Rust client behind a proxy that delays, cuts, half-closes, stalls, and hides who leads; the broker restarted and killed"),
]
