"""The programs of Apache Kafka's own kafka-streams-examples, unmodified but for the address of the broker, which most of them have fixed: what they write is worked out here.

PageViewTypedDemo counts each view in 604,800 windows, which takes minutes: it runs with `--full`. PageViewUntypedDemo ends after five seconds, wherever it is:
nothing can be said of what it must have written.
"""

import collections
import json
import re
import subprocess
import time
import zipfile
from pathlib import Path

from harness import kafka_dist
from harness.context import venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
TOPICS = HERE.parent / "harness/topics.py"
PACKAGE = "org.apache.kafka.streams.examples"
FIXED = b"localhost:9092"
LINES = ["all streams lead to kafka", "hello kafka streams", "Join Kafka Summit, join us", "to be or not to be", "streams of streams", "kafka"]
# Seconds and degrees: some late, some below the threshold of 20.
DEGREES = [(0, 15), (1, 25), (4, 22), (4, 31), (6, 19), (7, 21), (3, 40), (12, 20), (13, 99), (11, 100), (17, 5)]
# Now, or retention takes the records away; at the beginning of a window.
BEGIN_MS = int(time.time()) // 60 * 60_000
VIEW_WINDOWS = 7 * 24 * 3600


class Examples:
    """The programs' topics, and a class path on which they look for this broker."""

    def __init__(self, ctx, bootstrap):
        self.ctx, self.bootstrap = ctx, bootstrap
        self.python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
        apps = kafka_dist.applications()
        classes = ctx.work / "classes"
        port = bootstrap.rsplit(":", 1)[1].encode()
        ours = b"127.0.0.1:" + port
        with zipfile.ZipFile(next(apps.glob("kafka-streams-examples-*.jar"))) as jar:
            for name in jar.namelist():
                if name.endswith(".class"):
                    # A string constant of a class file is 1, its length in two bytes, and itself; nothing else says where it stands.
                    body = jar.read(name).replace(b"\x01" + len(FIXED).to_bytes(2, "big") + FIXED, b"\x01" + len(ours).to_bytes(2, "big") + ours)
                    target = classes / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(body)
        self.argv = kafka_dist.java(f"-Djava.io.tmpdir={ctx.work}", "-cp", f"{classes}:{apps}/*", heap_mb=300, level="OFF")

    def make(self, *topics):
        self.ctx.run("make-topics", [self.python, TOPICS, "make", self.bootstrap, *(f"{t}=1" for t in topics)], 300, check=True)

    def feed(self, topic: str, records):
        """Records are (key, value, timestamp)."""
        lines = "".join(json.dumps([topic, *r, 0]) + "\n" for r in records)
        subprocess.run([self.python, TOPICS, "feed", self.bootstrap], input=lines.encode(), check=True, timeout=300)

    def read(self, topic: str) -> list:
        """(key, value) in order."""
        out = subprocess.run([self.python, TOPICS, "read", self.bootstrap, topic], stdout=subprocess.PIPE, check=True, timeout=300).stdout
        return [tuple(json.loads(line)[3:]) for line in out.splitlines()]

    def run(self, r: Result, name: str, topic: str, complete, seconds=240) -> list:
        """Runs a program until what is in its topic is `complete`, and ends it; gives what is there then."""
        log = self.ctx.work / f"{name.rsplit('.', 1)[1]}.log"
        with open(log, "wb") as out:
            p = subprocess.Popen([str(a) for a in [*self.argv, f"{PACKAGE}.{name}"]], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        try:
            until = time.monotonic() + seconds
            while not complete(self.read(topic)) and p.poll() is None and time.monotonic() < until:
                time.sleep(0.2)
            p.terminate()
            r.check(f"{name} ends when asked", p.wait(180) in (0, 143), log.read_text(errors="replace")[-300:])
        finally:
            if p.poll() is None:
                p.kill()
        return self.read(topic)


def counted() -> list:
    """Each word with how often it was there by then."""
    seen = collections.Counter()
    out = []
    for line in LINES:
        for word in re.split(r"\W+", line.lower()):
            seen[word] += 1
            out.append((word, seen[word]))
    return out


def hottest() -> list:
    """Start of the window and its maximum, after each value that leaves it over the threshold."""
    best, out = {}, []
    for second, degrees in DEGREES:
        start = (BEGIN_MS + second * 1000) // 5000 * 5000
        best[start] = max(best.get(start, -273), degrees)
        if best[start] > 20:
            out.append((start, best[start]))
    return out


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def words(r: Result, x: Examples):
    x.make("streams-plaintext-input", "streams-pipe-output", "streams-wordcount-output", "streams-wordcount-processor-output")
    x.feed("streams-plaintext-input", [(None, line, BEGIN_MS + 400 * n) for n, line in enumerate(LINES)])
    got = x.run(r, "pipe.PipeDemo", "streams-pipe-output", lambda got: len(got) >= len(LINES))
    r.check("PipeDemo hands on each line", [v for _, v in got] == LINES, got[:3])
    want = counted()
    got = x.run(r, "wordcount.WordCountDemo", "streams-wordcount-output", lambda got: len(got) >= len(want))
    r.check("WordCountDemo counts one by one", [(k, int.from_bytes(raw(v), "big")) for k, v in got] == want, got[:5])
    # These tell all counts each second of the records' time; a record far ahead is the last occasion.
    x.feed("streams-plaintext-input", [(None, "end", BEGIN_MS + 60_000)])
    want = {**dict(want), "end": 1}
    before = 0
    for name in ("WordCountProcessorDemo", "WordCountTransformerDemo"):
        got = x.run(r, f"wordcount.{name}", "streams-wordcount-processor-output", lambda got: any(k == "end" for k, _ in got[before:]))[before:]
        before += len(got)
        r.check(f"{name} ends with every count", {k: int(v) for k, v in got} == want, got[-5:])
        by_word = collections.defaultdict(list)
        for k, v in got:
            by_word[k].append(int(v))
        r.check(f"{name}: no count falls", all(n == sorted(n) for n in by_word.values()) and any(len(n) > 1 for n in by_word.values()), by_word)


def temperature(r: Result, x: Examples):
    x.make("iot-temperature", "iot-temperature-max")
    x.feed("iot-temperature", [(None, str(d), BEGIN_MS + s * 1000) for s, d in DEGREES])
    want = hottest()
    got = x.run(r, "temperature.TemperatureDemo", "iot-temperature-max", lambda got: len(got) >= len(want))
    got = [(raw(k)[:-8], int.from_bytes(raw(k)[-8:], "big"), int(v)) for k, v in got]
    r.check("TemperatureDemo tells the maximum of each window", got == [(b"temp", *w) for w in want], got)


def page_views(r: Result, x: Examples):
    x.make("streams-pageview-input", "streams-userprofile-input", "streams-pageviewstats-typed-output")
    x.feed("streams-userprofile-input", [("alice", json.dumps({"_t": "up", "region": "asia", "timestamp": BEGIN_MS}), BEGIN_MS)])
    x.feed("streams-pageview-input", [("alice", json.dumps({"_t": "pv", "user": "alice", "page": "index", "timestamp": BEGIN_MS + 1}), BEGIN_MS + 1)])
    got = x.run(r, "pageview.PageViewTypedDemo", "streams-pageviewstats-typed-output", lambda got: len(got) >= VIEW_WINDOWS, 600)
    r.check("PageViewTypedDemo: a view in each window", len({json.loads(k)["windowStart"] for k, _ in got}) == len(got) == VIEW_WINDOWS, f"{len(got)} windows, {got[:2]}")
    r.check("PageViewTypedDemo: the region is joined", all(json.loads(k)["region"] == "asia" and json.loads(v)["count"] == 1 for k, v in got), got[:2])


def run(ctx) -> Result:
    r = Result()
    with ctx.clean_broker(r) as broker:
        x = Examples(ctx, broker.bootstrap)
        words(r, x)
        temperature(r, x)
        if ctx.options.full:
            page_views(r, x)
    return r
