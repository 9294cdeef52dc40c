"""Real Kafka Streams applications, exactly_once_v2, two processes that are killed, as is the broker: each result is there, once.

A word count, and a pipeline of branches, a windowed join, table joins, a global table, suppressed windows; interactive queries at the end. Under
group.protocol=classic and =streams. What must come out is worked out by world.py.
"""

import collections
import json
import random
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from harness import kafka_dist
from harness.context import Suite, venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
TOPICS = HERE.parent / "harness/topics.py"
sys.path.insert(0, str(HERE))
import examples  # noqa: E402
from world import INPUTS, OUTPUTS, World  # noqa: E402

PROPERTIES = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "300", "transaction.state.log.num.partitions": "4", "offsets.topic.num.partitions": "4",
    "group.min.session.timeout.ms": "1000",
    "group.streams.min.session.timeout.ms": "1000", "group.streams.session.timeout.ms": "10000", "group.streams.min.heartbeat.interval.ms": "200", "group.streams.heartbeat.interval.ms": "300",
    "group.streams.initial.rebalance.delay.ms": "0", "group.streams.num.standby.replicas": "1",
}


class Instance:
    """One process of both applications; it keeps its state folder when it is started again."""

    def __init__(self, ctx, name, bootstrap, protocol, argv):
        self.name, self.protocol, self.folder = name, protocol, ctx.work / f"{protocol}-{name}"
        self.log = ctx.work / f"{protocol}-{name}.log"
        self.argv = [*argv, "App", bootstrap, protocol, f"app-{protocol}", self.folder]
        self.process = None
        self.port = None

    def start(self):
        """A process that was killed while RocksDB made a store cannot open it again: as an operator would, it then begins with an empty folder."""
        try:
            self.launch()
        except RuntimeError:
            if "RocksDBException" not in self.said():
                raise
            self.kill(and_state=True)
            self.log.unlink()
            self.launch()

    def launch(self):
        before = self.said().count("PORT ")
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([str(a) for a in self.argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        until = time.monotonic() + 240
        while self.said().count("PORT ") == before:
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not start: {self.said()[-400:]}")
            time.sleep(0.05)
        self.port = int(self.said().rsplit("PORT ", 1)[1].split()[0])

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self, and_state=False):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if and_state:
            shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path: str) -> list:
        """Lines of the answer; none when it has none yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as a:
                return a.read().decode().splitlines()
        except (urllib.error.URLError, OSError):
            return []


class Topics:
    """What the suite itself does with topics, by librdkafka."""

    def __init__(self, ctx, bootstrap):
        self.ctx, self.bootstrap, self.runs = ctx, bootstrap, 0
        self.python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"

    def create(self):
        topics = {**INPUTS, **dict.fromkeys(OUTPUTS, 2)}
        self.ctx.run("make-topics", [self.python, TOPICS, "make", self.bootstrap, *(f"{t}={n}" for t, n in topics.items())], 300, check=True)

    def feed(self, records):
        lines = "".join(json.dumps([*r, *([None] if len(r) == 4 else [])]) + "\n" for r in records)
        subprocess.run([self.python, TOPICS, "feed", self.bootstrap], input=lines.encode(), check=True, timeout=300)

    def read(self, *topics) -> list:
        out = subprocess.run([self.python, TOPICS, "read", self.bootstrap, *topics], stdout=subprocess.PIPE, check=True, timeout=300).stdout
        return [json.loads(line) for line in out.splitlines()]


def wait(what: str, ok, seconds: float, instances=()):
    until = time.monotonic() + seconds
    while not ok():
        for i in instances:
            if i.process.poll() is not None or "FAILED" in i.said():
                raise RuntimeError(f"{i.name} ended or complained: {i.said()[i.said().find('FAILED'):][:600]}")
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds} s: {what}; states {[i.ask('/state') for i in instances]}")
        time.sleep(0.2)


def trouble(dice, broker, instances: list, topics: Topics, world: World):
    """Feeds the steps in parts; between them one of the processes is killed and started again, the broker too."""
    a, b = instances
    acts = [b.start, lambda: (a.kill(), a.start()), lambda: (broker.kill(), broker.start()), lambda: (b.kill(and_state=True), time.sleep(dice.uniform(0, 4)), b.start()),
            lambda: (a.kill(), b.kill(), a.start(), b.start())]
    size = len(world.steps) // (len(acts) + 1)
    for n, act in enumerate(acts):
        topics.feed(world.steps[n * size:(n + 1) * size])
        time.sleep(dice.uniform(0, 1.5))
        act()
    topics.feed(world.steps[len(acts) * size:])
    # A record far ahead in each partition closes all windows.
    topics.feed([("orders", f"end-{p}", "end|p0|0", world.end_ms, p) for p in range(INPUTS["orders"])])


def check_outputs(r: Result, protocol: str, got: list, world: World):
    expected = world.expected()
    for topic in OUTPUTS:
        records = [(k, v) for t, _, _, k, v in got if t == topic]
        seen = collections.Counter(dict(records).items() if topic == "profiles-out" else records)
        missing, more = expected[topic] - seen, seen - expected[topic]
        r.check(f"{protocol}: {topic} ({sum(expected[topic].values())} records)", not missing and not more and seen, f"missing {list(missing.items())[:3]}, too many {list(more.items())[:3]}")
    counts = collections.defaultdict(list)
    for t, _, _, k, v in got:
        if t == "counts-out":
            counts[k].append(int(v))
    r.check(f"{protocol}: counts go up one by one", all(n == list(range(1, len(n) + 1)) for n in counts.values()), f"{[k for k, n in counts.items() if n != sorted(n)][:3]}")


def queries(instances: list, world: World) -> list:
    """(what is asked, whether the answer is right, the answer)."""
    held = {i.port: dict(line.split("=") for line in i.ask("/counts")) for i in instances}
    union = [kv for h in held.values() for kv in h.items()]
    wrong = [line for i in instances for line in i.ask("/owners") if line.split("=")[0] not in held[i.port] or int(line.split("=")[1]) != i.port]
    groups = instances[0].ask("/groups")
    want = ["streams Stable 2 2", "streams Stable 2 3"] if instances[0].protocol == "streams" else ["consumer Stable 2"] * 2
    return [
        ("the stores together hold each word once", sorted(union) == sorted((w, str(n)) for w, n in world.counts().items()), f"{sorted(union)[:5]}"),
        ("both hold some", all(held.values()), f"{ {p: len(h) for p, h in held.items()} }"),
        ("who has a key is known", not wrong, f"{wrong[:4]}"),
        ("groups as the admin client sees them", groups == want, f"{groups}"),
    ]


def check_queries(r: Result, protocol: str, instances: list, world: World):
    """While tasks still move from one to the other, answers may be of before."""
    until = time.monotonic() + 120
    answers = queries(instances, world)
    while not all(ok for _, ok, _ in answers) and time.monotonic() < until:
        time.sleep(0.5)
        answers = queries(instances, world)
    for what, ok, answer in answers:
        r.check(f"{protocol}: {what}", ok, answer)


def application(protocol: str):
    def run(ctx) -> Result:
        r = Result()
        seed = random.randrange(1 << 32)
        r.note = f"seed {seed}"
        dice = random.Random(seed)
        world = World(seed, 1200 if ctx.options.full else 240)
        apps = kafka_dist.applications()
        argv = kafka_dist.java("-cp", f"{kafka_dist.compile_java('streams', HERE / 'java', parts=(), more=apps.glob('*.jar'))}:{apps}/*", heap_mb=300, level="OFF")
        with ctx.clean_broker(r, properties=PROPERTIES) as broker:
            if ctx.lacks(r, broker, "AddPartitionsToTxn", *(["StreamsGroupHeartbeat"] if protocol == "streams" else [])):
                return r
            topics = Topics(ctx, broker.bootstrap)
            topics.create()
            topics.feed(world.tables)
            instances = [Instance(ctx, n, broker.bootstrap, protocol, argv) for n in "ab"]
            try:
                instances[0].start()
                trouble(dice, broker, instances, topics, world)
                want = {t: sum(n.values()) for t, n in world.expected().items() if t != "profiles-out"}

                def complete():
                    got = collections.Counter(x[0] for x in topics.read(*OUTPUTS))
                    return all(got[t] >= n for t, n in want.items())

                wait("all results", complete, 300, instances)
                wait("both run", lambda: all(i.ask("/state") == ["RUNNING RUNNING"] and i.ask("/counts") for i in instances), 180, instances)
                check_queries(r, protocol, instances, world)
                for i in instances:
                    i.process.terminate()
                for i in instances:
                    r.check(f"{protocol}: {i.name} closes when asked", i.process.wait(240) is not None and "\nCLOSED" in i.said(), i.said()[-300:])
                check_outputs(r, protocol, topics.read(*OUTPUTS), world)
            except (RuntimeError, subprocess.SubprocessError) as e:
                r.fail(f"{protocol}: (run)", e)
            finally:
                for i in instances:
                    i.kill()
        return r

    return run


SUITES = [Suite(f"streams/{p}", application(p), f"Kafka Streams 4.3.1, exactly_once_v2, group.protocol={p}: two processes and the broker killed") for p in ("classic", "streams")]
SUITES.append(Suite("streams/examples", examples.run, "the programs of Apache Kafka's kafka-streams-examples, unmodified"))
