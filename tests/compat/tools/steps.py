"""How invocations are written down, and the files that they name. {B}: the broker, {C}: the controller, {F}: the folder of FILES, {DATA}: the broker's data."""

from dataclasses import dataclass

PROPERTIES = {"auto.create.topics.enable": "false", "num.partitions": "2"}

FILES = {
    "client.properties": "client.id=compat\nrequest.timeout.ms=20000\n",
    "add.properties": "retention.ms=3600000\ncleanup.policy=compact\n",
    "bad.properties": "retention.ms=soon\n",
    "move.json": '{"version":1,"topics":[{"topic":"orders"}]}',
    "move-twice.json": '{"version":1,"topics":[{"topic":"orders"},{"topic":"orders"}]}',
    "move-none.json": '{"version":1,"topics":[{"topic":"absent"}]}',
    "plan.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1]},{"topic":"orders","partition":1,"replicas":[1]}]}',
    "plan-dirs.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1],"log_dirs":["{DATA}"]}]}',
    "plan-broker.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[9]}]}',
    "plan-twice.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1]},{"topic":"orders","partition":0,"replicas":[1]}]}',
    "plan-same.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,1]}]}',
    "plan-empty.json": '{"version":1,"partitions":[]}',
    "plan-none.json": '{"version":1,"partitions":[{"topic":"absent","partition":0,"replicas":[1]}]}',
    "plan-partition.json": '{"version":1,"partitions":[{"topic":"orders","partition":7,"replicas":[1]}]}',
    "plan-version.json": '{"version":7,"partitions":[]}',
    "plan-sizes.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1],"log_dirs":[]}]}',
    "static.properties": "process.roles=broker\nnode.id=0\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters=100@localhost:9093\nlog.dirs={F}/static-a,{F}/static-b\n",
    "dynamic.properties": "process.roles=controller\nnode.id=0\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=localhost:9093\nlisteners=CONTROLLER://:9093\nadvertised.listeners=CONTROLLER://127.0.0.1:9093\nlog.dirs={F}/dynamic\n",
    "voters.properties": "process.roles=controller\nnode.id=0\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=localhost:9093\nlisteners=CONTROLLER://:9093\nadvertised.listeners=CONTROLLER://127.0.0.1:9093\nlog.dirs={F}/voters\n",
    "delete.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"offset":2},{"topic":"orders","partition":1,"offset":1}]}',
    "delete-bad.json": '{"version":1,"partitions":[{"topic":"orders"}]}',
    "delete-twice.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"offset":2},{"topic":"orders","partition":0,"offset":1}]}',
    "delete-version.json": '{"version":7,"partitions":[]}',
    "delete-none.json": '{"version":1,"partitions":[{"topic":"absent","partition":0,"offset":2}]}',
    "delete-far.json": '{"version":1,"partitions":[{"topic":"orders","partition":0,"offset":999}]}',
    "elect.json": '{"partitions":[{"topic":"orders","partition":0},{"topic":"orders","partition":1}]}',
    "elect-twice.json": '{"partitions":[{"topic":"orders","partition":0},{"topic":"orders","partition":0}]}',
    "elect-bad.json": '{"nothing":1}',
    "storage.properties": "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093\ncontroller.listener.names=CONTROLLER\n"
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\nlog.dirs={F}/storage\n",
    "reset.csv": "orders,0,2\norders,1,1\n",
    "reset-groups.csv": "g-csv,orders,0,3\n",
}


@dataclass
class Step:
    """One invocation. `changes`: it is needed for those after it. `unordered`: in which order lines come is not said."""

    tool: str
    arguments: str
    changes: bool = False
    unordered: bool = False


STEPS = []


def of(tool: str, text: str):
    """Lines of invocations. `!` before one: it changes something; `~`: its lines have no order."""
    for line in text.strip().splitlines():
        arguments = line.strip().lstrip("!~")
        marks = line.strip()[: len(line.strip()) - len(arguments)]
        STEPS.append(Step(tool, arguments, "!" in marks, "~" in marks))


S = "--bootstrap-server {B}"
