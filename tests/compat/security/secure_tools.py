"""Tools against a secured broker, over SASL_SSL with --command-config: Apache Kafka's, and `ottla`'s as soon as they can.

A step is a tool, its arguments, its exit code and what its output must hold (a regular expression). {S} stands for the address and the super
user's file, {W} for those of `worker`, {L} of `limited`, {X} of `worker` with a wrong password, {B} of `worker` with tokens that the tool asks the
issuer for, {F} of one whose tokens are signed by another key, {N} of one whom the issuer does not know.
`--only kafka` and `--only ottla` run one half.
"""

import re
import shlex
import sys
import time

from harness.broker import HOST
from issuer import SECRET
from secure_broker import secret

ALTER_CLIENT_QUOTAS = 49
# Of the user that the steps make.
PASSWORD = "tool-secret"

STEPS = [
    ("broker-api-versions", "{S}", 0, r"id: 1 "),
    ("topics", "{S} --create --topic job-tools --partitions 2", 0, r"Created topic job-tools"),
    ("topics", "{S} --list", 0, r"(?m)^job-tools$"),
    ("topics", "{W} --describe --topic job-tools", 0, r"PartitionCount: 2"),
    ("topics", "{L} --list", 0, r"^\s*$"),
    ("topics", "{L} --create --topic tools-denied", 1, r"Authorization failed|Not authorized to access topics"),
    ("topics", "{X} --list", 1, r"invalid credentials with SASL mechanism SCRAM-SHA-256"),
    ("acls", "{S} --add --allow-principal User:tools --operation Read --operation Write --topic job-tools", 0, r"operation=READ, permissionType=ALLOW"),
    ("acls", "{S} --add --deny-principal User:tools --deny-host 10.0.0.1 --operation All --group job- --resource-pattern-type prefixed", 0, r"host=10.0.0.1, operation=ALL, permissionType=DENY"),
    ("acls", "{S} --list --principal User:tools", 0, r"principal=User:tools, host=\*, operation=WRITE"),
    ("acls", "{S} --add --allow-principal User:tools --operation CreateTokens --user-principal User:worker", 0, r"resourceType=USER, name=User:worker"),
    ("acls", "{L} --list", 1, r"Cluster authorization failed|ClusterAuthorizationException"),
    ("acls", "{S} --remove --force --topic job-tools", 0, r""),
    ("acls", "{S} --list --topic job-tools --resource-pattern-type literal", 0, r"^(?!.*User:tools)"),
    ("configs", "{S} --alter --entity-type users --entity-name tools --add-config SCRAM-SHA-256=[iterations=8192,password=tool-secret]", 0, r"Completed updating config for user tools"),
    ("configs", "{S} --alter --entity-type users --entity-name tools --add-config SCRAM-SHA-512=[password=tool-secret]", 0, r"Completed updating config for user tools"),
    ("configs", "{S} --describe --entity-type users --entity-name tools", 0, r"SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096"),
    ("topics", "{T} --list", 0, r""),
    ("configs", "{S} --alter --entity-type users --entity-name tools --delete-config SCRAM-SHA-256", 0, r"Completed updating config for user tools"),
    ("topics", "{T} --list", 1, r"invalid credentials with SASL mechanism SCRAM-SHA-256"),
    ("configs", "{S} --alter --entity-type users --entity-name tools --add-config producer_byte_rate=1000000,consumer_byte_rate=2000000", 0, r"Completed updating config for user tools"),
    ("configs", "{S} --alter --entity-type users --entity-name tools --entity-type clients --entity-name app --add-config request_percentage=50", 0, r"Completed updating config"),
    ("configs", "{S} --alter --entity-type clients --entity-default --add-config producer_byte_rate=5000000", 0, r"Completed updating default config for clients"),
    ("configs", "{S} --alter --entity-type ips --entity-name 10.0.0.7 --add-config connection_creation_rate=20", 0, r"Completed updating config for ip 10.0.0.7"),
    ("configs", "{S} --describe --entity-type users --entity-name tools", 0, r"producer_byte_rate=1000000"),
    ("configs", "{S} --describe --entity-type users --entity-name tools --entity-type clients --entity-name app", 0, r"request_percentage=50"),
    ("configs", "{S} --describe --entity-type clients --entity-default", 0, r"producer_byte_rate=5000000"),
    ("configs", "{S} --describe --entity-type ips --entity-name 10.0.0.7", 0, r"connection_creation_rate=20"),
    ("configs", "{L} --describe --entity-type users", 1, r"Cluster authorization failed|ClusterAuthorizationException"),
    ("configs", "{S} --alter --entity-type users --entity-name tools --delete-config producer_byte_rate,consumer_byte_rate", 0, r"Completed updating config for user tools"),
    ("configs", "{S} --describe --entity-type brokers --entity-name 1 --all", 0, r"listener.name.sasltls.ssl.keystore.location=\S+broker.pem"),
    ("consumer-groups", "{S} --list --timeout 120000", 0, r""),
    # Kafka's tool ends with 0 whatever happens.
    ("consumer-groups", "{L} --describe --group job-any --timeout 120000", 0, r"Group authorization failed|GroupAuthorizationException"),
    ("metadata-quorum", "{S} describe --status", 0, r"LeaderId:\s+1"),
    ("features", "{S} describe", 0, r"Feature: metadata.version"),
    ("log-dirs", "{S} --describe", 0, r'"broker":1'),
    ("get-offsets", "{W} --topic job-tools", 0, r"job-tools:0:0"),
]
BEARER = [
    ("topics", "{B} --describe --topic job-tools", 0, r"PartitionCount: 2"),
    ("get-offsets", "{B} --topic job-tools", 0, r"job-tools:0:0"),
    ("topics", "{F} --list", 1, r"invalid_token"),
    ("topics", "{N} --list", 1, r"(?i:401|invalid_client|SaslAuthenticationException|Failed to create new KafkaAdminClient)"),
]
TOKENS = [
    ("delegation-tokens", "{W} --create --max-life-time-period -1 --renewer-principal User:mover", 0, r"User:worker"),
    ("delegation-tokens", "{W} --describe --owner-principal User:worker", 0, r"User:worker.*User:mover"),
    ("delegation-tokens", "{L} --describe", 0, r"^(?!.*User:worker)"),
    ("delegation-tokens", "{L} --create --max-life-time-period -1 --owner-principal User:worker", 1, r"Delegation Token authorization failed|DelegationTokenAuthorizationException"),
    ("delegation-tokens", "{W} --renew --renew-time-period 3600000 --hmac {H}", 0, r"Completed renew operation"),
    ("delegation-tokens", "{W} --expire --expiry-time-period -1 --hmac {H}", 0, r"Completed expire operation"),
    ("delegation-tokens", "{W} --renew --renew-time-period 3600000 --hmac {H}", 1, r"Delegation Token is not found|DelegationTokenNotFoundException"),
]


def scram(user: str, password: str) -> str:
    return ("sasl.mechanism=SCRAM-SHA-256\n"
            f'sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="{user}" password="{password}";\n')


def bearer(s, client: str, secret: str = SECRET) -> str:
    return ("sasl.mechanism=OAUTHBEARER\nsasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n"
            f"sasl.oauthbearer.token.endpoint.url={s.issuer.url}/token\n"
            f'sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="{client}" clientSecret="{secret}";\n')


def properties(s, login: str) -> str:
    return (f"security.protocol=SASL_SSL\n{login}ssl.truststore.type=PEM\nssl.truststore.location={s.files['crt', 'ca']}\nrequest.timeout.ms=60000\ndefault.api.timeout.ms=120000\n")


def run(ctx, s, r):
    tools = sys.modules["suite_tools"]
    users = {"S": scram("admin", secret("admin")), "W": scram("worker", secret("worker")), "L": scram("limited", secret("limited")), "X": scram("worker", "wrong"), "T": scram("tools", PASSWORD)}
    users |= {"B": bearer(s, "worker"), "F": bearer(s, "forged"), "N": bearer(s, "worker", "wrong")}
    # Neither product asks an address for tokens that is not allowed.
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={s.issuer.url}/token"
    at = f"{HOST}:{s.ports['SASLTLS']}"
    words = {}
    for letter, login in users.items():
        f = ctx.work / f"{letter}.properties"
        f.write_text(properties(s, login))
        words["{" + letter + "}"] = f"--bootstrap-server {at} --command-config {f}"
    only = ctx.options.only or ""
    if not only.startswith("ottla"):
        driver = tools.Driver(ctx.work, allowed)
        try:
            steps(s, r, "kafka", words, lambda tool, arguments: driver.ask([tools.CLASSES[tool], *arguments]))
        finally:
            driver.end()
    if only.startswith("kafka"):
        return
    try:
        ottla = ctx.ottla or tools.tools_binary()
    except FileNotFoundError as e:
        r.skip("ottla", str(e))
        return
    code, out, err = tools.ours(ottla, "topics", shlex.split(f"{words['{S}']} --list"))
    if code != 0 and "clients speak neither TLS nor SASL" in out + err:
        r.skip("ottla", "the tools of this build speak PLAINTEXT only")
        return
    steps(s, r, "ottla", words, lambda tool, arguments: tools.ours(ottla, tool, arguments, KAFKA_OPTS=allowed))


def steps(s, r, whose: str, words: dict, ask):
    """All of them with one kind of tools. What one makes is removed, so that the other finds the same."""
    if not s.tokens:
        r.skip(f"{whose}.delegation-tokens", "the broker has no delegation tokens")
    words = dict(words)
    for number, (tool, arguments, code, holds) in enumerate(STEPS + (BEARER if "OAUTHBEARER" in s.mechanisms else []) + (TOKENS if s.tokens else [])):
        name = f"{whose}.{number}-{tool}"
        if ALTER_CLIENT_QUOTAS not in s.apis and re.search(r"_rate|request_percentage", arguments + holds):
            r.skip(name, "the broker has no quotas")
            continue
        full = arguments
        for word, meaning in words.items():
            full = full.replace(word, meaning)
        # Apache Kafka answers with a token before it shows it to those who ask for tokens.
        deadline = time.monotonic() + (30 if tool == "delegation-tokens" and "--describe" in arguments else 0)
        while True:
            got, out, err = ask(tool, shlex.split(full))
            said = out + err
            if got == code and re.search(holds, said, re.S) or time.monotonic() > deadline:
                break
        if got != code or not re.search(holds, said, re.S):
            r.fail(name, f"{tool} {arguments}: code {got}, wanted {code} and {holds!r}: {said[-500:]}")
        else:
            r.ok(name)
        if tool == "delegation-tokens" and "--create" in arguments and got == 0 and (hmac := re.search(r"(\S{40,}={0,2})\s+User:worker", out)):
            words["{H}"] = hmac[1]
    ask("topics", shlex.split(f"{words['{S}']} --delete --topic job-tools"))
    ask("configs", shlex.split(f"{words['{S}']} --alter --entity-type users --entity-name tools --delete-config SCRAM-SHA-512"))
