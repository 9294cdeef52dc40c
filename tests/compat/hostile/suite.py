"""10,000 hostile frames while a well-behaved client works: no crash, memory bounded, nothing that the good client notices."""

import json
import random
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from harness import kafka_dist, programs, wire
from harness.context import Suite, venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
FRAMES = 10_000
# Megabytes of resident memory that must not be passed. Apache Kafka runs with a heap of 500.
MEMORY = {"ottla": 256, "kafka": 1500}
SENDERS, HELD = 6, 60


def frames(file: Path):
    data, at = file.read_bytes(), 0
    while at < len(data):
        _, n = struct.unpack_from(">Bi", data, at)
        yield data[at + 5:at + 5 + n]
        at += 5 + n


def send(port: int, work: list, dice: random.Random, stats: dict, lock):
    """One peer: mostly a frame per connection, sometimes several, sometimes it hangs up at once."""
    while True:
        with lock:
            if not work:
                return
            mine = [work.pop() for _ in range(min(len(work), dice.choice([1, 1, 1, 1, 5])))]
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as s:
                for f in mine:
                    s.sendall(f)
                s.settimeout(0.05)
                if dice.random() < 0.8:
                    try:
                        stats["answers"] += bool(s.recv(1 << 16))
                    except TimeoutError:
                        pass
                if dice.random() < 0.2:
                    # a reset in place of an orderly end
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except ConnectionError:
            stats["resets"] += 1
        except (TimeoutError, OSError) as e:
            stats["refused"] += 1
            stats["why"] = str(e)


def run(ctx) -> Result:
    r = Result()
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    codec = kafka_dist.compile_java("codec", HERE.parent / "java" / "codec")
    classes = kafka_dist.compile_java("hostile", HERE / "java", more=[codec])
    seed = random.randrange(1 << 32)
    file = ctx.work / "frames.bin"
    ctx.run("frames", kafka_dist.java("-cp", f"{classes}:{codec}:{kafka_dist.jars('kafka')}", "HostileFrames", file, FRAMES, seed, "hostile", level="OFF"), 900, check=True)
    properties = {"auto.create.topics.enable": "false", "offsets.topic.num.partitions": "4", "transaction.state.log.num.partitions": "1", "share.coordinator.state.topic.num.partitions": "1"}
    if ctx.against == "kafka":
        # It allocates what a peer only announces: 30 peers that announce 90 MB each are the end of a small heap.
        properties["socket.request.max.bytes"] = "2000000"
    with ctx.clean_broker(r, properties=properties) as b:
        code = f"from confluent_kafka.admin import AdminClient, NewTopic; a = AdminClient({{'bootstrap.servers': '{b.bootstrap}'}}); [f.result(120) for f in a.create_topics([NewTopic(n, 2, 1) for n in ('good', 'hostile')]).values()]"
        ctx.run("create-topics", [python, "-c", code], 240, check=True)
        said = ctx.work / "good.log"
        with open(said, "wb") as out:
            good = subprocess.Popen([python, HERE / "good.py", b.bootstrap, "good"], stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        held, stats = [], {"answers": 0, "resets": 0, "refused": 0, "why": ""}
        try:
            time.sleep(3)
            before = b.rss_mb()
            # Half a frame, and then silence: these stay open all the while.
            for i in range(HELD):
                s = socket.create_connection(("127.0.0.1", b.port), 60)
                s.sendall(struct.pack(">i", 90_000_000) + b"\0" * 1000 if i % 2 else b"\0\0")
                held.append(s)
            work, lock = list(frames(file)), threading.Lock()
            threads = [threading.Thread(target=send, args=(b.port, work, random.Random(seed + i), stats, lock)) for i in range(SENDERS)]
            for t in threads:
                t.start()
            most, silent = before, 0
            while any(t.is_alive() for t in threads):
                if not b.alive():
                    break
                most = max(most, b.rss_mb())
                if not wire.serves("127.0.0.1", b.port, 60):
                    silent += 1
                time.sleep(0.2)
            for t in threads:
                t.join(30)
            r.check("broker-lives", b.alive(), b.tail())
            r.check("every-frame-was-sent", not work, f"{len(work)} left")
            r.check("new-connections-are-served-all-the-while", silent == 0 and stats["refused"] == 0, f"{silent} times not answered, {stats['refused']} times not connected {stats['why']}")
            if b.alive():
                r.check("memory-is-bounded", most <= MEMORY[ctx.against], f"{most:.0f} MB, {before:.0f} MB before")
            for s in held:
                s.close()
            good.terminate()
            try:
                good.wait(300)
                line = json.loads(said.read_text().splitlines()[-1])
            except (subprocess.TimeoutExpired, ValueError):
                r.fail("good-client", said.read_text()[-400:])
                return r
            r.check("good-client-saw-no-error", line["count"] == 0, f"{line['count']}: {line['errors']}")
            r.check("good-client-got-everything", line["sent"] == line["acked"] == line["received"] and line["left"] == 0 and line["sent"] > 500, json.dumps(line)[:300])
            r.note = f"seed {seed}, memory {before:.0f} -> {most:.0f} MB, good client: {line['sent']} records, median {line['median_s'] * 1000:.1f} ms, worst {line['worst_s'] * 1000:.0f} ms; {stats['answers']} answers, {stats['resets']} resets"
        finally:
            for s in held:
                s.close()
            if good.poll() is None:
                programs.end_group(good)
    return r


SUITES = [Suite("hostile", run, "10,000 hostile frames while a well-behaved client works")]
