"""Kill -9 under load: what was acknowledged is there, once; what was read stays; what was committed stays.

Two idempotent producers, one plain one with acks=all, and a reader that commits, while the broker is killed at random moments and started
again at once. Afterwards the logs are read whole by a program that shares nothing with the producers but their notes.
"""

import collections
import random
import subprocess
import sys
import time
from pathlib import Path

from harness import dump_file, programs
from harness.broker import BrokerFailed
from harness.context import Suite, venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
TOPIC, PARTITIONS = "chaos", 4
# Apache Kafka takes seconds to start; to know that the checker is right, a few are enough.
KILLS = {"ottla": 200, "kafka": 8}


def note(file: Path) -> list:
    """The complete lines of a log."""
    text = file.read_text(errors="replace")
    return [x.split(" ", 3) for x in text[: text.rfind("\n")].split("\n")] if "\n" in text else []


def contents(dump: Path) -> dict:
    """partition -> values in order of offset."""
    return {p: [value.decode() for _, value, _ in records] for p, records in dump_file.read(dump).items()}


def check_producer(r: Result, name: str, idempotent: bool, lines: list, logs: dict):
    """Acknowledged records are where they were said to be; with idempotence each is there once, in order."""
    failed = [x for x in lines if x[0] == "F"]
    r.check(f"{name}: no delivery failed", not failed, f"{len(failed)}: {failed[:2]}")
    end = next((x for x in lines if x[0] == "E"), None)
    r.check(f"{name}: ended with nothing left", end is not None and end[2] == "0", f"{end}")
    lost = []
    acked = [(int(x[1]), int(x[2]), int(x[3])) for x in lines if x[0] == "A"]
    own = collections.defaultdict(list)
    where = set()
    for p, values in logs.items():
        for v in values:
            who, n, _ = v.split(":", 2)
            if who == name:
                own[p].append(int(n))
                where.add((p, int(n)))
    for p, o, n in acked:
        if o >= 0 and not (o < len(logs[p]) and logs[p][o].startswith(f"{name}:{n}:")) or (p, n) not in where:
            lost.append((p, o, n))
    r.check(f"{name}: no acknowledged record is lost ({len(acked)})", not lost and len(acked) > 100, f"{len(lost)} of {len(acked)}: {lost[:3]}")
    if idempotent:
        twice = [f"{p}: {n} x{c}" for p, ns in own.items() for n, c in collections.Counter(ns).items() if c > 1]
        r.check(f"{name}: none is there twice", not twice, f"{len(twice)}: {twice[:3]}")
        r.check(f"{name}: in order", all(ns == sorted(ns) for ns in own.values()), "not in order")


def check_reader(r: Result, lines: list, logs: dict):
    seen, wrong, holes, back, lost = {}, [], [], [], []
    committed = collections.defaultdict(int)
    reads = 0
    for x in lines:
        p, o = int(x[1]), int(x[2])
        if x[0] == "R":
            reads += 1
            if o >= len(logs[p]) or logs[p][o] != x[3]:
                wrong.append((p, o))
            if o != seen.get(p, -1) + 1:
                (back if o <= seen.get(p, -1) else holes).append((p, seen.get(p, -1), o))
            seen[p] = o
        elif x[0] == "C":
            committed[p] = max(committed[p], o)
        elif x[0] == "G" and o < committed[p]:
            lost.append((p, committed[p], o))
    r.check(f"reader: what was read stays ({reads} records)", not wrong and reads > 100, f"{len(wrong)}: {wrong[:3]}")
    r.check("reader: no hole and no step back", not holes and not back, f"holes {holes[:3]}, back {back[:3]}")
    r.check("reader: committed offsets stay", not lost, f"{len(lost)}: {lost[:3]}")


def run(ctx) -> Result:
    r = Result()
    rounds = KILLS[ctx.against]
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    b = ctx.broker(properties={"log.segment.bytes": "1048576", "log.index.interval.bytes": "1024", "offsets.topic.num.partitions": "4"}).start()
    code = f"from confluent_kafka.admin import AdminClient, NewTopic; a = AdminClient({{'bootstrap.servers': '{b.bootstrap}'}}); a.create_topics([NewTopic('{TOPIC}', {PARTITIONS}, 1)])['{TOPIC}'].result(120)"
    ctx.run("create-topic", [python, "-c", code], 240, check=True)
    actors = {}
    for kind, name in [("idempotent", "one"), ("idempotent", "two"), ("plain", "three"), ("reader", "four")]:
        out = open(ctx.work / f"{name}.out", "wb")
        actors[name] = kind, subprocess.Popen([python, HERE / "load.py", kind, b.bootstrap, TOPIC, name, ctx.work / f"{name}.log"], stdout=out, stderr=out, start_new_session=True)
    done, downtime, slowest = 0, 0.0, 0.0
    try:
        time.sleep(1)
        for done in range(1, rounds + 1):
            # Mostly soon after the start, when clients come back all at once; sometimes in full work.
            time.sleep(dice.choice([dice.uniform(0, 0.1), dice.uniform(0.1, 0.5), dice.uniform(0.3, 1.2)]) + (2 if ctx.against == "kafka" else 0))
            b.kill()
            b.start()
            downtime += b.start_seconds
            slowest = max(slowest, b.start_seconds)
        time.sleep(2)
    except BrokerFailed as e:
        r.fail(f"start after kill {done}", e)
    finally:
        for _, p in actors.values():
            p.terminate()
        for name, (_, p) in actors.items():
            try:
                r.check(f"{name}: ends when asked", p.wait(300) == 0, f"exit code {p.returncode}")
            except subprocess.TimeoutExpired:
                programs.end_group(p)
                r.fail(f"{name}: ends when asked", "still there after 300 s")
    r.check(f"killed {rounds} times", done == rounds, f"{done} times")
    if b.alive():
        dump = ctx.work / "dump.bin"
        rc, text = ctx.run("dump", [python, dump_file.PROGRAM, b.bootstrap, TOPIC, dump], 1000)
        if r.check("all partitions are read to their ends", rc == 0, text[-300:]):
            logs = contents(dump)
            for name, (kind, _) in actors.items():
                lines = note(ctx.work / f"{name}.log")
                if kind == "reader":
                    check_reader(r, lines, logs)
                else:
                    check_producer(r, name, kind == "idempotent", lines, logs)
        b.stop()
    for line in b.panics()[:3]:
        r.fail("(broker log)", line)
    r.note = f"seed {seed}, start {downtime / max(done, 1):.2f} s on average, {slowest:.2f} s at most"
    return r


def exactly_once(ctx) -> Result:
    sys.path.insert(0, str(HERE / "eos"))
    import rounds

    return rounds.run(ctx)


SUITES = [
    Suite("chaos", run, "200 times kill -9 under acks=all load, with a checker of its own"),
    Suite("chaos/eos", exactly_once, "consume-transform-produce while broker and clients are killed (8 times; 100 with --full or OTTLA_EOS_ROUNDS): each input once"),
]
