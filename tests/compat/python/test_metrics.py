"""/metrics and /health: the text is read by prometheus-client's own parsers, and the numbers by what librdkafka did."""

import json
import os
import urllib.error
import urllib.request

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from conftest import eventually
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# What Prometheus 3 sends.
PROMETHEUS_ACCEPT = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"


def get(path, accept=None):
    request = urllib.request.Request(f"http://{os.environ['OTTLA_COMPAT_HTTP']}{path}", headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers["Content-Type"], e.read().decode()


class Scrape:
    """All samples of one answer."""

    def __init__(self, accept=None):
        status, self.content_type, text = get("/metrics", accept)
        assert status == 200
        parse = parse_openmetrics if "openmetrics" in self.content_type else parse_prometheus
        self.families = list(parse(text))
        self.samples = {(s.name, frozenset(s.labels.items())): s.value for f in self.families for s in f.samples}

    def value(self, name, **labels):
        return self.samples[(name, frozenset(labels.items()))]

    def get(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())), 0.0)


def produce(bootstrap, topic, n, partition=0, **config):
    p = Producer({"bootstrap.servers": bootstrap, **config})
    for i in range(n):
        p.produce(topic, value=f"v{i}", partition=partition)
    assert p.flush(120) == 0


def consumer(bootstrap, group, **config):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **config})


@pytest.mark.parametrize("accept", [None, "text/plain;version=0.0.4", OPENMETRICS, PROMETHEUS_ACCEPT])
def test_both_formats_are_read_and_tell_the_same(accept, bootstrap, make_topic):
    topic = make_topic(2)
    produce(bootstrap, topic, 7)
    scrape = Scrape(accept)
    assert ("openmetrics" in scrape.content_type) == (accept is not None and "openmetrics" in accept)
    assert scrape.value("kafka_server_brokertopicmetrics_messagesin_total", topic=topic) == 7
    assert len(scrape.families) > 100
    for family in scrape.families:
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name


def test_counters_never_fall(bootstrap, make_topic):
    before = Scrape()
    produce(bootstrap, make_topic(), 10)
    after = Scrape()
    counters = {s.name for f in after.families if f.type == "counter" for s in f.samples}
    for (name, labels), value in before.samples.items():
        if name in counters:
            assert after.samples[(name, labels)] >= value, (name, labels)
    assert after.value("kafka_server_brokertopicmetrics_messagesin_total") >= before.value("kafka_server_brokertopicmetrics_messagesin_total") + 10


def test_histograms_agree_with_counters(bootstrap, make_topic):
    produce(bootstrap, make_topic(), 50)
    scrape = Scrape()
    for request in ("Produce", "Metadata", "ApiVersions"):
        count = scrape.value("kafka_network_requestmetrics_totaltimems_count", request=request)
        assert 0 < count <= scrape.value("kafka_network_requestmetrics_requests_total", request=request)
        assert scrape.value("kafka_network_requestmetrics_totaltimems_bucket", request=request, le="+Inf") == count


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_groups_lag_is_what_it_has_not_read(protocol, bootstrap, make_topic, group):
    topic = make_topic(1)
    produce(bootstrap, topic, 20)
    c = consumer(bootstrap, group, **{"group.protocol": protocol})
    c.subscribe([topic])
    messages = []
    eventually(lambda: messages.extend(c.consume(5 - len(messages), 1)) or len(messages) == 5)
    c.commit(message=messages[4], asynchronous=False)
    scrape = Scrape()
    labels = {"consumergroup": group, "topic": topic}
    assert scrape.value("kafka_consumergroup_current_offset", partition="0", **labels) == 5
    assert scrape.value("kafka_consumergroup_lag", partition="0", **labels) == 15
    assert scrape.value("kafka_consumergroup_lag_sum", **labels) == 15
    assert scrape.value("kafka_consumergroup_members", consumergroup=group) == 1
    assert scrape.get("kafka_server_groupcoordinatormetrics_group_count", protocol=protocol, state="Stable") >= 1
    low, high = c.get_watermark_offsets(TopicPartition(topic, 0))
    assert scrape.value("kafka_topic_partition_current_offset", topic=topic, partition="0") == high
    assert scrape.value("kafka_topic_partition_oldest_offset", topic=topic, partition="0") == low
    c.close()
    eventually(lambda: Scrape().value("kafka_consumergroup_members", consumergroup=group) == 0)


def test_open_transactions_are_told(bootstrap, make_topic, name):
    topic = make_topic(1)
    p = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
    p.init_transactions(120)
    p.begin_transaction()
    p.produce(topic, value="x", partition=0)
    p.flush(120)
    open_now = Scrape()
    assert open_now.value("ottla_transactions_ongoing") >= 1
    assert open_now.value("kafka_cluster_partition_laststableoffsetlag", topic=topic, partition="0") == 1
    p.commit_transaction(120)
    eventually(lambda: Scrape().value("kafka_cluster_partition_laststableoffsetlag", topic=topic, partition="0") == 0)


def test_errors_are_told_by_name(bootstrap, name):
    before = Scrape()
    c = consumer(bootstrap, name)
    errors = lambda s: sum(v for (n, labels), v in s.samples.items() if n == "kafka_network_requestmetrics_errors_total" and ("error", "UNKNOWN_TOPIC_OR_PARTITION") in labels)

    def told():
        with pytest.raises(KafkaException):
            c.get_watermark_offsets(TopicPartition(name, 0), timeout=2)
        return errors(Scrape()) > errors(before)

    eventually(told)
    c.close()


def test_health(bootstrap):
    for path in ("/health", "/health/ready", "/health/live"):
        status, content_type, text = get(path)
        assert (status, content_type) == (200, "application/json")
        assert json.loads(text) == {"status": "ok", "live": True, "ready": True, "reasons": []}
    assert get("/nowhere")[0] == 404
