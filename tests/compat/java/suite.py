"""Java: the codec proof, and kafka-clients 4.3.1 against one node."""

import shutil
from pathlib import Path

from harness import kafka_dist, paths
from harness.context import Suite
from harness.result import Result, from_lines

HERE = Path(__file__).resolve().parent
SEEDS = 20


def codec_proof(ctx) -> Path:
    """The program that reads and writes the samples with Ottla's codec, built with the profile and in the folder of the binary."""
    profile = {"debug": "dev"}.get(ctx.ottla.parent.name, ctx.ottla.parent.name)
    target = ctx.ottla.parent.parent
    ctx.run("cargo", ["cargo", "build", "-q", "--profile", profile, "-p", "ottla-protocol", "--example", "codec_proof", "--target-dir", target], 1800, cwd=paths.REPO, check=True)
    return ctx.ottla.parent / "examples" / "codec_proof"


def codec(ctx) -> Result:
    """Kafka writes every message of every version, Ottla reads it and writes it again, Kafka reads that. Against Kafka: its own bytes come back."""
    java = kafka_dist.java("-cp", f"{kafka_dist.compile_java('codec', HERE / 'codec')}:{kafka_dist.jars('kafka')}", "CodecProof")
    samples, answer = ctx.work / "samples.bin", ctx.work / "answer.bin"
    _, said = ctx.run("write", [*java, "write", samples, SEEDS], 300, check=True)
    if ctx.against == "ottla":
        # It ends with an error when a sample differs; which one, and how, the check says.
        ctx.run("codec_proof", [codec_proof(ctx), samples, answer], 300)
    else:
        shutil.copy(samples, answer)
    rc, text = ctx.run("check", [*java, "check", samples, answer], 300)
    r = from_lines(text, rc)
    r.note = said.splitlines()[0]
    return r


def records(ctx) -> Result:
    """Batches that Ottla writes, read by Kafka; and what Ottla's validation makes of good and bad batches, beside Kafka's own. Against
    Kafka there is nothing to compare."""
    classes = kafka_dist.compile_java("records", HERE / "records")
    java = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}")
    r = Result()
    for printer, judge in [("records_for_java", ["RecordFixtures", "check"]), ("cases_for_java", ["ValidatorJudge"])]:
        # Their output is the test's: the two print only when they are asked for by name.
        ctx.run(printer, ["cargo", "test", "-q", "-p", "ottla-protocol", "--lib", "--", "--ignored", "--nocapture", printer], 1800, cwd=paths.REPO, check=True)
        rc, text = ctx.run(judge[0], [*java, *judge, ctx.work / f"{printer}.log"], 300)
        judged = from_lines(text, rc)
        if not judged.passed and not judged.failed:
            r.fail(judge[0], f"no batch in the output of {printer}")
        r.merge(judged)
    return r


def clients(ctx) -> Result:
    classes = kafka_dist.compile_java("clients", HERE / "clients")
    r = Result()
    with ctx.clean_broker(r) as b:
        argv = kafka_dist.java("-cp", f"{classes}:{kafka_dist.jars('kafka')}", "ClientSuite", b.bootstrap, *([ctx.options.only] if ctx.options.only else []), heap_mb=400, level="OFF")
        rc, text = ctx.run("client-suite", argv, 1500)
        r.merge(from_lines(text, rc))
    return r


SUITES = [
    Suite("java/codec", codec, "every message of every version: Kafka's bytes, read and written by Ottla, read by Kafka"),
    Suite("java/records", records, "record batches and their validation, judged by Kafka's own classes", ottla_only=True),
    Suite("java/clients", clients, "kafka-clients 4.3.1: producer, consumer, groups, admin"),
]
