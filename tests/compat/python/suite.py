"""Python: confluent-kafka (librdkafka), kafka-python, aiokafka; each a file of pytest tests."""

from pathlib import Path

from harness.context import Suite, venv
from harness.result import Result, from_junit

HERE = Path(__file__).resolve().parent


def pytest_file(name: str):
    def run(ctx) -> Result:
        python = venv("python", HERE / "requirements.txt") / "bin/python"
        r = Result()
        with ctx.clean_broker(r) as b:
            report = ctx.work / "report.xml"
            select = ["-k", ctx.options.only] if ctx.options.only else []
            env = {"OTTLA_COMPAT_BOOTSTRAP": b.bootstrap, "PYTHONDONTWRITEBYTECODE": "1"}
            rc, text = ctx.run("pytest", [python, "-m", "pytest", "-c", HERE / "pytest.ini", HERE / f"test_{name}.py", f"--junitxml={report}", *select], 1200, cwd=HERE, env=env)
            r.merge(from_junit(report, rc, text))
        return r

    return run


SUITES = [
    Suite("python/confluent-kafka", pytest_file("confluent_kafka"), "confluent-kafka: librdkafka, the C client"),
    Suite("python/kafka-python", pytest_file("kafka_python"), "kafka-python"),
    Suite("python/aiokafka", pytest_file("aiokafka"), "aiokafka"),
]
