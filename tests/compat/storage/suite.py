"""One directory, two brokers: what Ottla writes Apache Kafka reads, and the other way round; and Kafka's dump tool over Ottla's files."""

import difflib
import shutil
import sys
from pathlib import Path

from harness import kafka_dist
from harness.broker import BrokerFailed
from harness.context import Suite
from harness.result import Result

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import files  # noqa: E402

# Few partitions of the internal topic: each has files to be looked at. A snapshot of the metadata every few records, and of them few kept.
PROPERTIES = {"offsets.topic.num.partitions": "4", "metadata.log.max.record.bytes.between.snapshots": "1000", "metadata.max.retention.bytes": "50000", "log.cleaner.enable": "true", "log.retention.check.interval.ms": "3600000", "log.retention.hours": "-1"}


def world(ctx, name, bootstrap, what, program="World") -> list:
    """Lines that World, or another of the programs, printed."""
    classes = kafka_dist.compile_java("storage", HERE / "java")
    argv = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}", program, bootstrap, what, level="OFF")
    _, text = ctx.run(name, argv, 1200, check=True)
    return [x for x in text.splitlines() if x != "DONE"]


def same(r: Result, case: str, before: list, after: list):
    """One case per kind of line, so that a difference in one does not hide the others."""
    kinds = sorted({x.split(" ")[0] for x in before} | {x.split(" ")[0] for x in after})
    for kind in kinds:
        a, b = [x for x in before if x.startswith(kind + " ")], [x for x in after if x.startswith(kind + " ")]
        diff = [x for x in difflib.unified_diff(a, b, "before", "after", n=0, lineterm="")][3:9] if a != b else []
        r.check(f"{case}: same {kind} ({len(a)} lines)", a == b, f"{len(a)} before, {len(b)} after: {' | '.join(diff)}")


def started(r: Result, case: str, b) -> bool:
    try:
        b.start()
    except BrokerFailed as e:
        # The first error in the log tells more than its last lines.
        first = next((x for x in b.log.read_text(errors="replace").splitlines() if "ERROR" in x or "Exception" in x), "")
        r.fail(f"{case}: starts", f"{first} {e}")
        return False
    r.ok(f"{case}: starts")
    return True


def handover(ctx, r: Result, first: str, second: str, how: str, static_quorum: bool):
    """`first` makes the world and ends (`stop` or `kill`); `second` starts on the same directory, serves it all, goes on; then `first` once more."""
    quorum = "static" if static_quorum else "dynamic"
    case = f"{first} {'stopped' if how == 'stop' else 'killed'}, {quorum} quorum, then {second}"
    folder = f"{first}-{how}-{quorum}-{second}"
    a = ctx.broker(folder, PROPERTIES, against=first, static_quorum=static_quorum).start()
    world(ctx, f"{folder}-make", a.bootstrap, "make")
    before = world(ctx, f"{folder}-before", a.bootstrap, "describe")
    a.stop() if how == "stop" else a.kill()
    snapshots = sorted(int(x.name.split("-")[0]) for x in a.data.glob("**/__cluster_metadata-0/*.checkpoint"))
    r.check(f"{case}: snapshots of the metadata", snapshots and snapshots[-1] > 0, str(snapshots))
    if ctx.options.keep:
        shutil.copytree(a.data, a.folder / "data-of-first")
    # The same folder, ports and server.properties.
    b = a.with_product(second)
    ctx.brokers.append(b)
    if not started(r, case, b):
        return
    same(r, case, before, world(ctx, f"{folder}-after", b.bootstrap, "describe"))
    world(ctx, f"{folder}-more", b.bootstrap, "more")
    grown = world(ctx, f"{folder}-grown", b.bootstrap, "describe")
    r.check(f"{case}: goes on", len(grown) > len(before) + 15_000, f"{len(before)} lines, then {len(grown)}")
    b.stop() if how == "stop" else b.kill()
    if first != second:
        c = b.with_product(first)
        ctx.brokers.append(c)
        if not started(r, f"{case}, then {first} again", c):
            return
        same(r, f"{case}, then {first} again", grown, world(ctx, f"{folder}-again", c.bootstrap, "describe"))
        c.stop()
    for x in (a, b):
        for line in x.panics()[:3]:
            r.fail(f"{case}: log", line)
    if not (r.failed or ctx.options.keep):
        shutil.rmtree(a.data, ignore_errors=True)


def dump(ctx) -> Result:
    """Kafka's dump tool over what the broker wrote, after a clean stop and after a kill and a recovery."""
    r = Result()
    b = ctx.broker(properties=PROPERTIES).start()
    world(ctx, "make", b.bootstrap, "make")
    described = world(ctx, "describe", b.bootstrap, "describe")
    b.stop()
    records = sum(1 for x in described if x.startswith("record ") and not x.startswith("record start-moved"))
    counts = files.check_dump(ctx, r, "clean stop", b.data)
    found = sum(n for k, n in counts.items() if not k.startswith("start-moved"))
    r.check("clean stop: the tool finds every record", found == records, f"{found} of {records}")
    files.check_small_files(r, "clean stop", b.data, clean=True)
    b.start()
    world(ctx, "more", b.bootstrap, "more")
    b.kill()
    b.start()
    described = world(ctx, "described-again", b.bootstrap, "describe")
    b.stop()
    records = sum(1 for x in described if x.startswith("record ") and not x.startswith("record start-moved"))
    counts = files.check_dump(ctx, r, "after a kill", b.data)
    found = sum(n for k, n in counts.items() if not k.startswith("start-moved"))
    r.check("after a kill: the tool finds every record", found == records, f"{found} of {records}")
    files.check_small_files(r, "after a kill", b.data, clean=True)
    return r


def compaction(ctx) -> Result:
    """The broker cleans compacted topics while they are read; Kafka's dump tool has no complaint; the other product serves what is left."""
    r = Result()
    a = ctx.broker(properties={**PROPERTIES, "log.cleaner.backoff.ms": "100"}).start()
    for line in world(ctx, "make", a.bootstrap, "make", "Compact"):
        r.ok(line.replace(" ", "-"))
    a.stop()
    files.check_dump(ctx, r, "compacted", a.data)
    # From now on nothing changes.
    a.properties["log.cleaner.enable"] = "false"
    a.start()
    before = world(ctx, "before", a.bootstrap, "describe", "Compact")
    a.stop()
    b = a.with_product("kafka" if ctx.against == "ottla" else "ottla")
    ctx.brokers.append(b)
    if started(r, "the other product", b):
        same(r, "the other product", before, world(ctx, "after", b.bootstrap, "describe", "Compact"))
    return r


def interchange(first_is_kafka: bool):
    def run(ctx) -> Result:
        other = ctx.against
        first, second = ("kafka", other) if first_is_kafka else (other, "kafka")
        r = Result()
        for how in ("stop", "kill"):
            for static_quorum in (False, True):
                # --full has all four; otherwise each quorum and each end once.
                if ctx.options.full or static_quorum == (how == "kill"):
                    handover(ctx, r, first, second, how, static_quorum)
        return r

    return run


SUITES = [
    Suite("storage/dump", dump, "kafka-dump-log and the small files over a directory that the broker wrote"),
    Suite("storage/compaction", compaction, "compacted topics in all codecs: cleaned, dumped, served by Apache Kafka"),
    Suite("storage/from-kafka", interchange(True), "a directory of Apache Kafka, stopped and killed, served by the broker"),
    Suite("storage/to-kafka", interchange(False), "a directory of the broker, stopped and killed, served by Apache Kafka"),
]
