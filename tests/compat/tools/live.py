"""`ottla top` and `ottla why` beside groups, topics and transactions whose state is known: what they say must be right.

The actors are our own tools, in processes that are stopped (SIGSTOP) where a member is to hang. Each case asks until the expected
answer comes: how long a group takes to get into a state is not what is tested.
"""

import json
import os
import signal
import subprocess
import time

from harness.result import Result

PROPERTIES = {
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4", "transaction.state.log.num.partitions": "4", "share.coordinator.state.topic.num.partitions": "4",
    # Members that are stopped are not to be given up, however long the questions take.
    "group.consumer.max.session.timeout.ms": "600000", "group.consumer.session.timeout.ms": "600000",
    "group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.heartbeat.interval.ms": "300",
    "group.share.min.heartbeat.interval.ms": "100", "group.share.heartbeat.interval.ms": "300",
}
PATIENCE_S = 180
# Records a second of the topic that is fed.
FED = 200


class Actors:
    """Processes of our tools, and tools that end."""

    def __init__(self, ottla, bootstrap: str, log):
        self.ottla, self.bootstrap, self.log, self.running = str(ottla), bootstrap, log, []

    def start(self, tool: str, *args) -> subprocess.Popen:
        with open(self.log, "ab") as out:
            p = subprocess.Popen([self.ottla, tool, "--bootstrap-server", self.bootstrap, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out)
        self.running.append(p)
        return p

    def run(self, tool: str, *args, input: str = "") -> tuple:
        """Exit code, normal and error output."""
        argv = [self.ottla, tool, *args, "--bootstrap-server", self.bootstrap]
        p = subprocess.run(argv, input=input, capture_output=True, text=True, timeout=300, env={**os.environ, "OTTLA_LOG": "off"})
        return p.returncode, p.stdout, p.stderr

    def fine(self, tool: str, *args, input: str = "") -> str:
        code, out, err = self.run(tool, *args, input=input)
        if code != 0:
            raise RuntimeError(f"{tool} {' '.join(args)}: {code}: {out} {err}")
        return out

    def topic(self, name: str, partitions: int):
        self.fine("topics", "--create", "--topic", name, "--partitions", str(partitions))

    def consumer(self, topic: str, group: str, *properties) -> subprocess.Popen:
        """A member of a group that commits each 200 ms and begins at the start."""
        more = [word for p in ("auto.commit.interval.ms=200", *properties) for word in ("--command-property", p)]
        return self.start("console-consumer", "--topic", topic, "--group", group, "--from-beginning", *more)

    def end(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()
        for p in self.running:
            p.wait()


def run(ctx, ottla) -> Result:
    """`ottla` is the binary whose tools are tried, also when the broker is Apache Kafka's."""
    r = Result()
    with ctx.clean_broker(r, properties=PROPERTIES) as b:
        actors = Actors(ottla, b.bootstrap, ctx.work / "actors.log")
        try:
            Live(r, actors, b).run()
        finally:
            actors.end()
    return r


class Live:
    def __init__(self, r: Result, actors: Actors, broker):
        self.r, self.a, self.broker = r, actors, broker

    def until(self, name: str, ask, right):
        """Asks until `right` has no complaint; the last complaint is the failure."""
        give_up, complaint = time.monotonic() + PATIENCE_S, "never asked"
        while time.monotonic() < give_up:
            answer = ask()
            try:
                complaint = right(answer)
            except (KeyError, IndexError, TypeError, ValueError) as e:
                complaint = f"{type(e).__name__}: {e}"
            if not complaint:
                return self.r.ok(name)
            time.sleep(0.2)
        self.r.fail(name, f"{complaint}: {answer!r}"[:1500])

    def why(self, question: str, group: str, interval="1") -> dict:
        code, out, err = self.a.run("why", question, "--group", group, "--interval", interval, "--output", "json")
        return json.loads(out) if code == 0 else {"code": code, "error": err}

    def finds(self, name: str, question: str, group: str, finding: str, level: str, text="", first=True, look=None):
        """`first`: it is the worst of all that is found. `look`: what the last look must have said."""

        def right(answer):
            found = answer["findings"][:1] if first else answer["findings"]
            it = next((f for f in found if f["finding"] == finding), None)
            if it is None:
                return f"'{finding}' is not found"
            if it["level"] != level or text not in it["text"]:
                return f"'{finding}' is of another level, or does not say '{text}'"
            other = {k: answer["looks"][-1][k] for k, v in (look or {}).items() if answer["looks"][-1][k] != v}
            return f"another look: {other}" if other else None

        self.until(name, lambda: self.why(question, group), right)

    def top(self, view: str, *more) -> list:
        document = json.loads(self.a.fine("top", "--once", "--view", view, "--interval", "1", "--output", "json", *more))
        if document["problems"]:
            raise RuntimeError(f"top has problems: {document['problems']}")
        return document["rows"]

    def shows(self, name: str, view: str, key: str, value, expect: dict, *more):
        """The row whose `key` is `value`; `expect`: a value for each cell, or a range (from, to)."""

        def right(rows):
            row = next(row for row in rows if row[key] == value)
            wrong = {k: row[k] for k, v in expect.items() if not (v[0] <= row[k] <= v[1] if isinstance(v, tuple) else row[k] == v)}
            return f"not as expected: {wrong}" if wrong else None

        self.until(name, lambda: self.top(view, *more), right)

    def run(self):
        for topic, partitions in (("fed", 2), ("held", 1), ("hot", 4), ("quiet", 1)):
            self.a.topic(topic, partitions)
        self.a.start("producer-perf-test", "--topic", "fed", "--num-records", "100000000", "--record-size", "100", "--throughput", str(FED))
        self.a.fine("console-producer", "--topic", "hot", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
                    input="".join(f"same:{i}\n" for i in range(200)))
        self.a.fine("producer-perf-test", "--topic", "held", "--num-records", "50", "--record-size", "10", "--throughput", "-1")
        self.steady()
        self.unread()
        self.transaction()
        self.standing_still()
        self.rebalances()
        self.screen()

    def steady(self):
        """Members that keep up, in all kinds of groups."""
        self.a.consumer("fed", "classic")
        self.a.consumer("fed", "modern", "group.protocol=consumer")
        self.a.start("console-share-consumer", "--topic", "fed", "--group", "shared")
        for group, kind in (("classic", "Classic"), ("modern", "Consumer")):
            look = {"type": kind, "state": "Stable", "members": 1, "partitions": 2}
            self.finds(f"lag.{group} keeps up", "lag", group, "keeps up", "fine", look=look)
            self.finds(f"rebalance.{group} is stable", "rebalance", group, "stable", "fine", look=look)
        self.finds("lag.shared keeps up", "lag", "shared", "keeps up", "fine", look={"type": "Share", "state": "Stable", "members": 1, "partitions": 2})

    def unread(self):
        code, _, err = self.a.run("why", "lag", "--group", "absent")
        self.r.check("lag.absent", code == 1 and "There is no group absent" in err, f"{code}: {err}")
        self.a.fine("consumer-groups", "--reset-offsets", "--group", "nobody", "--topic", "hot", "--to-earliest", "--execute")
        look = {"state": "Empty", "members": 0, "partitions": 4, "lag": 200}
        self.finds("lag.nobody reads", "lag", "nobody", "no member", "cause", "200 records", look=look)
        self.finds("lag.hot partition", "lag", "nobody", "hot partition", "cause", "100 %", first=False)
        self.finds("rebalance.nobody", "rebalance", "nobody", "no member", "fine")
        self.shows("top.groups nobody", "groups", "group", "nobody", {"type": "classic", "state": "Empty", "members": 0, "lag": 200, "taken_per_second": 0})
        hot = next(p for p in range(4) if f"hot:{p}:200" in self.a.fine("get-offsets", "--topic", "hot"))
        file = self.broker.folder / "delete.json"
        file.write_text(json.dumps({"partitions": [{"topic": "hot", "partition": hot, "offset": 70}], "version": 1}))
        self.a.fine("delete-records", "--offset-json-file", str(file))
        self.finds("lag.deleted unread", "lag", "nobody", "deleted unread", "note", "70 records", first=False)

    def transaction(self):
        self.a.consumer("held", "careful", "isolation.level=read_committed")
        self.finds("lag.no data", "lag", "careful", "no data", "fine", look={"partitions": 1, "lag": 0})
        # One transaction that stays open for as long as the case takes.
        self.a.start("producer-perf-test", "--topic", "held", "--num-records", "1000000", "--record-size", "10", "--throughput", "20",
                     "--transactional-id", "slow-tx", "--transaction-duration-ms", "50000")
        self.finds("lag.stuck transaction", "lag", "careful", "stuck transaction", "cause", "`slow-tx`")

    def standing_still(self):
        member = self.a.consumer("fed", "hanging", "client.id=hanger", "group.protocol=consumer")
        self.finds("lag.before it hangs", "lag", "hanging", "keeps up", "fine")
        member.send_signal(signal.SIGSTOP)
        self.finds("lag.member stands still", "lag", "hanging", "member stands still", "cause", "hanger", look={"state": "Stable", "members": 1})
        # A second member: the first has to give a partition up and does not.
        self.a.consumer("fed", "hanging", "client.id=waiter", "group.protocol=consumer")
        self.finds("rebalance.waits for partitions", "rebalance", "hanging", "waits for partitions", "cause", "hanger", look={"state": "Reconciling", "members": 2})
        self.finds("lag.rebalance under way", "lag", "hanging", "rebalance under way", "cause", "hanger", first=False)

    def rebalances(self):
        strategy = "partition.assignment.strategy=range"
        member = self.a.consumer("fed", "joining", "client.id=old", "session.timeout.ms=600000", strategy)
        self.finds("rebalance.before another joins", "rebalance", "joining", "stable", "fine", look={"members": 1})
        member.send_signal(signal.SIGSTOP)
        self.a.consumer("fed", "joining", "client.id=new", strategy)
        self.finds("rebalance.waits for members", "rebalance", "joining", "waits for members to join", "cause", look={"type": "Classic", "state": "PreparingRebalance", "members": 2})
        member.send_signal(signal.SIGCONT)
        self.finds("rebalance.over again", "rebalance", "joining", "stable", "fine", look={"state": "Stable", "members": 2})

    def screen(self):
        rate = (FED * 0.5, FED * 1.5)
        self.shows("top.topics fed", "topics", "topic", "fed", {"partitions": 2, "in_per_second": rate, "state": "", "size": (FED * 100, 1 << 40)})
        self.shows("top.topics hot", "topics", "topic", "hot", {"partitions": 4, "records": 130, "in_per_second": 0, "out_per_second": 0, "bytes_in_per_second": 0})
        self.shows("top.topics quiet", "topics", "topic", "quiet", {"partitions": 1, "records": 0, "size": 0})
        for group, kind in (("classic", "classic"), ("modern", "consumer"), ("shared", "share")):
            expect = {"type": kind, "state": "Stable", "members": 1, "lag": (0, FED * 2)}
            if kind != "share":
                expect["taken_per_second"] = rate
            self.shows(f"top.groups {group}", "groups", "group", group, expect)
        topics = self.a.fine("topics", "--describe")
        leads = topics.count("\tPartition: ")
        expect = {"address": self.broker.bootstrap, "leads": leads, "replicas": leads, "in_per_second": (rate[0], rate[1] * 2), "logs": (FED * 100, 1 << 40), "state": "controller"}
        self.shows("top.brokers", "brokers", "broker", 1, expect)
        self.shows("top.internal topics", "topics", "topic", "__consumer_offsets", {"partitions": 4}, "--internal")
        self.r.check("top.no internal topics", not any(row["topic"].startswith("__") for row in self.top("topics")))
