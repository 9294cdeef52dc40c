"""Go: franz-go and kafka-go with tests of our own, and the tests that franz-go's packages kgo and kadm bring along.

franz-go's own tests are taken from the Go module proxy at the version of go.mod and run in a writable copy.
"""

import json
import shutil
from pathlib import Path

from harness import paths, programs, wire
from harness.broker import HOST
from harness.context import API_KEYS, Suite
from harness.result import Result, from_go

HERE = Path(__file__).resolve().parent
KGO = "github.com/twmb/franz-go"
KADM = "github.com/twmb/franz-go/pkg/kadm"
# Tests of features that a broker may lack, and the API by which it is known that it has them.
LATER = {
    "TestTxnEtl": ("transactions", "AddPartitionsToTxn"),
    "TestTxnEtl/.*/848": ("groups of the consumer protocol (KIP-848)", "ConsumerGroupHeartbeat"),
    "TestShareGroup.*": ("share groups (KIP-932)", "ShareFetch"),
    "TestConsumeRegexShareSkipsInternal": ("share groups (KIP-932)", "ShareFetch"),
    "Test848RegexBrokerResolves": ("groups of the consumer protocol (KIP-848)", "ConsumerGroupHeartbeat"),
    "TestGroupETL/.*/848": ("groups of the consumer protocol (KIP-848)", "ConsumerGroupHeartbeat"),
    "TestSCRAMAuth.*": ("security", None),
}
# So that members of the consumer protocol learn of a rebalance soon.
PROPERTIES = {"group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.heartbeat.interval.ms": "300"}
# The full half million records per test take minutes on two cores.
RECORDS, RECORDS_FULL = 40_000, 500_000


def version(module: str) -> str:
    for line in (HERE / "go.mod").read_text().splitlines():
        words = line.split()
        if module in words:
            return words[words.index(module) + 1]
    raise LookupError(module)


def own(package: str):
    """A package of this folder's module."""

    def run(ctx) -> Result:
        r = Result()
        # Compiled before the broker starts: clients' time limits do not run meanwhile.
        binary = ctx.work / f"{package}.test"
        ctx.run("compile", ["go", "test", "-c", "-o", binary, f"./{package}"], 900, cwd=HERE, check=True)
        with ctx.clean_broker(r, properties=PROPERTIES) as b:
            only = ["-test.run", ctx.options.only] if ctx.options.only else []
            argv = ["go", "tool", "test2json", "-t", binary, "-test.v=test2json", "-test.timeout=40m", *only]
            rc, text = ctx.run("test", argv, 2460, cwd=ctx.work, env={"OTTLA_COMPAT_BOOTSTRAP": b.bootstrap})
            r.merge(from_go(text, rc))
        return r

    return run


def module_copy(module: str) -> Path:
    """A writable copy of a module of the proxy."""
    v = version(module)

    def fill(folder: Path):
        _, text = programs.run(["go", "mod", "download", "-json", f"{module}@{v}"], folder / "download.log", 600, cwd=HERE, check=True)
        source = Path(json.loads(text[text.index("{"):])["Dir"])
        shutil.copytree(source, folder / "src", copy_function=shutil.copyfile)
        for d in [folder / "src", *(p for p in (folder / "src").rglob("*") if p.is_dir())]:
            d.chmod(0o755)

    return paths.built(module.rsplit("/", 1)[-1] + "-module", paths.digest(module, v), fill) / "src"


def theirs(module: str, package: str):
    """The tests that a package brings along."""

    def run(ctx) -> Result:
        r = Result()
        source = module_copy(module)
        binary = ctx.work / "their.test"
        ctx.run("compile", ["go", "test", "-c", "-o", binary, package], 1200, cwd=source, check=True)
        # Partitions of the test topics: up to 31 each in the original.
        with ctx.clean_broker(r, properties={"num.partitions": "1"}) as b:
            offered = wire.api_keys(HOST, b.port)
            left_out = {name: reason for name, (reason, api) in LATER.items() if api is None or API_KEYS[api] not in offered}
            env = {"KGO_SEEDS": b.bootstrap, "KGO_TEST_RF": 1, "KGO_TEST_RECORDS": RECORDS_FULL if ctx.options.full else RECORDS, "KGO_LOG_LEVEL": "none"}
            only = ["-test.run", ctx.options.only] if ctx.options.only else []
            argv = ["go", "tool", "test2json", "-t", binary, "-test.v=test2json", "-test.timeout=40m", "-test.skip", "|".join(left_out), *only]
            rc, text = ctx.run("test", argv, 2460, cwd=source / package.removeprefix("./"), env=env)
            r.merge(from_go(text, rc))
        if module == KGO:
            for name, reason in left_out.items():
                r.skip(name, reason)
        return r

    return run


SUITES = [
    Suite("go/franz-go", own("franzgo"), "franz-go: kgo and kadm with tests of our own"),
    Suite("go/kafka-go", own("kafkago"), "segmentio/kafka-go"),
    Suite("go/kgo", theirs(KGO, "./pkg/kgo"), "franz-go's own tests of its package kgo"),
    Suite("go/kadm", theirs(KADM, "."), "franz-go's own tests of its package kadm"),
]
