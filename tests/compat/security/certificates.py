"""Certificates of the suites, made anew in each run by openssl, and by keytool those stores that only it writes."""

import subprocess
from pathlib import Path

PASSWORD = "store-secret"
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def quietly(*argv):
    p = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {p.stderr[-600:]}")


class Certificates:
    """Files in `folder`: NAME.pem is a key with its chain, NAME.key and NAME.crt the same apart."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority("ca")
        self.authority("other-ca")
        self.issue("broker", "/O=compat/CN=broker", names=NAMES)
        # For rotation: the same name with another serial number.
        self.issue("broker-next", "/O=compat/CN=broker", names=NAMES)
        self.issue("other-name", "/O=compat/CN=elsewhere", names="subjectAltName=DNS:elsewhere.example.org")
        self.issue("expired-broker", "/O=compat/CN=broker", names=NAMES, days=-1)
        for name in ("alice", "bob"):
            self.issue(name, f"/O=compat/OU=clients/CN={name}")
        self.issue("expired-client", "/O=compat/OU=clients/CN=alice", days=-1)
        self.issue("stranger", "/O=compat/OU=clients/CN=alice", authority="other-ca")
        for name in ("broker", "alice"):
            quietly("openssl", "pkcs12", "-export", "-name", name, "-inkey", self["key", name], "-in", self["crt", name], "-certfile", self["crt", "ca"], "-out", self["p12", name], "-passout", f"pass:{PASSWORD}")
        self.java_stores()

    def __getitem__(self, kind_and_name) -> Path:
        kind, name = kind_and_name
        return self.folder / f"{name}.{kind}"

    def pem(self, name: str) -> Path:
        return self["pem", name]

    def make(self, *more):
        quietly("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *more)

    def authority(self, name: str):
        self.make("-days", 30, "-subj", f"/O=compat/CN={name}", "-keyout", self["key", name], "-out", self["crt", name])

    def issue(self, name: str, subject: str, names: str | None = None, days: int = 30, authority: str = "ca"):
        """`days` below zero: it ended before it began."""
        request, extensions = self["csr", name], self["ext", name]
        quietly("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject, "-keyout", self["key", name], "-out", request)
        extensions.write_text(f"basicConstraints=critical,CA:FALSE\n{names or ''}\n")
        quietly("openssl", "x509", "-req", "-in", request, "-CA", self["crt", authority], "-CAkey", self["key", authority], "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", self["crt", name])
        self.pem(name).write_text("".join(self[k, n].read_text() for k, n in (("key", name), ("crt", name), ("crt", authority))))

    def java_stores(self):
        """broker.jks and trust.jks."""
        words = ["-noprompt", "-storepass", PASSWORD, "-storetype", "JKS"]
        quietly("keytool", "-importkeystore", "-noprompt", "-srckeystore", self["p12", "broker"], "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD,
                "-destkeystore", self["jks", "broker"], "-deststoretype", "JKS", "-deststorepass", PASSWORD)
        quietly("keytool", "-importcert", "-alias", "ca", "-file", self["crt", "ca"], "-keystore", self["jks", "trust"], *words)
