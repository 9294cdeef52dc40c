"""Groups with members of Java's client, librdkafka and Ottla's Rust client, which come and go while somebody feeds them.

A stage is over when every partition belongs to one of the members that are there, each with its fair share. At the end every record was read,
and by one member only, unless the one before could not say that it had read it.

The members' log is that of packages/suite.py.
"""

import collections
import importlib.util
import signal
import subprocess
import time
import zlib
from pathlib import Path

from harness import paths, programs
from harness.context import venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
PARTITIONS, PER_SECOND = 6, 600
# Who is there in each stage, in turn.
STAGES = [["java"], ["java", "rust"], ["java", "rust", "python"], ["rust", "python"], ["rust", "python", "java"], ["python", "java"], ["python", "java", "rust"]]
PREFIX = "org.apache.kafka.clients.consumer."
# Name of the case, settings of Java's and ours, of librdkafka's; librdkafka has no eager sticky assignor.
CASES = [
    ("range", {"partition.assignment.strategy": PREFIX + "RangeAssignor"}, {"partition.assignment.strategy": "range"}),
    ("roundrobin", {"partition.assignment.strategy": PREFIX + "RoundRobinAssignor"}, {"partition.assignment.strategy": "roundrobin"}),
    ("sticky", {"partition.assignment.strategy": PREFIX + "StickyAssignor"}, None),
    ("cooperative-sticky", {"partition.assignment.strategy": PREFIX + "CooperativeStickyAssignor"}, {"partition.assignment.strategy": "cooperative-sticky"}),
    ("consumer", {"group.protocol": "consumer"}, {"group.protocol": "consumer"}),
]
# Clocks of the members are read with different care.
SLACK_NS = 5_000_000


def packages():
    """packages/suite.py, which has the members' log and their coming and going."""
    spec = importlib.util.spec_from_file_location("suite_packages_shared", paths.COMPAT / "packages/suite.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def owners(log: list) -> dict:
    """partition -> the members that have it by their own account."""
    have = collections.defaultdict(set)
    for _, who, what, p, _, _ in log:
        if what == "P":
            have[p].add(who)
        elif what == "V":
            have[p].discard(who)
    return have


def is_sound(log: list, present: list) -> bool:
    have = owners(log)
    held = collections.Counter(next(iter(who)) for who in have.values() if len(who) == 1)
    fair = (PARTITIONS // len(present), -(-PARTITIONS // len(present)))
    return len(have) == PARTITIONS and set(held) == set(present) and sum(held.values()) == PARTITIONS and all(fair[0] <= n <= fair[1] for n in held.values())


def overlaps(log: list) -> list:
    """Partitions that two members had at the same time."""
    wrong, holder = [], {}
    for at, who, what, p, _, _ in log:
        if what == "P":
            other, since, until = holder.get(p, (who, at, at))
            if other != who and (until is None or until > at + SLACK_NS):
                wrong.append(f"{who} and {other} had {p}")
            holder[p] = (who, at, None)
        elif what == "V" and p in holder and holder[p][0] == who:
            holder[p] = (who, holder[p][1], at)
    return wrong


def check_records(r: Result, case: str, log: list, count: int):
    seen, acked, again, wrong = collections.defaultdict(set), collections.defaultdict(int), [], []
    for _, who, what, p, o, crc in log:
        if what == "A":
            acked[p] = max(acked[p], o)
        elif what == "R":
            n = o * PARTITIONS + p
            if crc != zlib.crc32(f"k{n}v{n}".encode()):
                wrong.append(f"{who} got another record at {p}-{o}")
            if o < acked[p]:
                again.append(f"{who} read {p}-{o} after {acked[p]} was committed")
            seen[p].add(o)
    ends = {p: (count - p + PARTITIONS - 1) // PARTITIONS for p in range(PARTITIONS)}
    missing = {p: n - len(seen[p]) for p, n in ends.items() if len(seen[p]) != n}
    r.check(f"{case}.every-record", not missing, f"missing by partition: {missing}")
    r.check(f"{case}.none-after-its-commit", not again, f"{len(again)}: {'; '.join(again[:3])}")
    r.check(f"{case}.as-written", not wrong, f"{len(wrong)}: {'; '.join(wrong[:3])}")
    total = sum(1 for e in log if e[2] == "R")
    return total - count


def wait(what, patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def run_case(ctx, r: Result, shared, bootstrap: str, case: str, commands: dict, binary: Path):
    group = {who: shared.Member(ctx, f"{case}-{who}", argv) for who, argv in commands.items()}

    def log():
        return shared.events({who: m.log for who, m in group.items()})

    said = ctx.work / f"feed-{case}.log"
    with open(said, "wb") as out:
        feeder = subprocess.Popen([binary, "feed", bootstrap, case, str(PARTITIONS), str(PER_SECOND)], stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    stubborn = []
    try:
        for number, stage in enumerate(STAGES):
            # librdkafka has not every assignor.
            present = [who for who in stage if who in group]
            if not present:
                continue
            for who, m in group.items():
                if who in present:
                    m.come()
                elif not m.go():
                    stubborn.append(who)
            if not wait(lambda: is_sound(log(), present), 90):
                r.fail(f"{case}.stage-{number}", f"with {present}: {dict(owners(log()))}")
                return
        r.ok(f"{case}.assignments")
        feeder.send_signal(signal.SIGTERM)
        feeder.wait(90)
        count = int(said.read_text().split()[-1])

        def committed():
            ends = collections.defaultdict(int)
            for _, _, what, p, o, _ in log():
                if what == "A":
                    ends[p] = max(ends[p], o)
            return sum(ends.values()) == count

        r.check(f"{case}.committed-to-the-end", wait(committed, 90), f"{count} records")
        stubborn += [who for who, m in group.items() if not m.go()]
        r.check(f"{case}.members-end-when-asked", not stubborn, ", ".join(stubborn))
        twice = check_records(r, case, log(), count)
        wrong = overlaps(log())
        r.check(f"{case}.one-owner-at-a-time", not wrong, f"{len(wrong)}: {'; '.join(wrong[:3])}")
        r.note += f"{case} {count} records, {twice} again; "
    finally:
        if feeder.poll() is None:
            programs.end_group(feeder)
        for m in group.values():
            m.go(signal.SIGKILL)


def run(ctx, binary: Path, java: list, properties: dict) -> Result:
    r, shared = Result(), packages()
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    with ctx.clean_broker(r, properties=dict(properties)) as b:
        if ctx.lacks(r, b, "ConsumerGroupHeartbeat"):
            return r
        for case, own, librdkafkas in CASES:
            if ctx.options.only and ctx.options.only not in case:
                continue
            ctx.run(f"topic-{case}", [python, paths.COMPAT / "harness/topics.py", "make", b.bootstrap, f"{case}={PARTITIONS}"], 120, check=True)
            # Sessions as long as they are by default: nobody is put out who is only slow on a busy machine.
            classic = {} if "group.protocol" in own else {"heartbeat.interval.ms": "200"}
            settings = [f"{k}={v}" for k, v in {**own, **classic}.items()]
            # Members append the name of their log behind the command.
            commands = {"java": [*java, b.bootstrap, case, case, *settings], "rust": [binary, "member", b.bootstrap, case, case, *settings]}
            if librdkafkas:
                commands["python"] = [python, HERE / "member.py", b.bootstrap, case, case, *(f"{k}={v}" for k, v in {**librdkafkas, **classic}.items())]
            run_case(ctx, r, shared, b.bootstrap, case, commands, binary)
    r.note = r.note.rstrip("; ")
    return r
