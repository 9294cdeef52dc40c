"""What a suite is given: which broker to start, a working folder, and where its output goes."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from . import paths, programs, wire
from .broker import HOST, Broker
from .result import Result

# By one of its APIs a client knows that the broker has a feature.
API_KEYS = {"AddPartitionsToTxn": 24, "ConsumerGroupHeartbeat": 68, "ShareGroupHeartbeat": 76, "ShareFetch": 78, "StreamsGroupHeartbeat": 88}


@dataclass
class Suite:
    """One line of the matrix. `run(ctx)` gives a Result."""

    name: str
    run: object
    about: str
    ottla_only: bool = False


@dataclass
class Context:
    against: str
    ottla: Path | None
    work: Path
    options: object
    say: object = print
    brokers: list = field(default_factory=list)

    def broker(self, name="broker", properties=None, against=None, **more) -> Broker:
        """A broker that is not started yet; whatever is still running at the end of the suite is killed."""
        b = Broker(self.work / name, against or self.against, self.ottla, properties, **more)
        self.brokers.append(b)
        return b

    def run(self, name, argv, timeout_s, cwd=None, env=None, check=False):
        return programs.run(argv, self.work / f"{name}.log", timeout_s, cwd=cwd, env=env, check=check)

    @contextlib.contextmanager
    def clean_broker(self, result: Result, **more):
        """A started broker. Afterwards it must still be alive, stop on SIGTERM, and have no panic in its log."""
        b = self.broker(**more).start()
        try:
            yield b
            if not b.alive():
                result.fail("(broker)", f"it ended with {b.process.returncode}: {b.tail()}")
            else:
                b.stop()
        finally:
            b.kill()
            for line in b.panics()[:3]:
                result.fail("(broker log)", line)

    def lacks(self, result: Result, broker: Broker, *apis: str) -> bool:
        """Whether the broker does not offer one of these APIs yet; the suite is skipped then."""
        offered = wire.api_keys(HOST, broker.port)
        missing = [a for a in apis if API_KEYS[a] not in offered]
        if missing:
            result.skip("(suite)", f"the broker does not offer {', '.join(missing)}")
        return bool(missing)

    def end(self):
        for b in self.brokers:
            b.kill()


def venv(name: str, requirements: Path) -> Path:
    """A Python environment with exactly these packages, made once per content of the file."""
    import sys

    def fill(folder: Path):
        programs.run([sys.executable, "-m", "venv", folder / "venv"], folder / "venv.log", 300, check=True)
        programs.run([folder / "venv/bin/pip", "install", "-q", "--disable-pip-version-check", "-r", requirements], folder / "pip.log", 1200, check=True)

    return paths.built(f"venv-{name}", paths.digest(requirements, sys.version), fill) / "venv"
