"""Apache Kafka 4.3.1 assembled from Maven Central: `kafka/` broker and clients, `extra/` JUnit and compilers, `testjars/` its tests.

OTTLA_COMPAT_KAFKA_DIR names a folder that already has these three.
"""

import os
import shutil
from pathlib import Path

from . import paths, programs

POM = paths.COMPAT / "kafka" / "deps" / "pom.xml"
APPLICATIONS_POM = paths.COMPAT / "harness" / "applications.xml"


def root() -> Path:
    given = os.environ.get("OTTLA_COMPAT_KAFKA_DIR")
    if given:
        return Path(given)

    def fill(folder: Path):
        shutil.copy(POM, folder / "pom.xml")
        programs.run(["mvn", "-q", "-B", "-f", folder / "pom.xml", f"-Ddest={folder}", "package"], folder / "mvn.log", 1800, check=True)

    return paths.built("kafka-4.3.1", paths.digest(POM), fill)


def applications() -> Path:
    """A folder with the jars of Kafka Streams and Kafka Connect 4.3.1 and of what they need."""

    def fill(folder: Path):
        pom = folder / "build" / "pom.xml"
        pom.parent.mkdir()
        shutil.copy(APPLICATIONS_POM, pom)
        programs.run(["mvn", "-q", "-B", "-f", pom, f"-Ddest={folder}", "package"], folder / "mvn.log", 1800, check=True)

    return paths.built("applications-4.3.1", paths.digest(APPLICATIONS_POM), fill)


def jars(*parts) -> str:
    """Class path of the named parts."""
    r = root()
    return ":".join(str(j) for part in parts for j in sorted((r / part).glob("*.jar")) if not j.name.endswith("-sources.jar"))


def log4j(level="WARN") -> str:
    """Path of a log4j2 configuration that writes to stdout."""
    f = paths.CACHE / f"log4j2-{level.lower()}.yaml"
    if not f.exists():
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        tmp = f.with_suffix(f".{os.getpid()}")
        tmp.write_text(
            "Configuration:\n  Appenders:\n    Console:\n      name: STDOUT\n      PatternLayout:\n        pattern: \"[%d] %p %m (%c)%n\"\n"
            f"  Loggers:\n    Root:\n      level: \"{level}\"\n      AppenderRef:\n        - ref: STDOUT\n"
        )
        tmp.rename(f)
    return str(f)


def java(*args, heap_mb=256, level="WARN") -> list:
    """Command line of a small JVM that lives for minutes at most."""
    return ["java", f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={log4j(level)}", *map(str, args)]


def compile_java(name: str, sources: Path, parts=("kafka",), more=()) -> Path:
    """Classes of one folder of Java sources, compiled once per content; `more`: folders of classes, and jars, that they need."""
    more = sorted(map(str, more))

    def fill(folder: Path):
        files = sorted(str(f) for f in sources.rglob("*.java"))
        programs.run(["javac", "-nowarn", "-Xlint:-options", "--release", "17", "-cp", ":".join([*more, jars(*parts)]), "-d", folder, *files], folder / "javac.log", 600, check=True)

    return paths.built(f"classes-{name}", paths.digest(sources, POM, *more), fill)
