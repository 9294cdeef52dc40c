"""Python: confluent-kafka (librdkafka), kafka-python, aiokafka; pytest tests."""

from pathlib import Path

from harness.broker import HOST, free_port
from harness.context import Suite, venv
from harness.result import Result, from_junit

HERE = Path(__file__).resolve().parent

# So that members of the consumer protocol learn of a rebalance soon.
PROPERTIES = {"group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.heartbeat.interval.ms": "300"}


def pytest_files(*names: str, http: bool = False):
    def run(ctx) -> Result:
        python = venv("python", HERE / "requirements.txt") / "bin/python"
        r = Result()
        listener = f"{HOST}:{free_port()}"
        with ctx.clean_broker(r, properties={**PROPERTIES, **({"ottla.http.listener": listener} if http else {})}) as b:
            report = ctx.work / "report.xml"
            select = ["-k", ctx.options.only] if ctx.options.only else []
            env = {"OTTLA_COMPAT_BOOTSTRAP": b.bootstrap, "OTTLA_COMPAT_HTTP": listener, "PYTHONDONTWRITEBYTECODE": "1"}
            rc, text = ctx.run("pytest", [python, "-m", "pytest", "-c", HERE / "pytest.ini", *(HERE / f"test_{n}.py" for n in names), f"--junitxml={report}", *select], 2400, cwd=HERE, env=env)
            r.merge(from_junit(report, rc, text))
        return r

    return run


SUITES = [
    Suite("python/confluent-kafka", pytest_files("confluent_kafka", "confluent_kafka_groups"), "confluent-kafka: librdkafka, the C client"),
    Suite("python/kafka-python", pytest_files("kafka_python"), "kafka-python"),
    Suite("python/aiokafka", pytest_files("aiokafka"), "aiokafka"),
    Suite("python/metrics", pytest_files("metrics", http=True), "/metrics read by Prometheus' own parsers, after traffic of librdkafka", ottla_only=True),
]
