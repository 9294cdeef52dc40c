"""Strangers at the door, while a well-behaved client works over SASL_SSL: nobody gets past it, nobody makes the broker grow, the good client sees nothing.

Raw sockets: no real client does these things.
"""

import concurrent.futures
import contextlib
import json
import random
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

from harness import programs, wire
from harness.broker import HOST
from harness.context import venv
from secure_broker import REAUTHENTICATE_MS

HERE = Path(__file__).resolve().parent
# Megabytes of resident memory that must not be passed. Apache Kafka runs with a heap of 500.
MEMORY = {"ottla": 256, "kafka": 1500}
HELD, HANDSHAKES = 10_000, 600
# How long an answer, or an end, may take: much longer than it does, for machines that are busy with other things.
PATIENCE_S = 60.0
HANDSHAKE_API, AUTHENTICATE_API, VERSIONS_API, METADATA_API = 17, 36, 18, 3
METADATA = wire.request(METADATA_API, 1, 9, struct.pack(">i", 0))


def text(s: str | bytes) -> bytes:
    b = s.encode() if isinstance(s, str) else s
    return struct.pack(">h", len(b)) + b


def handshake(mechanism: str) -> bytes:
    return wire.request(HANDSHAKE_API, 1, 1, text(mechanism))


def authenticate(data: bytes) -> bytes:
    return wire.request(AUTHENTICATE_API, 1, 2, struct.pack(">i", len(data)) + data)


PLAIN_LOGIN = authenticate(b"\0worker\0worker-secret")
CLIENT_FIRST = authenticate(b"n,,n=worker,r=abcdefghijklmnop")


def answers(port: int, frames: list, ends: bool = True) -> tuple[list, bool]:
    """What comes back for frames that are sent one after the other, and whether the broker then closed the connection; unless it `ends` so, nobody waits for that."""
    got = []
    with socket.create_connection((HOST, port), PATIENCE_S) as s:
        s.settimeout(PATIENCE_S)
        try:
            for f in frames:
                s.sendall(f)
                got.append(wire.receive(s))
        except ConnectionError:
            return got, True
        except TimeoutError:
            return got, False
        s.settimeout(PATIENCE_S if ends else 0.3)
        try:
            return got, s.recv(1) == b""
        except ConnectionError:
            return got, True
        except TimeoutError:
            return got, False


def error_of(answer: bytes) -> int:
    return struct.unpack_from(">h", answer, 4)[0]


def broker_count(answer: bytes) -> int:
    """Of Metadata: Apache Kafka answers some that come too early by one without brokers, and closes."""
    return struct.unpack_from(">i", answer, 4)[0]


def before_a_login(s, r):
    """Every API on a connection that has not logged in: no answer but an error, and a close."""
    def ask(api):
        got, closed = answers(s.ports["SASL"], [wire.request(api, 0, 5, b"\0" * 40)])
        return None if closed and all(len(g) <= 64 for g in got) else (api, closed, [len(g) for g in got])

    bad = [b for b in at_once(ask, [api for api in range(100) if api not in (HANDSHAKE_API, VERSIONS_API)]) if b]
    r.check("no-request-before-a-login", not bad, bad)


def at_once(work, items) -> list:
    """Eight at a time: a failed login is answered after a while."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, items))


# Name -> frames of which the last must not be answered by a success, and after which nothing is.
def out_of_order() -> dict:
    final = authenticate(b"c=biws,r=abcdefghijklmnopxyz,p=AAAA")
    return {
        "authenticate-without-handshake": [PLAIN_LOGIN],
        "handshake-twice": [handshake("PLAIN"), handshake("PLAIN")],
        "versions-after-handshake": [handshake("PLAIN"), wire.request(VERSIONS_API, 0, 3, b"")],
        "request-after-handshake": [handshake("PLAIN"), METADATA],
        "handshake-within-SCRAM": [handshake("SCRAM-SHA-256"), CLIENT_FIRST, handshake("SCRAM-SHA-256")],
        "request-within-SCRAM": [handshake("SCRAM-SHA-256"), CLIENT_FIRST, METADATA],
        "SCRAM-final-first": [handshake("SCRAM-SHA-256"), final],
        "SCRAM-first-twice": [handshake("SCRAM-SHA-256"), CLIENT_FIRST, CLIENT_FIRST],
        "SCRAM-other-nonce": [handshake("SCRAM-SHA-256"), CLIENT_FIRST, final],
        "SCRAM-for-another": [handshake("SCRAM-SHA-256"), authenticate(b"n,a=admin,n=worker,r=abc")],
        "PLAIN-for-another": [handshake("PLAIN"), authenticate(b"admin\0worker\0worker-secret")],
        "PLAIN-without-a-password": [handshake("PLAIN"), authenticate(b"\0worker\0")],
        "PLAIN-four-parts": [handshake("PLAIN"), authenticate(b"\0worker\0worker-secret\0more")],
        "PLAIN-in-SCRAM": [handshake("SCRAM-SHA-256"), PLAIN_LOGIN],
        "empty": [handshake("PLAIN"), authenticate(b"")],
        "not-UTF-8": [handshake("PLAIN"), authenticate(b"\0\xff\xfe\0\xff")],
        "bytes-without-header": [handshake("PLAIN"), struct.pack(">i", 20) + b"\0worker\0worker-secre"],
        "login-again-with-a-wrong-password": [handshake("PLAIN"), authenticate(b"\0worker\0wrong"), PLAIN_LOGIN],
    }


def messages_out_of_order(s, r):
    every = out_of_order()
    for (name, frames), (got, closed) in zip(every.items(), at_once(lambda frames: answers(s.ports["SASL"], [*frames, METADATA]), every.values())):
        refused = len(got) < len(frames) or (broker_count(got[-1]) == 0 if frames[-1] == METADATA else error_of(got[-1]) != 0)
        r.check(f"out-of-order.{name}", closed and len(got) <= len(frames) and refused, f"{len(got)} answers, closed {closed}: {[g[:40] for g in got]}")


def mangled_scram(s, r):
    """Messages of SCRAM with a byte changed, cut or repeated."""
    dice, messages = random.Random(7), []
    seeds = [b"n,,n=worker,r=abcdefghijklmnop", b"c=biws,r=abcdefghijklmnop,p=dGVzdA==", b"p=tls-unique,,n=worker,r=a", b"n,,n=a=2Cb=3D,r=" + b"x" * 5000]
    for i in range(200):
        m = bytearray(seeds[i % len(seeds)])
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(m))
            how = dice.randrange(3)
            if how == 0:
                m[at] = dice.randrange(256)
            elif how == 1:
                del m[at:at + dice.randint(1, 8)]
            else:
                m[at:at] = m[at:at + 8] * dice.randint(1, 5)
            m = m or bytearray(b"n")
        messages.append(bytes(m))
    ends = at_once(lambda m: answers(s.ports["SASL"], [handshake("SCRAM-SHA-512"), authenticate(m), authenticate(m), METADATA]), messages)
    stayed, let_in = sum(not closed for _, closed in ends), sum(len(got) == 4 for got, _ in ends)
    r.check("mangled-SCRAM-is-closed", stayed == 0 and let_in == 0, f"{stayed} stayed open, {let_in} got an answer to a request")


def is_closed(c) -> bool:
    """Whether the broker ends the connection before its time-out, and says nothing."""
    try:
        return c.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def big_frames(s, r):
    """Over sasl.server.max.receive.size: closed as soon as the size is read, not when the bytes have come."""
    for name, before in {"first": [], "after-handshake": [handshake("PLAIN")]}.items():
        with socket.create_connection((HOST, s.ports["SASL"]), PATIENCE_S) as c:
            c.settimeout(PATIENCE_S)
            for f in before:
                c.sendall(f)
                wire.receive(c)
            c.sendall(struct.pack(">i", 524_289))
            r.check(f"too-big-a-frame-{name}", is_closed(c))
    for size in (-1, -2**31, 2**31 - 1):
        with socket.create_connection((HOST, s.ports["SASL"]), PATIENCE_S) as c:
            c.settimeout(PATIENCE_S)
            c.sendall(struct.pack(">i", size))
            r.check(f"frame-of-{size}-bytes", is_closed(c))


def versions_abuse(s, r):
    """ApiVersions is answered before a login, once; of a version that there is not it is answered in version 0; a name that is none is refused."""
    versions = wire.request(VERSIONS_API, 0, 3, b"")
    got, closed = answers(s.ports["SASL"], [versions] * 3)
    r.check("versions-once", len(got) == 1 and closed, f"{len(got)} answers, closed {closed}")
    got, _ = answers(s.ports["SASL"], [wire.request(VERSIONS_API, 77, 3, b"\0\0\0\0")], ends=False)
    r.check("versions-of-no-version", len(got) == 1 and error_of(got[0]) == 35, got)
    head = struct.pack(">hhih", VERSIONS_API, 3, 3, 1) + b"c\0"
    frame = head + b"\x05a\xff b\x02\x31\0"
    got, _ = answers(s.ports["PLAINTEXT"], [struct.pack(">i", len(frame)) + frame], ends=False)
    r.check("versions-with-a-bad-name", not got or error_of(got[0]) != 0, got)
    # Thousands at once on a listener that answers them all: in order, none lost.
    n = 3000
    with socket.create_connection((HOST, s.ports["PLAINTEXT"]), PATIENCE_S) as c:
        c.settimeout(PATIENCE_S)
        sender = threading.Thread(target=c.sendall, args=(b"".join(wire.request(VERSIONS_API, 0, i, b"") for i in range(n)),))
        sender.start()
        ids = [struct.unpack_from(">i", wire.receive(c))[0] for _ in range(n)]
        sender.join()
    r.check("thousands-of-versions", ids == list(range(n)))


def session_end(s, r):
    """Who does not log in again is sent away with the first request after the end of the login; who does, goes on."""
    for _ in range(40):
        if session(s, r):
            return
    r.fail("who-logs-in-again-goes-on", "no login lasted as long as it says, or this machine is too slow to see it")


def session(s, r) -> bool:
    """Whether it could be seen: not when a login that was to be in force may have ended before it was used."""
    with socket.create_connection((HOST, s.ports["AGAIN"]), PATIENCE_S) as c:
        c.settimeout(PATIENCE_S)
        began = 0.0

        def ask(frame):
            c.sendall(frame)
            return wire.receive(c)

        def log_in():
            nonlocal began
            now = time.monotonic()
            ask(handshake("PLAIN"))
            answer = ask(PLAIN_LOGIN)
            began = now
            return answer

        try:
            first = log_in()
            life = struct.unpack(">q", first[-8:])[0]
            ask(METADATA)
            time.sleep(0.9)
            again = log_in()
            # Later than the first login would have lasted, sooner than the second does; and then later than that.
            time.sleep(0.9)
            ask(METADATA)
        except ConnectionError:
            if time.monotonic() - began < REAUTHENTICATE_MS / 1000 - 0.1:
                raise
            return False
        r.check("a-login-says-how-long-it-lasts", error_of(first) == 0 and 0 < life <= REAUTHENTICATE_MS, first)
        r.check("logged-in-again-on-the-same-connection", error_of(again) == 0)
        time.sleep(0.9)
        try:
            ask(METADATA)
            r.fail("who-does-not-log-in-again-is-sent-away", "a request was answered")
        except (ConnectionError, TimeoutError) as e:
            r.check("who-does-not-log-in-again-is-sent-away", isinstance(e, ConnectionError), e)
    return True


def client_hello(s) -> bytes:
    context = ssl.create_default_context(cafile=s.files["crt", "ca"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaker = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        shaker.do_handshake()
    return outgoing.read()


def tls_pieces(s, r):
    """A handshake in pieces of one byte is a handshake; halves, noise and other protocols are closed."""
    hello = client_hello(s)
    with socket.create_connection((HOST, s.ports["TLS"]), PATIENCE_S) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.settimeout(PATIENCE_S)
        for b in hello:
            c.sendall(bytes([b]))
        r.check("hello-byte-by-byte", c.recv(5)[:1] == b"\x16")
    dice = random.Random(11)
    stayed = []
    for name, data in {"plain-request": METADATA, "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "zeros": b"\0" * 600, "SSLv2": b"\x80\x2e\x01\x00\x02" + b"\0" * 60,
                       "alert-first": b"\x15\x03\x03\x00\x02\x02\x28" * 3, "application-data-first": b"\x17\x03\x03\x00\x20" + b"\0" * 32, "record-too-long": b"\x16\x03\x03\xff\xff" + b"\0" * 70000,
                       **{f"noise-{i}": b"\x16\x03\x01" + struct.pack(">H", 200) + dice.randbytes(200) for i in range(20)}, **{f"mangled-{i}": mangled(hello, dice) for i in range(40)}}.items():
        with socket.create_connection((HOST, s.ports["TLS"]), PATIENCE_S) as c:
            c.settimeout(PATIENCE_S)
            try:
                c.sendall(data)
                c.shutdown(socket.SHUT_WR)
                while c.recv(4096):
                    pass
            except TimeoutError:
                stayed.append(name)
            except OSError:
                pass  # It is closed already.
    r.check("what-is-no-handshake-is-closed", not stayed, stayed)
    got, closed = answers(s.ports["PLAINTEXT"], [hello])
    r.check("TLS-at-a-plain-listener-is-closed", not got and closed)


def mangled(hello: bytes, dice) -> bytes:
    m = bytearray(hello)
    for _ in range(3):
        m[dice.randrange(5, len(m))] = dice.randrange(256)
    return bytes(m)


def handshake_flood(s, r):
    """Many at once, each to its end: all get in."""
    failures, left, lock = [], [HANDSHAKES], threading.Lock()
    context = ssl.create_default_context(cafile=s.files["crt", "ca"])

    def work():
        while True:
            with lock:
                if not left[0]:
                    return
                left[0] -= 1
            try:
                with socket.create_connection((HOST, s.ports["TLS"]), 2 * PATIENCE_S) as raw, context.wrap_socket(raw, server_hostname="localhost"):
                    pass
            except OSError as e:
                failures.append(str(e))

    threads = [threading.Thread(target=work) for _ in range(16)]
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    r.check("a-flood-of-handshakes", not failures, f"{len(failures)}: {failures[:2]}")
    return HANDSHAKES / (time.monotonic() - began)


def held_connections(s, r, against) -> str:
    """Strangers that connect and say nothing, or half a word: half of them at the listener for TLS, half at that for SASL."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(HELD, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, n + 500)), hard))
    before, held, refused = s.broker.rss_mb(), [], 0
    hello = client_hello(s)
    try:
        for i in range(n):
            try:
                c = socket.create_connection((HOST, s.ports["TLS" if i % 2 else "SASL"]), 2 * PATIENCE_S)
                c.sendall([b"", hello[:50], b"\0\0", struct.pack(">i", 500_000) + b"\0" * 100][i % 4])
                held.append(c)
            except OSError:
                refused += 1
        r.check("strangers-are-held", refused == 0 and len(held) == n, f"{refused} of {n} were not connected")
        most = s.broker.rss_mb()
        r.check("new-clients-are-served-beside-them", wire.serves(HOST, s.broker.port, PATIENCE_S))
        r.check("memory-is-bounded", most <= MEMORY[against], f"{most:.0f} MB, {before:.0f} MB before")
        # Still served a while later.
        time.sleep(1)
        r.check("and-a-while-later", wire.serves(HOST, s.broker.port, PATIENCE_S) and s.broker.rss_mb() <= MEMORY[against])
    finally:
        for c in held:
            c.close()
    fewer = "" if n == HELD else f" (of {HELD}: this machine allows no more)"
    return f"{n} held{fewer}: {before:.0f} -> {most:.0f} MB, {(most - before) * 1024 / max(1, n):.1f} kB each"


def run(ctx, s, r):
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    ctx.run("create-topic", [python, HERE.parent / "harness/topics.py", "make", s.broker.bootstrap, "job-good=2"], 300, check=True)
    more = {"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "worker", "sasl.password": "worker-secret", "ssl.ca.location": str(s.files["crt", "ca"]), "group.id": "job-good"}
    said = ctx.work / "good.log"
    with open(said, "wb") as out:
        good = subprocess.Popen([python, HERE.parent / "hostile/good.py", f"{HOST}:{s.ports['SASLTLS']}", "job-good", json.dumps(more)], stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        time.sleep(1)
        for step in (before_a_login, messages_out_of_order, mangled_scram, big_frames, versions_abuse, session_end, tls_pieces):
            try:
                step(s, r)
            except (OSError, struct.error) as e:
                r.fail(step.__name__, f"{type(e).__name__}: {e}")
        rate = handshake_flood(s, r)
        r.note = f"{rate:.0f} handshakes/s by Python, {held_connections(s, r, ctx.against)}"
        good.terminate()
        try:
            good.wait(300)
            line = json.loads(said.read_text().splitlines()[-1])
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            r.fail("good-client", said.read_text()[-400:])
            return
        r.check("good-client-saw-no-error", line["count"] == 0, f"{line['count']}: {line['errors']}")
        r.check("good-client-got-everything", line["sent"] == line["acked"] == line["received"] and line["left"] == 0 and line["sent"] > 300, json.dumps(line)[:300])
        r.note += f"; good client: {line['sent']} records, worst {line['worst_s'] * 1000:.0f} ms"
    finally:
        if good.poll() is None:
            programs.end_group(good)
