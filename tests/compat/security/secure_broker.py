"""A broker with a listener for everything that the suites ask, its users, and the file in which clients of every language find both.

The file, `security.properties`, has lines KEY=VALUE: `listener.NAME` an address, `file.NAME` a path, `mechanisms` those that the broker
serves, `tokens` whether it has delegation tokens, `apis` the keys of those that it offers, `issuer` the URL of the OAuth issuer.
"""

import contextlib
import os
import re
import socket
import struct

import certificates
import issuer as oauth
from harness import wire
from harness.broker import HOST, BrokerFailed, free_port

# Listener -> protocol. ASKED and WANTED want client certificates; OTHERNAME and EXPIRED show bad ones; AGAIN wants new logins; NARROW has one mechanism only.
LISTENERS = {"PLAINTEXT": "PLAINTEXT", "TLS": "SSL", "ASKED": "SSL", "WANTED": "SSL", "OTHERNAME": "SSL", "EXPIRED": "SSL", "SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL", "AGAIN": "SASL_PLAINTEXT", "NARROW": "SASL_PLAINTEXT"}
PLAIN, SCRAM, BEARER = "PLAIN", ["SCRAM-SHA-256", "SCRAM-SHA-512"], "OAUTHBEARER"
PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule required"
BEARER_MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
# admin may do everything, worker everything with topics, groups and transactions whose names begin with job-, the others nothing.
USERS = ["admin", "worker", "limited", "leaver", "mover"]
# Kafka lets nobody log in again twice within a second.
REAUTHENTICATE_MS = 1500


def secret(user: str) -> str:
    return f"{user}-secret"


def store(kind: str, file, more: dict | None = None) -> dict:
    return {"ssl.keystore.type": kind, "ssl.keystore.location": str(file), **({} if kind == "PEM" else {"ssl.keystore.password": certificates.PASSWORD, "ssl.key.password": certificates.PASSWORD}), **(more or {})}


def properties(ports: dict, controller_port: int, files, bearer: str | None) -> dict:
    """What server.properties says beyond the harness's own. `bearer`: the URL of an issuer, when OAUTHBEARER is to be served."""
    trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(files["crt", "ca"])}
    per_listener = {
        "TLS": store("PEM", files.pem("broker")),
        "ASKED": store("JKS", files["jks", "broker"], {"ssl.client.auth": "requested", "ssl.truststore.type": "JKS", "ssl.truststore.location": str(files["jks", "trust"]), "ssl.truststore.password": certificates.PASSWORD}),
        "WANTED": store("PKCS12", files["p12", "broker"], {"ssl.client.auth": "required", **trust}),
        "OTHERNAME": store("PEM", files.pem("other-name")),
        "EXPIRED": store("PEM", files.pem("expired-broker")),
        "SASLTLS": store("PEM", files.pem("broker")),
        "AGAIN": {"connections.max.reauth.ms": REAUTHENTICATE_MS},
    }
    mechanisms = [PLAIN, *SCRAM, *([BEARER] if bearer else [])]
    for name in (n for n, p in LISTENERS.items() if p.startswith("SASL")):
        mine = per_listener.setdefault(name, {})
        mine["plain.sasl.jaas.config"] = f"{PLAIN_MODULE} " + " ".join(f'user_{u}="{secret(u)}"' for u in USERS) + ";"
        mine["sasl.enabled.mechanisms"] = SCRAM[1] if name == "NARROW" else ",".join(mechanisms)
        for m in SCRAM:
            mine[f"{m.lower()}.sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        if bearer:
            # They stand for the whole mechanism of the listener, as Kafka's documentation has them.
            mine["oauthbearer.sasl.jaas.config"] = f"{BEARER_MODULE};"
            mine["oauthbearer.sasl.server.callback.handler.class"] = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
    out = {
        "listeners": ",".join(f"{n}://{HOST}:{p}" for n, p in ports.items()) + f",CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": ",".join(f"{n}://{HOST}:{p}" for n, p in ports.items()),
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in LISTENERS.items()) + ",CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+),OU=clients.*$/$1/,DEFAULT",
        "delegation.token.secret.key": "master-secret",
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.num.partitions": "2",
        # Members of the consumer protocol get their partitions at once.
        "group.consumer.assignment.interval.ms": "0",
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.heartbeat.interval.ms": "300",
        "num.network.threads": "1",
        "num.io.threads": "4",
    }
    if bearer:
        out |= {"sasl.oauthbearer.jwks.endpoint.url": f"{bearer}/keys", "sasl.oauthbearer.expected.audience": oauth.AUDIENCE, "sasl.oauthbearer.expected.issuer": bearer,
                "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms": "50"}
    for name, mine in per_listener.items():
        out |= {f"listener.name.{name.lower()}.{k}": str(v) for k, v in mine.items()}
    return out


def mechanisms(port: int) -> list:
    """Those of a listener, by asking for one that there is not."""
    name = b"NONE-SUCH"
    with socket.create_connection((HOST, port), 60) as s:
        s.settimeout(60)
        s.sendall(wire.request(17, 1, 1, struct.pack(">h", len(name)) + name))
        answer = wire.receive(s)
    (n,), at, out = struct.unpack_from(">i", answer, 6), 10, []
    for _ in range(n):
        (size,) = struct.unpack_from(">h", answer, at)
        out.append(answer[at + 2:at + 2 + size].decode())
        at += 2 + size
    return out


class Secured:
    """The broker of a suite, started, with `file` for its clients."""

    def __init__(self, ctx, issuer):
        self.ctx, self.issuer = ctx, issuer
        self.files = certificates.Certificates(ctx.work / "certificates")
        self.broker = None
        for bearer in (issuer.url, None):
            b = ctx.broker("broker" if bearer else "broker-without-bearer")
            self.ports = {n: b.port if n == "PLAINTEXT" else free_port() for n in LISTENERS}
            b.properties |= properties(self.ports, b.controller_port, self.files, bearer)
            # The first is for a JVM; Ottla reads the second, as Kafka's scripts do.
            b.environment = dict.fromkeys(("JAVA_TOOL_OPTIONS", "KAFKA_OPTS"), f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.url}/keys")
            try:
                self.broker = b.start()
                break
            except BrokerFailed as e:
                # A build that does not know the mechanism says so at its start.
                if not bearer or not re.search(f"{BEARER}.* is not served", b.log.read_text(errors="replace")):
                    raise
        self.mechanisms = mechanisms(self.ports["SASL"])
        self.apis = wire.api_keys(HOST, self.broker.port)
        self.tokens = 38 in self.apis
        self.file = ctx.work / "security.properties"
        lines = {f"listener.{n}": f"{HOST}:{p}" for n, p in self.ports.items()}
        lines |= {f"file.{f.name}": str(f) for f in sorted(self.files.folder.iterdir())}
        lines |= {"product": ctx.against, "mechanisms": ",".join(self.mechanisms), "tokens": str(self.tokens).lower(), "issuer": issuer.url, "apis": ",".join(map(str, sorted(self.apis)))}
        self.file.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))

    @property
    def environment(self) -> dict:
        """For client programs."""
        return {"OTTLA_COMPAT_SECURITY": self.file, "PYTHONDONTWRITEBYTECODE": "1", "OTTLA_COMPAT_BOOTSTRAP": self.broker.bootstrap}


@contextlib.contextmanager
def secured(ctx, result):
    """A Secured with its users and permissions. Afterwards the broker must be alive, stop on SIGTERM, and have no panic in its log."""
    with oauth.Issuer(ctx.work) as issuer:
        s = Secured(ctx, issuer)
        try:
            yield s
            if s.broker.alive():
                s.broker.stop()
            else:
                result.fail("(broker)", f"it ended with {s.broker.process.returncode}: {s.broker.tail()}")
        finally:
            s.broker.kill()
            for line in s.broker.panics()[:3]:
                result.fail("(broker log)", line)
            for line in secrets_in(s.broker.log.read_text(errors="replace"))[:3]:
                result.fail("(a secret in the log)", line)


def secrets_in(text: str) -> list:
    """Lines of a log that hold a password or a key."""
    words = [secret(u) for u in USERS] + [certificates.PASSWORD, "master-secret", "BEGIN PRIVATE KEY"]
    return [line for line in text.splitlines() if any(w in line for w in words)]


def prepare(s: Secured, python):
    """SCRAM users and permissions, by librdkafka's admin client."""
    s.ctx.run("prepare", [python, os.path.join(os.path.dirname(__file__), "users.py"), s.broker.bootstrap, *USERS], 300, check=True)
