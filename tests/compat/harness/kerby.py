"""The jars of Apache Kerby: a key distribution centre for `security/gssapi` and for Kafka's own tests with Kerberos."""

import shutil
from pathlib import Path

from . import paths, programs

POM = paths.COMPAT / "kerberos" / "kdc" / "pom.xml"


def jars() -> Path:
    """A folder with them."""

    def fill(folder: Path):
        pom = folder / "build" / "pom.xml"
        pom.parent.mkdir()
        shutil.copy(POM, pom)
        programs.run(["mvn", "-q", "-B", "-f", pom, f"-Ddest={folder}", "package"], folder / "mvn.log", 900, check=True)

    return paths.built("kerby", paths.digest(POM), fill)
