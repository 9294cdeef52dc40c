"""Ottla's own client by its tools: logins by keytab and by ticket cache, tickets that end and are renewed, and what is said when there is none.

Who somebody is shows in what they may do: User:alice is a super user, User:bob is not. Each case is a listener, a login module's options, more
properties, the arguments of a tool, its exit code, and a regular expression over its output.
"""

import re
import time
from pathlib import Path

MODULE = "com.sun.security.auth.module.Krb5LoginModule required"
ACLS = ["acls", "--list"]


def changed_end(cache: bytes, end: int) -> bytes:
    """A credential cache whose first ticket ends another time."""

    def number(at: int) -> int:
        return int.from_bytes(cache[at : at + 4], "big")

    def behind_principal(at: int) -> int:
        count = number(at + 4)
        at += 8
        for _ in range(count + 1):
            at += 4 + number(at)
        return at

    at = 2 + (2 + int.from_bytes(cache[2:4], "big") if cache[1] == 4 else 0)
    for _ in range(3):
        at = behind_principal(at)
    at += 2 if cache[1] == 4 else 4
    at += 4 + number(at)
    return cache[: at + 8] + end.to_bytes(4, "big") + cache[at + 12 :]


def cases(work: Path, realm: str) -> dict:
    def keytab(name: str, of: str | None = None) -> str:
        return f'useKeyTab=true storeKey=true keyTab="{work / ((of or name).replace("/", "_") + ".keytab")}" principal="{name}@{realm}"'

    def cache(name: str) -> str:
        return f'useTicketCache=true renewTGT=true ticketCache="{work / name}"'

    alice = keytab("alice")
    tickets = work / "alice.tickets"
    (work / "ended.tickets").write_bytes(changed_end(tickets.read_bytes(), int(time.time()) - 60))
    (work / "rubbish.tickets").write_bytes(b"no tickets")
    perf = ["producer-perf-test", "--topic", "kerberos-tools", "--num-records", "400", "--throughput", "20", "--record-size", "50"]
    return {
        "keytab": ("KERBEROS", alice, {}, ACLS, 0, r""),
        "keytab-of-another-user": ("KERBEROS", keytab("bob"), {}, ACLS, 1, r"Cluster authorization failed|ClusterAuthorizationException|is not authorized"),
        "rules": ("RULES", keytab("app.svc/localhost"), {}, ACLS, 0, r""),
        "ticket-cache": ("KERBEROS", cache("alice.tickets"), {}, ACLS, 0, r""),
        "ticket-cache-of-the-environment": ("KERBEROS", "useTicketCache=true", {"KRB5CCNAME": f"FILE:{tickets}"}, ACLS, 0, r""),
        "cache-that-ended-and-keytab": ("KERBEROS", f"{cache('ended.tickets')} {alice}", {}, ACLS, 0, r""),
        "create-topic": ("KERBEROS", alice, {}, ["topics", "--create", "--topic", "kerberos-tools", "--partitions", "2"], 0, r"Created topic kerberos-tools"),
        "produce": ("KERBEROS", alice, {}, [*perf[:3], "--num-records", "2000", "--throughput", "-1", "--record-size", "50"], 0, r"2000 records sent"),
        # Tickets of 6 s, new logins on the connection every 1.5 s, for 20 s.
        "tickets-are-renewed": ("AGAIN", alice, {"sasl.kerberos.min.time.before.relogin": "500", "KRB5_CONFIG": str(work / "short.conf")}, perf, 0, r"400 records sent"),
        "consume": ("KERBEROS", alice, {}, ["console-consumer", "--topic", "kerberos-tools", "--from-beginning", "--max-messages", "2400", "--timeout-ms", "90000"], 0, r"Processed a total of 2400 messages"),
        "principal-not-in-the-keytab": ("KERBEROS", keytab("alice", of="bob"), {}, ACLS, 1, rf"the keytab has no key of alice@{realm}; it has bob@{realm}"),
        "key-that-is-too-old": ("KERBEROS", keytab("kafka/localhost", of="kafka/localhost-old"), {}, ACLS, 1, r"the keytab is older than the principal's last change of key"),
        "unknown-principal": ("KERBEROS", keytab("nobody", of="nobody"), {}, ACLS, 1, r"nobody.keytab can't be used: No such file"),
        "unknown-service": ("KERBEROS", alice, {"sasl.kerberos.service.name": "nobody"}, ACLS, 1, rf"no ticket for nobody/localhost@{realm}.*sasl.kerberos.service.name"),
        "another-service": ("KERBEROS", alice, {"sasl.kerberos.service.name": "http"}, ACLS, 1, r"(?i)authentication failed|SaslAuthentication"),
        "broker-with-an-older-key": ("OLDKEY", alice, {}, ACLS, 1, r"(?i)authentication failed|SaslAuthentication"),
        "cache-that-ended": ("KERBEROS", cache("ended.tickets"), {}, ACLS, 1, rf"the ticket of alice@{realm} ended \d+ s ago: run kinit"),
        "cache-that-is-none": ("KERBEROS", cache("rubbish.tickets"), {}, ACLS, 1, r"it is no credential cache"),
        "cache-that-is-not-there": ("KERBEROS", cache("nobody.tickets"), {}, ACLS, 1, r"there is no ticket cache"),
        "cache-of-somebody-else": ("KERBEROS", f'{cache("alice.tickets")} principal="bob@{realm}"', {}, ACLS, 1, rf"it is of alice@{realm}, not of bob@{realm}"),
        "no-centre-answers": ("KERBEROS", alice, {"KRB5_CONFIG": str(work / "closed.conf"), "default.api.timeout.ms": "4000", "request.timeout.ms": "3000"}, ACLS, 1, rf"no key distribution centre of the realm {realm} answers"),
        "no-centre-is-known": ("KERBEROS", alice, {"KRB5_CONFIG": str(work / "nothing.conf")}, ACLS, 1, rf"no key distribution centre of the realm {realm} is known"),
        "no-service-name": ("KERBEROS", alice, {"sasl.kerberos.service.name": ""}, ACLS, 1, r"No serviceName defined in either JAAS or Kafka config"),
    }


def write_confs(work: Path, realm: str, closed_port: int):
    text = (work / "krb5.conf").read_text()
    (work / "short.conf").write_text(text.replace("[realms]", "ticket_lifetime = 6s\n[realms]"))
    (work / "closed.conf").write_text(f"[libdefaults]\ndefault_realm = {realm}\n[realms]\n{realm} = {{\n  kdc = localhost:{closed_port}\n}}\n")
    (work / "nothing.conf").write_text("[libdefaults]\n")


def run(ctx, r, ottla: Path, realm: str, ports: dict, wanted):
    for name, (listener, options, more, arguments, code, holds) in cases(ctx.work, realm).items():
        if not wanted(name):
            continue
        environment = {"KRB5_CONFIG": ctx.work / "krb5.conf", "KAFKA_OPTS": "", "OTTLA_LOG": "off"} | {k: v for k, v in more.items() if k.isupper()}
        keys = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "GSSAPI",
            "sasl.kerberos.service.name": "kafka",
            "sasl.jaas.config": f"{MODULE} {options};",
            "request.timeout.ms": "30000",
            "default.api.timeout.ms": "60000",
        } | {k: v for k, v in more.items() if k not in environment}
        f = ctx.work / f"{name}.properties"
        f.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
        argv = [ottla, arguments[0], "--bootstrap-server", f"localhost:{ports[listener]}", "--command-config", f, *arguments[1:]]
        got, said = ctx.run(f"tool-{name}", argv, 240, env=environment)
        if got != code or not re.search(holds, said, re.S):
            r.fail(name, f"code {got}, wanted {code} and {holds!r}: {said[-600:]}")
        else:
            r.ok(name)
