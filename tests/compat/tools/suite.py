"""The tools of Kafka's bin/: each of Apache Kafka 4.3.1 and ours with the same arguments, exit codes and output compared.

Each side has a broker of its own (of the same product), because tools change what they find. Both begin alike, and
get the same invocations in the same order. Kafka's tools run many to a JVM (java/ToolDriver.java).
"""

import base64
import os
import re
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import kafka_dist, paths  # noqa: E402
from harness.context import Suite  # noqa: E402
from harness.result import Result  # noqa: E402
import authorized  # noqa: E402
import invocations  # noqa: E402
import live  # noqa: E402
from differences import difference  # noqa: E402
from normal import normal  # noqa: E402

CLASSES = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "streams-groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
    "acls": "org.apache.kafka.tools.AclCommand",
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "storage": "kafka.tools.StorageTool",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
}


# How long a tool may take: much longer than it does, for machines that are busy with other things.
TOOL_S = 240


@dataclass
class Side:
    """One of the two: its broker, and a folder for files that arguments name."""

    broker: object
    files: Path

    def fill(self, text: str) -> str:
        return text.replace("{B}", self.broker.bootstrap).replace("{C}", f"127.0.0.1:{self.broker.controller_port}").replace("{F}", str(self.files)).replace("{DATA}", str(self.broker.data))

    def prepare(self):
        self.files.mkdir()
        for name, text in invocations.FILES.items():
            (self.files / name).write_text(self.fill(text))

    def normal(self, output):
        return normal(output, {str(self.files): "{F}", str(self.broker.data): "{DATA}", str(self.broker.port): "{PORT}", str(self.broker.controller_port): "{CPORT}"})


class Driver:
    """Kafka's tools in a JVM that stays; a tool may end it, then it is started anew."""

    def __init__(self, folder: Path, *options: str):
        self.folder, self.process = folder, None
        classes = kafka_dist.compile_java("tools", paths.COMPAT / "tools" / "java")
        self.argv = kafka_dist.java(*options, "-cp", f"{classes}:{kafka_dist.jars('kafka')}", "ToolDriver", level="OFF")

    def send(self, words: list):
        if self.process is None or self.process.poll() is not None:
            log = open(self.folder / "driver.log", "ab")
            self.process = subprocess.Popen(self.argv, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.process.stdin.write(b" ".join(base64.b64encode(w.encode()) or b"" for w in words) + b"\n")
        self.process.stdin.flush()

    def receive(self) -> tuple:
        watchdog = threading.Timer(TOOL_S, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline().decode().rstrip("\n")
        watchdog.cancel()
        if not line:
            return (f"the driver ended with {self.process.wait(120)}", "", "")
        status, out, err = line.split(" ")
        code = self.process.wait(120) if status == "exit" else int(status)
        return (code, base64.b64decode(out).decode(errors="replace"), base64.b64decode(err).decode(errors="replace"))

    def ask(self, words: list) -> tuple:
        self.send(words)
        return self.receive()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def ours(ottla: Path, tool: str, arguments: list, **environment: str) -> tuple:
    try:
        p = subprocess.run([str(ottla), tool, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_S, env={**os.environ, "OTTLA_LOG": "off", **environment})
    except subprocess.TimeoutExpired:
        return (f"no end within {TOOL_S} s", "", "")
    return (p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))


def built_tools(ottla: Path) -> set:
    """Names of the tools that the binary has."""
    text = subprocess.run([str(ottla), "--help"], capture_output=True, text=True).stdout
    return set(re.findall(r"^  ([a-z0-9-]+) ", text, re.M))


def compare(result: Result, name: str, theirs: tuple, mine: tuple, unordered: bool, printed: tuple):
    """`printed`: what ours printed, before lines that need not be alike were left out."""
    # Which line is the first of a set shows in its blanks, too; and which set is the last, in blank lines, of which the last does not count.
    shape = (lambda lines: sorted(line.lstrip(" ") for line in lines if line)) if unordered else (lambda lines: lines)
    for what, a, b in (("exit code", theirs[0], mine[0]), ("output", shape(theirs[1]), shape(mine[1])), ("error output", shape(theirs[2]), shape(mine[2]))):
        if a != b:
            result.fail(name, f"{what}: Kafka's {a!r}, ours {b!r}; whole: {theirs!r} {mine!r}; as printed: {printed!r}"[:2000])
            return
    result.ok(name)


def run(ctx) -> Result:
    return run_steps(ctx, invocations.PROPERTIES, invocations.STEPS)


def run_acls(ctx) -> Result:
    """Against brokers with an authorizer."""
    return run_steps(ctx, {**invocations.PROPERTIES, **authorized.PROPERTIES}, authorized.STEPS)


def patience(step) -> str:
    """Tools of groups wait for answers for five seconds unless they are told otherwise; on a busy machine that is too little."""
    asks = step.tool.endswith("-groups") and "--bootstrap-server" in step.arguments and "--timeout" not in step.arguments
    return " --timeout 120000" if asks else ""


def run_live(ctx) -> Result:
    """`ottla top` and `ottla why`, which Kafka has not."""
    return live.run(ctx, ctx.ottla or tools_binary())


def run_steps(ctx, properties: dict, steps: list) -> Result:
    result = Result()
    ottla = ctx.ottla or tools_binary()
    have = built_tools(ottla)
    driver = Driver(ctx.work)
    only = re.compile(ctx.options.only) if getattr(ctx.options, "only", None) else None
    try:
        sides = [Side(ctx.broker(f"broker-{who}", properties=properties), ctx.work / f"files-{who}") for who in ("kafka", "ours")]
        for side in sides:
            side.broker.start()
            side.prepare()
        for number, step in enumerate(steps):
            if step.tool.startswith("@"):
                for side in sides:
                    code, _, err = driver.ask([step.tool, *(side.fill(a) for a in shlex.split(step.arguments))])
                    if code != 0:
                        result.fail(f"{number} {step.tool} {step.arguments}", err)
                continue
            name = f"{number} {step.tool} {step.arguments}"
            if only and not step.changes and not only.search(name):
                continue
            if step.tool not in have:
                result.skip(name, f"there is no {step.tool} yet")
                continue
            if why := difference(f"{step.tool} {step.arguments}"):
                result.skip(name, why)
                if not step.changes:
                    continue
            arguments = [[side.fill(a) for a in shlex.split(step.arguments + patience(step))] for side in sides]
            driver.send([CLASSES[step.tool], *arguments[0]])
            mine = ours(ottla, step.tool, arguments[1])
            theirs = driver.receive()
            if "--help" in step.arguments:
                # What help says is in our own words.
                theirs, mine = ((code, "", err[-10:] and "help") for code, _, err in (theirs, mine))
            if why is None:
                compare(result, name, (theirs[0], *sides[0].normal(theirs[1:])), (mine[0], *sides[1].normal(mine[1:])), step.unordered, mine[1:])
        for side in sides:
            if not side.broker.alive():
                result.fail("(broker)", side.broker.tail())
    finally:
        driver.end()
    return result


def tools_binary() -> Path:
    """Ours, also when the brokers are Apache Kafka's."""
    for p in (os.environ.get("OTTLA_BIN"), paths.REPO / "target/release/ottla", paths.REPO / "target/quick/ottla"):
        if p and Path(p).is_file():
            return Path(p).resolve()
    raise FileNotFoundError("no ottla binary: build it with `cargo build --release`, or name it with OTTLA_BIN")


SUITES = [
    Suite("tools", run, "the tools of bin/: Apache Kafka's and ours, the same arguments"),
    Suite("tools/acls", run_acls, "kafka-acls against brokers with an authorizer: Apache Kafka's and ours, the same arguments"),
    Suite("tools/live", run_live, "`ottla top` and `ottla why` beside groups, topics and transactions whose state is known"),
]
