"""Quotas with real clients: what they reach over half a minute, by their own clocks, beside what was configured.

A broker measures over eleven windows of a second, and a client that sends as fast as it can gets ten seconds' worth at once and then almost nothing
until that is out of the windows. So the clients here are paced at 1.25 times their quota (without quotas they reach that, which is checked too) and
measured over three times eleven seconds, after eleven to get there.
"""

import threading
from pathlib import Path

from harness import kafka_dist
from harness.context import Suite, venv
from harness.result import Result

HERE = Path(__file__).resolve().parent
# Far below what a busy machine does.
QUOTA = 1_000_000
TOLERANCE = 0.05


def rates(text: str) -> dict:
    """Lines `RATE name value` of a program."""
    return {name: float(value) for tag, name, value in (line.split() for line in text.splitlines() if line.startswith("RATE ") and len(line.split()) == 3)}


def run(ctx) -> Result:
    r = Result()
    classes = kafka_dist.compile_java("quotas", HERE / "java")
    python = venv("python", HERE.parent / "python/requirements.txt") / "bin/python"
    with ctx.clean_broker(r) as b:

        def java(mode):
            return kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}", "QuotaRates", b.bootstrap, mode, QUOTA, heap_mb=200, level="OFF")

        ctx.run("prepare", java("prepare"), 120, check=True)
        texts = {}

        def program(name, argv):
            texts[name] = ctx.run(name, argv, 120)

        programs = [threading.Thread(target=program, args=a) for a in (("java", java("measure")), ("librdkafka", [python, HERE / "librdkafka_rates.py", b.bootstrap, QUOTA]))]
        for t in programs:
            t.start()
        for t in programs:
            t.join()
        found = {}
        for name, (rc, text) in texts.items():
            r.check(f"({name})", rc == 0, f"exit code {rc}: {text[-600:]}")
            found |= rates(text)
    judge(r, found)
    return r


def judge(r: Result, found: dict):
    for client in ("java", "librdkafka"):
        for what in ("producer", "consumer"):
            name = f"{client}-{what}"
            rate = found.get(name)
            r.check(name, rate is not None and abs(rate / QUOTA - 1) <= TOLERANCE, f"{rate} bytes/s, where the quota is {QUOTA}")
    free = found.get("java-producer-free")
    r.check("without-a-quota", free is not None and free > 1.15 * QUOTA, f"the same producer reaches only {free} bytes/s without a quota: too little to see one")
    before, after = found.get("java-requests-free"), found.get("java-requests")
    r.check("request-percentage", before is not None and after is not None and after < before / 2, f"{before} requests/s without, {after} with a quota of time")
    r.check("request-percentage-told", found.get("java-requests-throttle-ms", 0) > 0, "the client was told of no throttle")
    r.note = ", ".join(f"{name} {value:.4g}" for name, value in sorted(found.items()))


SUITES = [Suite("quotas", run, "rates of Java's client and librdkafka under quotas of bytes and time, over half a minute")]
