"""One broker process: `ottla server`, or Apache Kafka from its class path, with the same server.properties."""

import copy
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import kafka_dist, programs, wire

HOST = "127.0.0.1"
# Below the range from which the system takes the ports of outgoing connections, so that no client socket takes
# a port between the probe and the start.
PORTS = range(10000, 20000)
CLUSTER_ID = "T3R0bGEtQ29tcGF0VGVzdA"
_given = set()


def free_port() -> int:
    """A port of PORTS on which nobody listens, and which was not given out before by this process."""
    while True:
        p = random.choice(PORTS)
        if p in _given:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((HOST, p))
            except OSError:
                continue
        _given.add(p)
        return p


class BrokerFailed(Exception):
    """The process ended or did not serve in time."""


class Broker:
    """A node that is broker and controller. `folder` holds server.properties, data folder(s) and process.log."""

    def __init__(self, folder: Path, against: str, ottla: Path | None, properties: dict | None = None, start_timeout_s: float = 180, static_quorum: bool = False,
                 own_listener: bool = False):
        self.static_quorum = static_quorum
        self.folder, self.against, self.ottla, self.start_timeout_s = Path(folder), against, ottla, start_timeout_s
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.controller_port = free_port(), free_port()
        self.data = self.folder / "data"
        self.log = self.folder / "process.log"
        self.process: subprocess.Popen | None = None
        self.start_seconds = 0.0
        # Variables of the process beside those of this one.
        self.environment: dict = {}
        self.properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            # Static: the voters are configuration (kraft.version 0). Otherwise they stand in the metadata log (kraft.version 1).
            **({"controller.quorum.voters": f"1@{HOST}:{self.controller_port}"} if static_quorum else {"controller.quorum.bootstrap.servers": f"{HOST}:{self.controller_port}"}),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # Clients of the suites form their groups at once.
            "group.initial.rebalance.delay.ms": "0",
        }
        self.properties.update(properties or {})
        if own_listener:
            self.add_own_listener()

    def add_own_listener(self):
        """What the broker says to itself (verification, markers of transactions) does not go where clients are sent."""
        own = f"INTERNAL://{HOST}:{free_port()}"
        for key, more in {"listeners": own, "advertised.listeners": own, "listener.security.protocol.map": "INTERNAL:PLAINTEXT"}.items():
            self.properties[key] += f",{more}"
        self.properties["inter.broker.listener.name"] = "INTERNAL"

    def with_product(self, against: str) -> "Broker":
        """Another product on the same folder, ports and configuration. This one must have ended."""
        other = copy.copy(self)
        other.against, other.process = against, None
        other.log = self.folder / f"process-{against}-{time.monotonic_ns()}.log"
        return other

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def config(self) -> Path:
        return self.folder / "server.properties"

    def write_config(self):
        self.config.write_text("".join(f"{k}={v}\n" for k, v in self.properties.items()))

    def start(self):
        """Returns once the broker serves. The first start of Apache Kafka formats the data folder."""
        self.write_config()
        if self.against == "kafka":
            self.format()
            argv = kafka_dist.java("-Xms64m", "-Xlog:disable", "-Xlog:all=error:stderr", "-cp", kafka_dist.jars("kafka"), "kafka.Kafka", self.config, heap_mb=500)
        else:
            argv = [self.ottla, "server", "--config", self.config]
        began = time.monotonic()
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([str(a) for a in argv], cwd=self.folder, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                            start_new_session=True)
        while not wire.serves(HOST, self.port):
            if self.process.poll() is not None:
                raise BrokerFailed(f"the broker ended with {self.process.returncode} while starting: {self.tail()}")
            if time.monotonic() - began > self.start_timeout_s:
                self.kill()
                raise BrokerFailed(f"the broker did not serve within {self.start_timeout_s} s: {self.tail()}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - began
        return self

    def format(self):
        """kafka-storage format, unless the data folder is formatted already."""
        if any((Path(d.strip()) / "meta.properties").exists() for d in self.properties["log.dirs"].split(",")):
            return
        argv = kafka_dist.java("-cp", kafka_dist.jars("kafka"), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", self.config, *([] if self.static_quorum else ["--standalone"]))
        programs.run(argv, self.folder / "format.log", 300, check=True)

    def stop(self, patience_s: float = 120) -> float:
        """SIGTERM; seconds until the process was gone. A broker that does not go is killed, and that is an error."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerFailed(f"the broker was still there {patience_s} s after SIGTERM: {self.tail()}") from None
        return time.monotonic() - began

    def kill(self):
        """SIGKILL, if it still runs: the number of a process that has ended may belong to another one by now."""
        if self.process is not None and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def rss_mb(self) -> float:
        """Resident memory now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def tail(self, lines=8) -> str:
        try:
            return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def panics(self) -> list:
        """Lines of the log that tell of a bug in the broker itself, whatever the clients saw."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if "panicked at" in line or "stack overflow" in line or "memory allocation of" in line]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self.kill()
