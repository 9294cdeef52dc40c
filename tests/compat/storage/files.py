"""Apache Kafka's dump tool over a data folder, and the files that the tool does not read."""

import re
from pathlib import Path

from harness import kafka_dist
from harness.result import Result

# What DumpLogSegments prints when something is wrong. ("-1 is followed by N" it says of every later segment, whoever wrote it.)
COMPLAINTS = re.compile(r"(Mismatches in|^ +\d+ is followed by|isvalid: false|Found timestamp mismatch|out of order timestamp|Exception|Could not|corrupt|Unexpected|invalid)", re.IGNORECASE)
# It says this of what it was never meant to print.
HARMLESS = re.compile(r"isvalid: true")


def tool(ctx, name: str, files: list, *options) -> tuple[int, list, str]:
    """Exit code, complaints and the whole output of one run."""
    argv = kafka_dist.java("-cp", kafka_dist.jars("kafka"), "org.apache.kafka.tools.DumpLogSegments", *options, "--files", ",".join(map(str, files)), level="OFF")
    rc, text = ctx.run(f"dump-{name}", argv, 900)
    bad = [line for line in text.splitlines() if COMPLAINTS.search(HARMLESS.sub("", line))]
    return rc, bad, text


def check_dump(ctx, r: Result, label: str, data: Path) -> dict:
    """The dump tool reads every file of the folder without a complaint; records per topic-partition that it found."""
    counts = {}
    partitions = [d for d in sorted(data.iterdir()) if d.is_dir() and re.search(r"-\d+$", d.name)]
    groups = {
        "segments": ([f for d in partitions if not d.name.startswith("__") for f in sorted(d.glob("*.log"))], ["--deep-iteration"]),
        "metadata": ([f for d in partitions if d.name.startswith("__cluster_metadata") for f in sorted(d.glob("*.log"))], ["--cluster-metadata-decoder", "--deep-iteration"]),
        "metadata-snapshots": ([f for d in partitions if d.name.startswith("__cluster_metadata") for f in sorted(d.glob("*.checkpoint"))], ["--cluster-metadata-decoder"]),
        "offsets": ([f for d in partitions if d.name.startswith("__consumer_offsets") for f in sorted(d.glob("*.log"))], ["--offsets-decoder", "--deep-iteration"]),
        "index-sanity": ([f for d in partitions for f in sorted(d.glob("*.index"))], ["--index-sanity-check"]),
        "index-verify": ([f for d in partitions for f in sorted(d.glob("*.index"))], ["--verify-index-only"]),
        "time-index": ([f for d in partitions for f in sorted(d.glob("*.timeindex"))], []),
        "producer-snapshots": ([f for d in partitions if not d.name.startswith("__cluster") for f in sorted(d.glob("*.snapshot"))], []),
    }
    for name, (files, options) in groups.items():
        case = f"{label}: {name}"
        if not files:
            r.skip(case, "no such files")
            continue
        rc, bad, text = tool(ctx, f"{label}-{name}".replace(" ", "-"), files, *options)
        r.check(case, rc == 0 and not bad, f"exit code {rc}, {len(bad)} complaints: {'; '.join(bad[:3])} {text[-300:] if rc else ''}")
        if name == "segments":
            where = None
            for line in text.splitlines():
                if line.startswith("Dumping "):
                    where = Path(line[8:].strip()).parent.name
                elif line.startswith("| offset:"):
                    counts[where] = counts.get(where, 0) + 1
    return counts


def check_small_files(r: Result, label: str, data: Path, clean: bool):
    """Checkpoints, partition.metadata and meta.properties have Kafka's shape."""
    for name in ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"):
        f = data / name
        problem = "missing" if not f.exists() else offset_checkpoint(f.read_text())
        r.check(f"{label}: {name}", problem is None, problem)
    meta = dict(x.split("=", 1) for x in (data / "meta.properties").read_text().splitlines() if "=" in x and not x.startswith("#"))
    r.check(f"{label}: meta.properties", meta.get("version") == "1" and meta.get("node.id") == "1" and len(meta.get("cluster.id", "")) == 22 and len(meta.get("directory.id", "")) == 22, str(meta))
    if clean:
        r.check(f"{label}: .kafka_cleanshutdown", (data / ".kafka_cleanshutdown").exists(), "missing after a clean stop")
    odd = []
    for d in sorted(data.iterdir()):
        if not d.is_dir() or not re.search(r"-\d+$", d.name) or d.name.startswith("__cluster_metadata"):
            continue
        p = d / "partition.metadata"
        if not p.exists() or not re.fullmatch(r"version: 0\ntopic_id: [A-Za-z0-9_-]{22}\n?", p.read_text()):
            odd.append(str(p))
        e = d / "leader-epoch-checkpoint"
        if e.exists() and e.stat().st_size and not re.fullmatch(r"0\n\d+\n(\d+ \d+\n)*", e.read_text()):
            odd.append(str(e))
    r.check(f"{label}: partition.metadata and leader-epoch-checkpoint", not odd, "; ".join(odd[:3]))


def offset_checkpoint(text: str) -> str | None:
    lines = text.splitlines()
    if len(lines) < 2 or lines[0] != "0" or not lines[1].isdigit():
        return f"odd beginning: {lines[:2]}"
    if int(lines[1]) != len(lines) - 2:
        return f"says {lines[1]} entries, has {len(lines) - 2}"
    bad = [x for x in lines[2:] if not re.fullmatch(r"\S+ \d+ -?\d+", x)]
    return f"odd line: {bad[0]}" if bad else None
