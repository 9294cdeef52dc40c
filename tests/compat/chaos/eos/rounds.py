"""Exactly once under kill -9: feed -> transformers -> watch, while broker and transformers are killed at random moments. `run(ctx)` gives a Result.

Afterwards the output is read whole, committed records only, by a program that shares nothing with the transformers: every number of the input is there once.
"""

import collections
import json
import os
import random
import subprocess
import time
from pathlib import Path

from harness import kafka_dist, programs
from harness.broker import BrokerFailed
from harness.context import venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
COMPAT = HERE.parent.parent
TOPICS = COMPAT / "harness/topics.py"
IN, OUT, GROUP = "eos-in", "eos-out", "eos"
PARTITIONS = {IN: 3, OUT: 2}
PROPERTIES = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "300", "transaction.state.log.num.partitions": "4", "offsets.topic.num.partitions": "4",
    "group.min.session.timeout.ms": "500", "log.segment.bytes": "1048576",
}


class Actor:
    """A process that is started again when it ends, until it is told to stop."""

    def __init__(self, ctx, name, argv):
        self.log, self.argv, self.name, self.starts = ctx.work / f"{name}.out", [str(a) for a in argv], name, 0
        self.process = None
        self.start()

    def start(self):
        self.starts += 1
        # A number of its own for each life: other sizes, other aborts.
        argv = [a.replace("SEED", str(self.starts)) for a in self.argv]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def keep_alive(self):
        if self.process.poll() is not None:
            self.start()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self, patience_s=300) -> bool:
        self.process.terminate()
        try:
            return self.process.wait(patience_s) in (0, 143)  # a JVM ends so when it is asked to
        except subprocess.TimeoutExpired:
            programs.end_group(self.process)
            return False


def read_committed(python, bootstrap) -> list:
    out = subprocess.run([python, TOPICS, "read", bootstrap, OUT], stdout=subprocess.PIPE, check=True, timeout=400).stdout
    return [json.loads(line) for line in out.splitlines()]


def check_output(r: Result, got: list, n: int):
    seen = collections.Counter(v for *_, v in got)
    twice = [v for v, times in seen.items() if times > 1]
    missing = [i for i in range(n) if str(i) not in seen]
    r.check("no aborted record is read", not [v for v in seen if v.startswith("aborted")], f"{[x for x in got if x[4].startswith('aborted')][:3]}")
    r.check("no input is there twice", not twice, f"{len(twice)}: {[x for x in got if x[4] in twice[:2]]}")
    r.check(f"every input is there ({n})", not missing and n > 0, f"{len(missing)} are missing: {missing[:5]}")
    r.check("nothing else is there", len(seen) == n or missing or twice, f"{len(seen)} values")


def check_watch(r: Result, log: Path, got: list):
    """What was seen on the way never went back, and is what is there at the end."""
    final = {(p, o): v for _, p, o, _, v in got}
    best, back, wrong, at, order = {}, [], [], {}, []
    text = log.read_text()
    for line in text[:text.rfind("\n")].split("\n"):
        kind, p, o, *rest = line.split(" ", 3)
        p, o = int(p), int(o)
        if kind == "R":
            if final.get((p, o)) != rest[0]:
                wrong.append((p, o, rest[0]))
            if o <= at.get(p, -1):
                order.append((p, at[p], o))
            at[p] = o
        else:
            if o < best.get((kind, p), -1):
                back.append((kind, p, best[kind, p], o))
            best[kind, p] = max(o, best.get((kind, p), -1))
    r.check("high watermark and last stable offset never go back", not back and best, f"{len(back)}: {back[:3]}")
    r.check("what read_committed was given on the way stays", not wrong and at, f"{len(wrong)}: {wrong[:3]}")
    r.check("and came in order", not order, f"{order[:3]}")


def trouble(dice, rounds: int, broker, transformers: list, pause: float) -> dict:
    kinds = collections.Counter()
    for _ in range(rounds):
        time.sleep(pause + dice.choice([dice.uniform(0, 0.3), dice.uniform(0.3, 1.5), dice.uniform(1, 3)]))
        kind = dice.choice(["broker", "broker", "client", "client", "both", "all"])
        kinds[kind] += 1
        hit = transformers if kind == "all" else [dice.choice(transformers)] if kind in ("client", "both") else []
        for t in hit:
            t.kill()
        if kind != "client":
            broker.kill()
            time.sleep(dice.choice([0, 0, dice.uniform(0, 1)]))
            broker.start()
        for t in transformers:
            t.keep_alive()
    return kinds


def run(ctx) -> Result:
    r = Result()
    rounds = int(os.environ.get("OTTLA_EOS_ROUNDS", {"kafka": 3}.get(ctx.against, 100 if ctx.options.full else 8)))
    seed = int(os.environ.get("OTTLA_EOS_SEED", random.randrange(1 << 32)))
    dice = random.Random(seed)
    r.note = f"seed {seed}"
    python = venv("python", COMPAT / "python/requirements.txt") / "bin/python"
    java = kafka_dist.java("-cp", f"{kafka_dist.compile_java('eos', HERE / 'java')}:{kafka_dist.jars('kafka')}", "Transform", heap_mb=100, level="ERROR")
    broker = ctx.broker(properties=PROPERTIES).start()
    if ctx.lacks(r, broker, "AddPartitionsToTxn"):
        return r
    ctx.run("make-topics", [python, TOPICS, "make", broker.bootstrap, *(f"{t}={n}" for t, n in PARTITIONS.items())], 300, check=True)
    feed = Actor(ctx, "feed", [python, HERE / "feed.py", broker.bootstrap, IN, PARTITIONS[IN], ctx.work / "feed.log"])
    watch = Actor(ctx, "watch", [python, HERE / "watch.py", broker.bootstrap, OUT, ctx.work / "watch.log"])
    transformers = [Actor(ctx, f"transform-{i}", [*how, broker.bootstrap, GROUP, f"eos-{i}", "SEED", IN, OUT]) for i, how in enumerate([java, [python, HERE / "transform.py"], [python, HERE / "transform.py"]])]
    try:
        time.sleep(2)
        r.note += f", {dict(trouble(dice, rounds, broker, transformers, 2 if ctx.against == 'kafka' else 0))}"
        r.check("feed ends when asked", feed.stop() and feed.process.returncode == 0, feed.log.read_text()[-300:])
        n, left, failed = (int(x) for x in (ctx.work / "feed.log").read_text().split(" ")[:3])
        r.check("all input is acknowledged", not left and not failed, f"{left} left, {failed} failed")
        until = time.monotonic() + 400
        while len(got := read_committed(python, broker.bootstrap)) < n and time.monotonic() < until:
            for t in transformers:
                t.keep_alive()
            time.sleep(0.5)
        for a in [*transformers, watch]:
            r.check(f"{a.name} ends when asked", a.stop(), a.log.read_text()[-300:])
        got = read_committed(python, broker.bootstrap)
        check_output(r, got, n)
        check_watch(r, ctx.work / "watch.log", got)
        r.note += f", {n} records, {sum(t.starts for t in transformers)} lives of 3 transformers"
        broker.stop()
    except (BrokerFailed, subprocess.SubprocessError) as e:
        r.fail("(run)", e)
    finally:
        for a in [feed, watch, *transformers]:
            a.kill()
        broker.kill()
    for line in broker.panics()[:3]:
        r.fail("(broker log)", line)
    return r
