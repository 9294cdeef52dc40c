"""Kerberos: Java's client with the JDK's own library and Ottla's client against the broker, and a key distribution centre of Apache Kerby that gives both their keys."""

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

from harness import kafka_dist, kerby, programs
from harness.broker import HOST, free_port
from harness.context import Suite
from harness.result import Result, from_lines

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import tool_logins  # noqa: E402

REALM = "OTTLA.TEST"
# RULES has rules of names; OLDKEY the broker's key of before its last change; AGAIN wants a new login every 1.5 s.
LISTENERS = ["KERBEROS", "RULES", "OLDKEY", "AGAIN"]
RULES = r"RULE:[2:$1](app\..*)s/app\..*/service/,RULE:[1:$1](ali.*)s/ali/ALI/L"
MODULE = "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true"


@contextlib.contextmanager
def kdc(ctx):
    """A key distribution centre, its keytabs and a krb5.conf in the working folder."""
    jars = sorted(kerby.jars().glob("*.jar"))
    classes = kafka_dist.compile_java("kdc", HERE / "kdc" / "java", more=jars)
    port = free_port()
    (ctx.work / "krb5.conf").write_text(
        f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\ndns_canonicalize_hostname = false\nudp_preference_limit = 1\n"
        f"[realms]\n{REALM} = {{\n  kdc = localhost:{port}\n}}\n"
    )
    log = ctx.work / "kdc.log"
    argv = kafka_dist.java("-cp", ":".join(map(str, [classes, *jars])), "Kdc", ctx.work, port, REALM, heap_mb=128)
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while "READY" not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise programs.Ended(f"the key distribution centre did not start: {log.read_text(errors='replace')[-1500:]}")
            time.sleep(0.05)
        yield
    finally:
        process.stdin.close()
        programs.end_group(process)


def properties(ctx, ports: dict, controller_port: int, plain_port: int) -> dict:
    out = {
        "listeners": f"PLAINTEXT://{HOST}:{plain_port},CONTROLLER://{HOST}:{controller_port}," + ",".join(f"{n}://{HOST}:{p}" for n, p in ports.items()),
        "advertised.listeners": f"PLAINTEXT://{HOST}:{plain_port}," + ",".join(f"{n}://localhost:{p}" for n, p in ports.items()),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT," + ",".join(f"{n}:SASL_PLAINTEXT" for n in ports),
        "inter.broker.listener.name": "PLAINTEXT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:alice;User:service",
        "sasl.kerberos.service.name": "kafka",
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
    }
    for name in ports:
        keytab = ctx.work / ("kafka_localhost-old.keytab" if name == "OLDKEY" else "kafka_localhost.keytab")
        # Kafka's broker logs in itself, unless told not to; with the old key it could not.
        passive = "isInitiator=false" if name == "OLDKEY" else ""
        mine = {
            "sasl.enabled.mechanisms": "GSSAPI,PLAIN",
            "gssapi.sasl.jaas.config": f'{MODULE} {passive} keyTab="{keytab}" principal="kafka/localhost@{REALM}";',
            "plain.sasl.jaas.config": 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";',
        }
        if name == "RULES":
            mine["sasl.kerberos.principal.to.local.rules"] = RULES.replace("\\", "\\\\")
        if name == "AGAIN":
            mine["connections.max.reauth.ms"] = "1500"
        out |= {f"listener.name.{name.lower()}.{key}": value for key, value in mine.items()}
    return out


@contextlib.contextmanager
def kerberos_broker(ctx, r: Result):
    """A centre and a broker with the listeners; their ports. Afterwards the broker must still be there."""
    option = f"-Djava.security.krb5.conf={ctx.work / 'krb5.conf'}"
    with kdc(ctx):
        b = ctx.broker()
        ports = {name: free_port() for name in LISTENERS}
        b.properties |= properties(ctx, ports, b.controller_port, b.port)
        # Kafka's scripts hand KAFKA_OPTS to the virtual machine, which here is started without them.
        b.environment = {"KAFKA_OPTS": option} if ctx.against == "ottla" else {"JAVA_TOOL_OPTIONS": option}
        try:
            b.start()
            yield ports
            r.check("(broker)", b.alive(), b.tail())
        finally:
            b.kill()
            for line in b.panics()[:3]:
                r.fail("(broker log)", line)


def java(ctx) -> Result:
    r = Result()
    classes = kafka_dist.compile_java("gssapi", HERE / "java")
    with kerberos_broker(ctx, r) as ports:
        option = f"-Djava.security.krb5.conf={ctx.work / 'krb5.conf'}"
        argv = kafka_dist.java(option, "-cp", f"{classes}:{kafka_dist.jars('kafka')}", "GssapiSuite", ctx.work, REALM, ",".join(f"{n}={p}" for n, p in ports.items()), *([ctx.options.only] if ctx.options.only else []), level="OFF")
        rc, text = ctx.run("java", argv, 2400)
        r.merge(from_lines(text, rc))
    return r


def ottla_client(ctx) -> Result:
    r = Result()
    try:
        ottla = ctx.ottla or sys.modules["suite_tools"].tools_binary()
    except FileNotFoundError as e:
        r.skip("ottla", str(e))
        return r
    with kerberos_broker(ctx, r) as ports:
        tool_logins.write_confs(ctx.work, REALM, free_port())
        tool_logins.run(ctx, r, ottla, REALM, ports, re.compile(ctx.options.only or "").search)
    return r


SUITES = [
    Suite("security/gssapi", java, "Kerberos with the JDK's own library: logins, rules of names, wrong services and keys, re-authentication"),
    Suite("security/gssapi-client", ottla_client, "Kerberos with Ottla's own client: keytabs, ticket caches, tickets that end, what is said when there is none"),
]
