"""Node: kafkajs and @platformatic/kafka, each a file of node:test tests."""

import shutil
from pathlib import Path

from harness import paths, programs
from harness.context import Suite
from harness.result import Result, from_events

HERE = Path(__file__).resolve().parent


def modules() -> Path:
    """node_modules with exactly what package-lock.json says."""

    def fill(folder: Path):
        for f in ("package.json", "package-lock.json"):
            shutil.copy(HERE / f, folder / f)
        programs.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder / "npm.log", 900, cwd=folder, check=True)

    return paths.built("node", paths.digest(HERE / "package.json", HERE / "package-lock.json"), fill) / "node_modules"


def node_file(name: str):
    def run(ctx) -> Result:
        # Imports are looked up beside the importing file, so the tests go where the packages are.
        (ctx.work / "node_modules").symlink_to(modules())
        for f in HERE.glob("*.mjs"):
            shutil.copy(f, ctx.work / f.name)
        shutil.copy(HERE / "package.json", ctx.work / "package.json")
        r = Result()
        with ctx.clean_broker(r) as b:
            events = ctx.work / "events.jsonl"
            argv = ["node", "--test-reporter=./reporter.mjs", f"--test-reporter-destination={events}", *(["--test-name-pattern", ctx.options.only] if ctx.options.only else []), f"{name}.test.mjs"]
            rc, text = ctx.run("node", argv, 2400, cwd=ctx.work, env={"OTTLA_COMPAT_BOOTSTRAP": b.bootstrap, "KAFKAJS_NO_PARTITIONER_WARNING": 1})
            r.merge(from_events(events, rc, text))
        return r

    return run


SUITES = [
    Suite("node/kafkajs", node_file("kafkajs"), "kafkajs"),
    Suite("node/platformatic", node_file("platformatic"), "@platformatic/kafka"),
]
