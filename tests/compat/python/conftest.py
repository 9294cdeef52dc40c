"""Fixtures that all three clients share. The broker's address comes in OTTLA_COMPAT_BOOTSTRAP."""

import os
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import wire  # noqa: E402
from harness.context import API_KEYS  # noqa: E402


@pytest.fixture(scope="session")
def bootstrap():
    return os.environ["OTTLA_COMPAT_BOOTSTRAP"]


@pytest.fixture(scope="session")
def librdkafka_admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap})


@pytest.fixture
def offers(bootstrap):
    """offers(api): skips the test when the broker does not offer it."""
    host, port = bootstrap.split(":")

    def check(api):
        if API_KEYS[api] not in wire.api_keys(host, int(port)):
            pytest.skip(f"the broker does not offer {api}")

    return check


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def name():
    """A name that nothing else has."""
    return unique("n")


@pytest.fixture
def group():
    return unique("g")


@pytest.fixture
def make_topic(librdkafka_admin):
    """make_topic(partitions=1, **configs) -> name of a topic that is there."""

    def make(partitions=1, **configs):
        t = unique("t")
        config = {k.replace("_", "."): str(v) for k, v in configs.items()}
        librdkafka_admin.create_topics([NewTopic(t, partitions, 1, config=config)])[t].result(120)
        eventually(lambda: t in librdkafka_admin.list_topics(t, timeout=60).topics and len(librdkafka_admin.list_topics(t, timeout=60).topics[t].partitions) == partitions)
        return t

    return make


def eventually(ok, seconds=120):
    """Waits until ok() is true; the last value is given back."""
    end = time.monotonic() + seconds
    while True:
        value = ok()
        if value:
            return value
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)
