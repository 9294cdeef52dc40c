"""librdkafka, by confluent-kafka, against a secured node. Where everything is stands in the file that OTTLA_COMPAT_SECURITY names."""

import json
import os
import time
import urllib.request
import base64
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ConfigResource, NewTopic, ResourcePatternType, ResourceType

WORLD = dict(line.split("=", 1) for line in open(os.environ["OTTLA_COMPAT_SECURITY"], encoding="utf-8").read().splitlines())
MECHANISMS = [m for m in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER") if m in WORLD["mechanisms"].split(",")]
PASSWORDS = [m for m in MECHANISMS if m != "OAUTHBEARER"]
TLS = {"TLS", "ASKED", "WANTED", "OTHERNAME", "EXPIRED", "SASLTLS"}


def at(listener, **more):
    """Configuration of a client for one of the listeners."""
    sasl = listener in ("SASL", "SASLTLS", "AGAIN", "NARROW")
    protocol = ("sasl_ssl" if sasl else "ssl") if listener in TLS else "sasl_plaintext" if sasl else "plaintext"
    c = {"bootstrap.servers": WORLD[f"listener.{listener}"], "security.protocol": protocol, "log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}
    if listener in TLS:
        c["ssl.ca.location"] = WORLD["file.ca.crt"]
    return c | {k.replace("_", "."): v for k, v in more.items()}


def token(client):
    basic = base64.b64encode(f"{client}:client-secret".encode()).decode()
    request = urllib.request.Request(WORLD["issuer"] + "/token", b"grant_type=client_credentials", {"Authorization": f"Basic {basic}"})
    said = json.load(urllib.request.urlopen(request, timeout=60))
    return said["access_token"], time.time() + said["expires_in"]


def login(listener, mechanism, user, password=None):
    c = at(listener) | {"sasl.mechanism": mechanism}
    if mechanism == "OAUTHBEARER":
        return c | {"oauth_cb": lambda _: token(user)}
    return c | {"sasl.username": user, "sasl.password": password or f"{user}-secret"}


def certificate(name):
    return {"ssl_certificate_location": WORLD[f"file.{name}.pem"], "ssl_key_location": WORLD[f"file.{name}.key"]}


def eventually(ok, seconds=120):
    end = time.monotonic() + seconds
    while not ok():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)


def everything(config):
    """Administration, records in and out, a group with commits, a transaction."""
    name = f"job-{uuid.uuid4().hex[:10]}"
    admin = AdminClient(config)
    # A callback for tokens is served by polls.
    admin.poll(0)
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(120)
    eventually(lambda: name in admin.list_topics(timeout=60).topics)
    p = Producer(config | {"transactional.id": name, "linger.ms": 0})
    p.init_transactions(120)
    p.begin_transaction()
    failed = []
    for i in range(20):
        p.produce(name, f"v{i}", partition=i % 2, on_delivery=lambda e, m: failed.append(str(e)) if e else None)
    p.commit_transaction(120)
    assert failed == []
    c = Consumer(config | {"group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False, "fetch.wait.max.ms": 50})
    c.subscribe([name])
    got, end = [], time.monotonic() + 120
    while len(got) < 20 and time.monotonic() < end:
        for m in c.consume(50, 0.2):
            assert m.error() is None, m.error()
            got.append(m.value().decode())
    assert sorted(got) == sorted(f"v{i}" for i in range(20))
    c.commit(asynchronous=False)
    c.close()


def refused(config, *codes):
    """The client is told why by one of these codes and never comes in."""
    errors = []
    a = AdminClient(config | {"error_cb": lambda e: errors.append(e)})
    end = time.monotonic() + 120
    while not set(codes) & {e.code() for e in errors} and time.monotonic() < end:
        a.poll(0)
        with pytest.raises(KafkaException):
            a.list_topics(timeout=0.2)
    assert set(codes) & {e.code() for e in errors}, errors
    return [e.str() for e in errors if e.code() in codes][0]


@pytest.mark.parametrize("listener", ["SASL", "SASLTLS"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_mechanism(mechanism, listener):
    everything(login(listener, mechanism, "worker"))


@pytest.mark.parametrize("mechanism", PASSWORDS)
def test_strangers_learn_nothing(mechanism):
    def said(user):
        text = refused(login("SASL", mechanism, user, "wrong"), KafkaError._AUTHENTICATION)
        return text[text.index("SASL"):].split(" (after")[0]

    assert said("worker") == said("nobody")


@pytest.mark.skipif("OAUTHBEARER" not in MECHANISMS, reason="the broker does not serve OAUTHBEARER")
@pytest.mark.parametrize("client", ["expired", "audience", "issuer", "unsigned", "forged", "nameless"])
def test_bad_token(client):
    def given(_):
        return token(client)[0], time.time() + 3600

    refused(login("SASL", "OAUTHBEARER", "worker") | {"oauth_cb": given}, KafkaError._AUTHENTICATION)


def test_mechanism_that_is_not_served():
    refused(login("NARROW", "PLAIN", "worker"), KafkaError._AUTHENTICATION)


def test_tls():
    everything(at("TLS"))


@pytest.mark.parametrize("listener", ["ASKED", "WANTED"])
def test_client_certificate(listener):
    everything(at(listener, **certificate("alice")))
    bob = AdminClient(at(listener, **certificate("bob")))
    assert bob.list_topics(timeout=60).topics == {}


def test_another_authority():
    refused(at("TLS") | {"ssl.ca.location": WORLD["file.other-ca.crt"]}, KafkaError._SSL)


def test_another_host_name():
    refused(at("OTHERNAME"), KafkaError._SSL)
    assert AdminClient(at("OTHERNAME") | {"ssl.endpoint.identification.algorithm": "none"}).list_topics(timeout=60).brokers


def test_an_expired_broker():
    refused(at("EXPIRED"), KafkaError._SSL)


@pytest.mark.parametrize("name", [None, "stranger", "expired-client"])
def test_a_client_certificate_is_required(name):
    # With TLS 1.3 the broker's answer to a certificate comes after the client's handshake is over.
    refused(at("WANTED", **(certificate(name) if name else {})), KafkaError._SSL, KafkaError._TRANSPORT)


def test_plain_and_tls_do_not_meet():
    with pytest.raises(KafkaException):
        AdminClient(at("PLAINTEXT") | {"bootstrap.servers": WORLD["listener.TLS"]}).list_topics(timeout=1.5)
    refused(at("TLS") | {"bootstrap.servers": WORLD["listener.PLAINTEXT"]}, KafkaError._TRANSPORT)


def code_of(call):
    try:
        got = call()
    except KafkaException as e:
        return e.args[0].code()
    return f"no error but {got}"


def test_denials():
    """A user without any permission: the code of each refusal."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    root = AdminClient(login("SASL", "PLAIN", "admin"))
    root.create_topics([NewTopic(name, 1, 1)])[name].result(120)
    config = login("SASL", "SCRAM-SHA-512", "limited")
    a = AdminClient(config)
    topic, group, cluster = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED
    only = lambda futures: next(iter(futures.values())).result(120)  # noqa: E731
    assert code_of(lambda: only(a.create_topics([NewTopic("made", 1, 1)]))) == topic
    assert code_of(lambda: only(a.delete_topics([name]))) == topic
    assert code_of(lambda: only(a.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]))) == topic
    assert code_of(lambda: only(a.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]))) == cluster
    assert code_of(lambda: only(a.describe_consumer_groups(["g"]))) == group
    assert code_of(lambda: only(a.delete_consumer_groups(["g"]))) == group
    entry = AclBinding(ResourceType.TOPIC, name, ResourcePatternType.LITERAL, "User:limited", "*", AclOperation.ALL, AclPermissionType.ALLOW)
    assert code_of(lambda: only(a.create_acls([entry]))) == cluster
    errors = []
    p = Producer(config)
    p.produce(name, "v", on_delivery=lambda e, m: errors.append(e.code()))
    p.flush(120)
    assert errors == [topic]
    t = Producer(config | {"transactional.id": "any"})
    assert code_of(lambda: t.init_transactions(120)) == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    c = Consumer(config | {"group.id": "g"})
    c.subscribe([name])
    codes, end = set(), time.monotonic() + 120
    while not {topic, group} & codes and time.monotonic() < end:
        codes |= {m.error().code() for m in c.consume(10, 0.2) if m.error()}
    c.close()
    assert codes & {topic, group}, codes
    # With the entry it may.
    root.create_acls([entry])[entry].result(120)
    eventually(lambda: name in a.list_topics(timeout=60).topics)
    p = Producer(config)
    errors.clear()
    p.produce(name, "v", on_delivery=lambda e, m: errors.append(e))
    p.flush(120)
    assert errors == [None]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_reauthentication_under_load(mechanism):
    """The listener ends a login after a second; librdkafka comes again; every record is acknowledged, and nothing is told of a failed login."""
    name, errors, acked = f"job-{uuid.uuid4().hex[:10]}", [], []
    config = login("AGAIN", mechanism, "worker") | {"error_cb": lambda e: errors.append(str(e)) if e.code() in (KafkaError._AUTHENTICATION, KafkaError._FATAL) else None}
    admin = AdminClient(config)
    admin.poll(0)
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(120)
    p = Producer(config | {"linger.ms": 0})
    end = time.monotonic() + 2.5
    while time.monotonic() < end or len(acked) <= 50 and time.monotonic() < end + 90:
        p.produce(name, "v", on_delivery=lambda e, m: errors.append(str(e)) if e else acked.append(1))
        p.poll(0.005)
    assert p.flush(120) == 0 and len(acked) > 50
    assert errors == []
