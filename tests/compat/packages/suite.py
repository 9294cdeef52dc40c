"""The main job on real input: a machine's Debian package index through a topic of 6 partitions.

The Java producer (zstd, idempotence) sends every package, keyed by its name. A group of a Java, a Python and a Go consumer reads; its members
come and go, one dies; the broker is killed with -9 and restarted twice meanwhile. Afterwards every partition must hold its records exactly
once, in order, byte for byte, and no member may have begun anywhere but where the group had left off.

Each member appends to a log `time_ns event partition offset crc32`:
P partition was assigned, V taken away, R record (offset, CRC of key and value), C commit sent (offset), A commit acknowledged (offset).
"""

import collections
import concurrent.futures
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

from harness import dump_file, kafka_dist, programs
from harness.context import Suite, venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
TOPIC, GROUP, PARTITIONS = "packages", "readers", 6
SECONDS = 30


def murmur2(data: bytes) -> int:
    """The hash by which Kafka's clients choose the partition of a key."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for (k,) in struct.iter_unpack("<i", data[:whole]):
        k = (k & mask) * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    tail = data[whole:]
    if tail:
        for i in range(len(tail) - 1, -1, -1):
            h ^= tail[i] << 8 * i
        h = h * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def index(ctx) -> list | None:
    """(key, value) of every package that apt knows, in its order."""
    if not shutil.which("apt-cache"):
        return None
    dump = ctx.work / "dumpavail"
    for attempt in range(2):
        with open(dump, "wb") as out:
            subprocess.run(["apt-cache", "dumpavail"], stdout=out, check=True)
        if dump.stat().st_size > 1_000_000:
            break
        if attempt == 0:
            ctx.run("apt-get-update", ["apt-get", "update"], 600)
    records = []
    for stanza in dump.read_bytes().split(b"\n\n"):
        if stanza.startswith(b"Package: "):
            records.append((stanza[9:stanza.index(b"\n")], stanza))
    return records


def members(ctx, bootstrap) -> dict:
    """Command lines by language."""
    classes = kafka_dist.compile_java("packages", HERE / "java")
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    go = ctx.work / "member-go"
    ctx.run("compile-go", ["go", "build", "-o", go, "./member"], 600, cwd=HERE.parent / "go", check=True)
    java = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}", level="OFF")
    return {"java": [*java, "Member", bootstrap, GROUP, TOPIC], "python": [python, HERE / "member.py", bootstrap, GROUP, TOPIC], "go": [go, bootstrap, GROUP, TOPIC]}


class Member:
    """A language's place in the group: at times there is a process, at times none."""

    def __init__(self, ctx, language, argv):
        self.log = ctx.work / f"member-{language}.log"
        self.argv = [str(a) for a in [*argv, self.log]]
        self.output = open(ctx.work / f"member-{language}.out", "ab")
        self.process = None
        self.log.touch()

    def come(self):
        if self.process is None:
            self.process = subprocess.Popen(self.argv, stdout=self.output, stderr=self.output, start_new_session=True)

    def go(self, sig=signal.SIGTERM) -> bool:
        """True if it ended by itself within its time."""
        if self.process is None:
            return True
        self.process.send_signal(sig)
        try:
            self.process.wait(90)
            return True
        except subprocess.TimeoutExpired:
            programs.end_group(self.process)
            return False
        finally:
            self.process = None


def events(logs: dict) -> list:
    """(time, language, event, partition, offset, crc) of all members, in order of time; what was cut off by a kill is left out."""
    out = []
    for language, log in logs.items():
        for n, line in enumerate(log.read_text(errors="replace").splitlines()):
            f = line.split(" ")
            if len(f) == 5 and f[4]:
                out.append((int(f[0]), language, n, f[1], int(f[2]), int(f[3]), int(f[4])))
    out.sort(key=lambda e: e[:3])
    return [(t, who, what, p, o, c) for t, who, _, what, p, o, c in out]


def check_group(r: Result, log: list, contents: dict):
    """Everything was read, as the logs have it, and every session began where the group had left off."""
    seen = collections.defaultdict(set)
    wrong, gaps, early, restarts = [], [], [], 0
    fresh, last = {}, {}
    acked, tried = collections.defaultdict(int), collections.defaultdict(set)
    for _, who, what, p, o, crc in log:
        if what == "P":
            # What had been acknowledged when the partition came must be honoured from then on.
            fresh[who, p] = acked[p]
        elif what == "R":
            seen[p].add(o)
            if contents[p][o][2] != crc:
                wrong.append(f"{who} got another record at {p}-{o}")
            if (who, p) in fresh:
                floor = fresh.pop((who, p))
                restarts += floor > 0
                if o < floor:
                    early.append(f"{who} began {p} at {o}, {floor} had been committed")
                elif o > floor and o not in tried[p]:
                    gaps.append(f"{who} began {p} at {o}, where nobody had committed (last acknowledged {floor})")
            elif o != last.get((who, p), o - 1) + 1:
                gaps.append(f"{who} went from {last[who, p]} to {o} in {p}")
            last[who, p] = o
        elif what == "C":
            tried[p].add(o)
        elif what == "A":
            acked[p] = max(acked[p], o)
    r.check("members-got-the-records-of-the-log", not wrong, "; ".join(wrong[:3]))
    missing = {p: len(c) - len(seen[p]) for p, c in contents.items() if len(seen[p]) != len(c)}
    r.check("members-got-every-record", not missing, f"missing per partition: {missing}")
    r.check("committed-offsets-are-kept", not early, f"{len(early)}: " + "; ".join(early[:3]))
    r.check("committed-offsets-resume-without-a-gap", not gaps, f"{len(gaps)}: " + "; ".join(gaps[:3]))
    r.check("members-took-over-partitions", restarts >= 6, f"only {restarts} sessions continued one before")
    end = {p: max((o for _, _, what, q, o, _ in log if what == "A" and q == p), default=0) for p in contents}
    r.check("last-commit-is-the-end", end == {p: len(c) for p, c in contents.items()}, f"{end}")


def admin_topic(ctx, python, bootstrap):
    code = f"from confluent_kafka.admin import AdminClient, NewTopic; a = AdminClient({{'bootstrap.servers': '{bootstrap}'}}); a.create_topics([NewTopic('{TOPIC}', {PARTITIONS}, 1)])['{TOPIC}'].result(120)"
    ctx.run("create-topic", [python, "-c", code], 180, check=True)


def run(ctx) -> Result:
    r = Result()
    records = index(ctx)
    if not records:
        r.skip("packages", "apt-cache dumpavail gives no package index here")
        return r
    source = ctx.work / "records.bin"
    with open(source, "wb") as out:
        for k, v in records:
            out.write(struct.pack(">i", len(k)) + k + struct.pack(">i", len(v)) + v)
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    classes = kafka_dist.compile_java("packages", HERE / "java")
    b = ctx.broker()
    group = {}
    producer = None
    try:
        commands = members(ctx, b.bootstrap)
        b.start()
        admin_topic(ctx, python, b.bootstrap)
        group = {language: Member(ctx, language, argv) for language, argv in commands.items()}
        said = ctx.work / "producer.log"
        argv = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}", "Produce", b.bootstrap, TOPIC, source, max(500, len(records) // SECONDS), level="OFF")
        with open(said, "wb") as out:
            producer = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

        def acked():
            lines = [x for x in said.read_text(errors="replace").splitlines() if x.startswith(("ACKED ", "DONE "))]
            return int(lines[-1].split()[1]) if lines else 0

        began, turn, kills, stubborn, order = time.monotonic(), 0, 0, [], ["java", "python", "go"]
        # Who takes its time to go keeps nobody else waiting.
        places = {language: concurrent.futures.ThreadPoolExecutor(1) for language in order}

        def leave(m, sig):
            if not m.go(sig):
                stubborn.append(m.argv[0])

        next_turn = began
        while producer.poll() is None and time.monotonic() - began < 900:
            if time.monotonic() >= next_turn:
                # Turns 0 to 2: everybody comes. Then one leaves, and is back a turn later; the eighth time it dies instead.
                who = order[turn % 3] if turn < 3 else order[(turn - 3) // 2 % 3]
                if turn < 3 or (turn - 3) % 2:
                    places[who].submit(group[who].come)
                else:
                    places[who].submit(leave, group[who], signal.SIGKILL if turn == 5 else signal.SIGTERM)
                turn += 1
                next_turn = time.monotonic() + 2
            if kills < 2 and acked() > len(records) * (kills + 1) // 3:
                kills += 1
                b.kill()
                b.start()
            time.sleep(0.1)
        rc = producer.poll()
        r.check("producer-had-every-record-acknowledged", rc == 0 and acked() == len(records), f"exit code {rc}, {acked()} of {len(records)}: {said.read_text(errors='replace')[-600:]}")
        r.check("broker-was-killed-twice", kills == 2, f"{kills} times")
        for language, m in group.items():
            places[language].submit(m.come).result()
            places[language].shutdown()
        dump = ctx.work / "dump.bin"
        rc, text = ctx.run("dump", [python, dump_file.PROGRAM, b.bootstrap, TOPIC, dump], 900)
        contents = dump_file.read(dump) if r.check("every-partition-is-read-to-its-end", rc == 0, text[-300:]) else {}
        expected = collections.defaultdict(list)
        for k, v in records:
            expected[(murmur2(k) & 0x7FFFFFFF) % PARTITIONS].append((k, v))
        for p in range(PARTITIONS):
            got, want = [(k, v) for k, v, _ in contents.get(p, [])], expected[p]
            same = next((i for i, (a, w) in enumerate(zip(got, want)) if a != w), min(len(got), len(want)))
            r.check(f"partition-{p}-holds-its-records-once-and-in-order", got == want, f"{len(got)} records for {len(want)}, first difference at {same}")
        # The members read on until they have committed the end of every partition.
        ends = {p: len(c) for p, c in contents.items()}
        patience = time.monotonic() + 300
        while time.monotonic() < patience:
            done = {p: max((e[4] for e in events({k: m.log for k, m in group.items()}) if e[2] == "A" and e[3] == p), default=0) for p in ends}
            if done == ends:
                break
            time.sleep(1)
        for m in group.values():
            if not m.go():
                stubborn.append(m.argv[0])
        r.check("members-end-when-asked", not stubborn, ", ".join(stubborn))
        check_group(r, events({k: m.log for k, m in group.items()}), contents)
        b.stop()
        r.note = f"{len(records)} packages, {sum(len(v) for _, v in records) // 1000} kB"
    finally:
        if producer is not None and producer.poll() is None:
            programs.end_group(producer)
        for m in group.values():
            m.go(signal.SIGKILL)
        b.kill()
        for line in b.panics()[:3]:
            r.fail("(broker log)", line)
    return r


SUITES = [Suite("packages", run, "a Debian package index: Java producer, group of Java, Python and Go, broker killed twice")]
