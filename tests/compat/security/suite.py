"""Security with real clients: logins, certificates, permissions, rotation; Kafka's tools; strangers; the commands of docs/security.md."""

import shutil
import sys
from pathlib import Path

from harness import kafka_dist
from harness.context import Suite, venv
from harness.result import Result, from_events, from_go, from_junit, from_lines

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import page_commands  # noqa: E402
import secure_tools  # noqa: E402
import strangers  # noqa: E402
from secure_broker import prepare, secured  # noqa: E402


def python() -> Path:
    return venv("python", HERE.parent / "python/requirements.txt") / "bin/python"


def java(ctx) -> Result:
    shared = kafka_dist.compile_java("clients", HERE.parent / "java" / "clients")
    classes = kafka_dist.compile_java("security", HERE / "java", more=[shared])
    r = Result()
    with secured(ctx, r) as s:
        prepare(s, python())
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={s.issuer.url}/token"
        argv = kafka_dist.java(allowed, "-cp", f"{classes}:{shared}:{kafka_dist.jars('kafka')}", "SecuritySuite", s.file, *([ctx.options.only] if ctx.options.only else []), heap_mb=400, level="OFF")
        rc, text = ctx.run("java", argv, 2400)
        r.merge(from_lines(text, rc))
    return r


def confluent(ctx) -> Result:
    r = Result()
    with secured(ctx, r) as s:
        prepare(s, python())
        report = ctx.work / "report.xml"
        select = ["-k", ctx.options.only] if ctx.options.only else []
        rc, text = ctx.run("pytest", [python(), "-m", "pytest", "-c", HERE.parent / "python/pytest.ini", "--rootdir", HERE, HERE / "test_librdkafka.py", f"--junitxml={report}", *select], 2400, cwd=HERE, env=s.environment)
        r.merge(from_junit(report, rc, text))
    return r


def franz_go(ctx) -> Result:
    r = Result()
    binary = ctx.work / "security.test"
    ctx.run("compile", ["go", "test", "-c", "-o", binary, "./security"], 900, cwd=HERE.parent / "go", check=True)
    with secured(ctx, r) as s:
        prepare(s, python())
        only = ["-test.run", ctx.options.only] if ctx.options.only else []
        rc, text = ctx.run("test", ["go", "tool", "test2json", "-t", binary, "-test.v=test2json", "-test.timeout=40m", *only], 2460, cwd=ctx.work, env=s.environment)
        r.merge(from_go(text, rc))
    return r


def kafkajs(ctx) -> Result:
    node = HERE.parent / "node"
    # Imports are looked up beside the importing file, so the tests go where the packages are.
    (ctx.work / "node_modules").symlink_to(sys.modules["suite_node"].modules())
    for f in (HERE / "kafkajs.test.mjs", node / "shared.mjs", node / "reporter.mjs", node / "package.json"):
        shutil.copy(f, ctx.work / f.name)
    r = Result()
    with secured(ctx, r) as s:
        prepare(s, python())
        events = ctx.work / "events.jsonl"
        argv = ["node", "--test-reporter=./reporter.mjs", f"--test-reporter-destination={events}", *(["--test-name-pattern", ctx.options.only] if ctx.options.only else []), "kafkajs.test.mjs"]
        rc, text = ctx.run("node", argv, 2400, cwd=ctx.work, env={**s.environment, "KAFKAJS_NO_PARTITIONER_WARNING": 1, "NODE_EXTRA_CA_CERTS": ""})
        r.merge(from_events(events, rc, text))
    return r


def with_broker(body):
    """A suite that is Python: body(ctx, secured, result)."""

    def run(ctx) -> Result:
        r = Result()
        with secured(ctx, r) as s:
            prepare(s, python())
            body(ctx, s, r)
        return r

    return run


SUITES = [
    Suite("security/java", java, "kafka-clients 4.3.1: every mechanism, certificates, each denied operation, rotation and new logins under load"),
    Suite("security/confluent-kafka", confluent, "librdkafka: every mechanism, certificates, denials"),
    Suite("security/franz-go", franz_go, "franz-go: every mechanism, delegation tokens, certificates, denials"),
    Suite("security/kafkajs", kafkajs, "kafkajs: every mechanism, certificates, denials"),
    Suite("security/tools", with_broker(secure_tools.run), "Apache Kafka's tools, and ours, with --command-config"),
    Suite("security/strangers", with_broker(strangers.run), "requests before a login, messages out of order, fragments, floods, 10,000 held connections"),
    Suite("security/page", page_commands.run, "the commands of docs/security.md, as written", ottla_only=True),
]
