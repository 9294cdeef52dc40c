"""Kafka Connect 4.3.1 with the file connectors: standalone, and two distributed workers with an exactly-once source, killed, as is the broker."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from harness import kafka_dist, programs
from harness.broker import HOST, free_port
from harness.context import Suite, venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
TOPICS = HERE.parent / "harness/topics.py"
STRING = "org.apache.kafka.connect.storage.StringConverter"
SOURCE, SINK = "org.apache.kafka.connect.file.FileStreamSourceConnector", "org.apache.kafka.connect.file.FileStreamSinkConnector"
PROPERTIES = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "300", "transaction.state.log.num.partitions": "4", "offsets.topic.num.partitions": "4", "group.min.session.timeout.ms": "1000",
}


def properties(file: Path, values: dict) -> Path:
    file.write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    return file


class Worker:
    """A Connect process, standalone with connectors, or distributed without."""

    def __init__(self, ctx, name: str, bootstrap: str, more: dict, connectors=()):
        self.port, self.log, self.name = free_port(), ctx.work / f"{name}.log", name
        config = properties(ctx.work / f"{name}.properties", {
            "bootstrap.servers": bootstrap, "key.converter": STRING, "value.converter": STRING, "listeners": f"http://{HOST}:{self.port}", "rest.advertised.host.name": HOST,
            "offset.flush.interval.ms": "500", "task.shutdown.graceful.timeout.ms": "60000", "offset.flush.timeout.ms": "60000", "plugin.discovery": "service_load", "plugin.path": kafka_dist.applications(),
            "connector.client.config.override.policy": "All",
            **{f"{c}reconnect.backoff.max.ms": "300" for c in ("", "producer.", "consumer.", "admin.")}, **more})
        main = "ConnectStandalone" if connectors else "ConnectDistributed"
        self.argv = kafka_dist.java("-cp", f"{kafka_dist.applications()}/*", f"org.apache.kafka.connect.cli.{main}", config, *connectors, heap_mb=250)
        self.process = None

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([str(a) for a in self.argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def stop(self) -> bool:
        self.process.terminate()
        try:
            self.process.wait(180)
            return True
        except subprocess.TimeoutExpired:
            programs.end_group(self.process)
            return False

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def rest(self, path: str, put=None):
        """The answer of the REST interface; None when it has none yet."""
        q = urllib.request.Request(f"http://{HOST}:{self.port}{path}", method="PUT" if put else "GET", data=json.dumps(put).encode() if put else None, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(q, timeout=120) as a:
                return json.loads(a.read())
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def runs(self, connector: str) -> bool:
        s = self.rest(f"/connectors/{connector}/status")
        return bool(s) and s["connector"]["state"] == "RUNNING" and bool(s["tasks"]) and all(t["state"] == "RUNNING" for t in s["tasks"])


def wait(what: str, ok, workers, seconds=300):
    until = time.monotonic() + seconds
    while not ok():
        for w in workers:
            if w.process is not None and w.process.poll() is not None:
                raise RuntimeError(f"{w.name} ended with {w.process.returncode}: {w.log.read_text()[-500:]}")
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds} s: {what}: {[w.log.read_text()[-200:] for w in workers if w.log.exists()]}")
        time.sleep(0.1)


class Lines:
    """A file that grows, and what has become of it."""

    def __init__(self, ctx, bootstrap):
        self.source, self.sink, self.n, self.bootstrap = ctx.work / "in.txt", ctx.work / "out.txt", 0, bootstrap
        self.python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
        self.source.touch()
        self.sink.touch()

    def add(self, n: int):
        with open(self.source, "a") as f:
            f.writelines(f"line-{i}\n" for i in range(self.n, self.n + n))
        self.n += n

    def all(self) -> list:
        return [f"line-{i}" for i in range(self.n)]

    def came_out(self) -> list:
        return self.sink.read_text().splitlines()

    def in_topic(self, topic: str) -> list:
        out = subprocess.run([self.python, TOPICS, "read", self.bootstrap, topic], stdout=subprocess.PIPE, check=True, timeout=300).stdout
        return [json.loads(x)[4] for x in out.splitlines()]


def guarded(r: Result, workers: list, body):
    try:
        body()
    except (RuntimeError, subprocess.SubprocessError, OSError) as e:
        r.fail("(run)", e)
    finally:
        for w in workers:
            w.kill()


def standalone(ctx) -> Result:
    """Stopped and started, each line passes once, in order; then killed."""
    r = Result()
    with ctx.clean_broker(r, properties=PROPERTIES) as b:
        lines = Lines(ctx, b.bootstrap)
        source = properties(ctx.work / "source.properties", {"name": "source", "connector.class": SOURCE, "tasks.max": 1, "file": lines.source, "topic": "lines"})
        sink = properties(ctx.work / "sink.properties", {"name": "sink", "connector.class": SINK, "tasks.max": 1, "file": lines.sink, "topics": "lines"})
        w = Worker(ctx, "standalone", b.bootstrap, {"offset.storage.file.filename": ctx.work / "offsets"}, [source, sink])

        def body():
            for part in range(2):
                lines.add(200)
                w.start()
                wait(f"part {part}", lambda: len(lines.came_out()) >= lines.n, [w])
                lines.add(100)
                wait(f"part {part}, while it runs", lambda: len(lines.came_out()) >= lines.n, [w])
                r.check(f"stops when asked ({part})", w.stop(), "still there after 180 s")
            r.check("each line once and in order", lines.came_out() == lines.all(), f"{len(lines.came_out())} lines of {lines.n}")
            w.start()
            lines.add(100)
            wait("more", lambda: len(lines.came_out()) >= lines.n, [w])
            w.kill()
            lines.add(100)
            w.start()
            wait("after a kill", lambda: set(lines.came_out()) == set(lines.all()), [w])
            r.ok("no line is lost by a kill")
            w.stop()

        guarded(r, [w], body)
    return r


def distributed(ctx) -> Result:
    """Two workers, an exactly-once source: whatever is killed, committed readers see each line once."""
    r = Result()
    with ctx.clean_broker(r, properties=PROPERTIES) as b:
        if ctx.lacks(r, b, "AddPartitionsToTxn"):
            return r
        lines = Lines(ctx, b.bootstrap)
        more = {"group.id": "connect", "exactly.once.source.support": "enabled", "session.timeout.ms": 10000, "heartbeat.interval.ms": 500, "scheduled.rebalance.max.delay.ms": 0,
                "rebalance.timeout.ms": 20000, "task.shutdown.graceful.timeout.ms": 10000, "worker.unsync.backoff.ms": 500, "offset.storage.partitions": 3, "status.storage.partitions": 1,
                **{f"{kind}.storage.{k}": v for kind in ("config", "offset", "status") for k, v in (("topic", f"connect-{kind}"), ("replication.factor", 1))}}
        workers = [Worker(ctx, f"worker-{i}", b.bootstrap, more) for i in (1, 2)]
        one, two = workers
        source = {"connector.class": SOURCE, "tasks.max": "1", "file": str(lines.source), "topic": "lines", "exactly.once.support": "required", "transaction.boundary": "poll",
                  "producer.override.transaction.timeout.ms": "15000"}
        sink = {"connector.class": SINK, "tasks.max": "1", "file": str(lines.sink), "topics": "lines", "consumer.override.isolation.level": "read_committed",
                "consumer.override.session.timeout.ms": "10000", "consumer.override.heartbeat.interval.ms": "500"}

        def all_out():
            return set(lines.came_out()) == set(lines.all())

        def body():
            for w in workers:
                w.start()
                wait(f"{w.name} is ready", lambda: w.rest("/connectors") is not None, workers)
            wait("the source is taken", lambda: one.rest("/connectors/source/config", source), workers)
            wait("the sink is taken", lambda: two.rest("/connectors/sink/config", sink), workers)
            wait("both run", lambda: one.runs("source") and one.runs("sink"), workers)
            lines.add(300)
            wait("the first lines", all_out, workers)
            for what, act in [("a worker is killed", lambda: (one.kill(), one.start())), ("the broker is killed", lambda: (b.kill(), b.start())), ("the other worker is killed", lambda: (two.kill(), two.start()))]:
                # Bit by bit, so that there are many transactions.
                for n in range(10):
                    lines.add(30)
                    time.sleep(0.1)
                    if n == 4:
                        act()
                wait(f"all lines after {what}", all_out, workers)
            got = lines.in_topic("lines")
            r.check("committed readers see each line once, in order", got == lines.all(), f"{len(got)} of {lines.n}: {[x for x in got if got.count(x) > 1][:3]}")
            r.check("the sink has every line", all_out())
            wait("both run again", lambda: two.runs("source") and two.runs("sink"), workers)
            for w in workers:
                r.check(f"{w.name} stops when asked", w.stop(), "still there after 180 s")

        guarded(r, workers, body)
    return r


SUITES = [
    Suite("connect/standalone", standalone, "Kafka Connect 4.3.1 with the file connectors, stopped and killed"),
    Suite("connect/distributed", distributed, "two workers, exactly-once source; workers and broker killed"),
]
