/*
 * A client on librdkafka for `cargo xtask bench --clients librdkafka`: writes, reads, or sends records one at a time, and
 * prints what Kafka's own tools would, so that one parser reads all of them. The prototypes are those of librdkafka's
 * public interface that are needed here; Python's wheel of it has no header.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_list_s rd_kafka_list_t;
typedef struct {
    int err;
    rd_kafka_topic_t *topic;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *opaque;
} message_t;

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const message_t *, void *));
rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, void *);
int rd_kafka_produce(rd_kafka_topic_t *, int32_t, int, void *, size_t, const void *, size_t, void *);
int rd_kafka_last_error(void);
int rd_kafka_poll(rd_kafka_t *, int);
int rd_kafka_flush(rd_kafka_t *, int);
int rd_kafka_poll_set_consumer(rd_kafka_t *);
rd_kafka_list_t *rd_kafka_topic_partition_list_new(int);
void *rd_kafka_topic_partition_list_add(rd_kafka_list_t *, const char *, int32_t);
int rd_kafka_topic_partition_list_set_offset(rd_kafka_list_t *, const char *, int32_t, int64_t);
int rd_kafka_query_watermark_offsets(rd_kafka_t *, const char *, int32_t, int64_t *, int64_t *, int);
int rd_kafka_subscribe(rd_kafka_t *, const rd_kafka_list_t *);
int rd_kafka_assign(rd_kafka_t *, const rd_kafka_list_t *);
rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *, int, message_t **, size_t);
message_t *rd_kafka_consumer_poll(rd_kafka_t *, int);
void rd_kafka_message_destroy(message_t *);
int rd_kafka_consumer_close(rd_kafka_t *);
void rd_kafka_destroy(rd_kafka_t *);

enum { PRODUCER = 0, CONSUMER = 1, COPY = 2, QUEUE_FULL = -184, PAYLOADS = 1000, POLL_RECORDS = 500 };

static int64_t delivered, failed, latency_us_sum, latency_us_max;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void on_delivery(rd_kafka_t *client, const message_t *message, void *opaque) {
    (void)client, (void)opaque;
    int64_t latency = now_us() - (int64_t)(intptr_t)message->opaque;
    message->err ? failed++ : delivered++;
    latency_us_sum += latency;
    if (latency > latency_us_max) latency_us_max = latency;
}

/* A client with settings "key=value". */
static rd_kafka_t *client(int kind, const char *servers, const char *const *settings) {
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", servers, why, sizeof why);
    for (; *settings; settings++) {
        char key[128];
        const char *value = strchr(*settings, '=');
        snprintf(key, sizeof key, "%.*s", (int)(value - *settings), *settings);
        if (rd_kafka_conf_set(conf, key, value + 1, why, sizeof why)) fail(why);
    }
    if (kind == PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *made = rd_kafka_new(kind, conf, why, sizeof why);
    if (!made) fail(why);
    return made;
}

static void produce(const char *servers, const char *topic, int64_t records, size_t size, const char *batch) {
    char batch_size[64];
    snprintf(batch_size, sizeof batch_size, "batch.size=%s", batch);
    /* Java's defaults, where librdkafka's differ. */
    const char *settings[] = {"acks=all", "enable.idempotence=true", "linger.ms=5", batch_size,
                              "queue.buffering.max.messages=10000000", "queue.buffering.max.kbytes=32768", NULL};
    rd_kafka_t *rk = client(PRODUCER, servers, settings);
    rd_kafka_topic_t *to = rd_kafka_topic_new(rk, topic, NULL);
    char *payloads = malloc(PAYLOADS * size);
    srand(1);
    for (size_t i = 0; i < PAYLOADS * size; i++) payloads[i] = 'A' + rand() % 26;
    int64_t began = now_us();
    for (int64_t i = 0; i < records; i++) {
        char *payload = payloads + (size_t)(rand() % PAYLOADS) * size;
        while (rd_kafka_produce(to, -1, COPY, payload, size, NULL, 0, (void *)(intptr_t)now_us()) != 0) {
            if (rd_kafka_last_error() != QUEUE_FULL) fail("a record was not taken");
            rd_kafka_poll(rk, 10);
        }
        if (i % 16 == 0) rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    double seconds = (now_us() - began) / 1e6;
    if (failed) fail("records were not delivered");
    printf("%lld records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, 0 ms 50th, 0 ms 95th, "
           "0 ms 99th, 0 ms 99.9th.\n",
           (long long)delivered, records / seconds, records * size / seconds / 1048576.0, latency_us_sum / 1e3 / records,
           latency_us_max / 1e3);
    rd_kafka_destroy(rk);
}

static void consume(const char *servers, const char *topic, int64_t records, const char *group) {
    char group_id[128];
    snprintf(group_id, sizeof group_id, "group.id=%s", group);
    const char *settings[] = {group_id, "auto.offset.reset=earliest", "check.crcs=true", NULL};
    rd_kafka_t *rk = client(CONSUMER, servers, settings);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, -1);
    if (rd_kafka_subscribe(rk, topics)) fail("subscribe");
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    message_t *found[POLL_RECORDS];
    int64_t count = 0, bytes = 0, began = 0;
    while (count < records) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 100, found, POLL_RECORDS);
        if (n > 0 && !began) began = now_us();
        for (ssize_t i = 0; i < n; i++) {
            if (!found[i]->err) count++, bytes += found[i]->len;
            rd_kafka_message_destroy(found[i]);
        }
    }
    double seconds = (now_us() - began) / 1e6, mb = bytes / 1048576.0;
    printf("start, end, %.4f, %.4f, %lld, %.4f, 0, %.0f, %.4f, %.4f\n", mb, mb / seconds, (long long)count, count / seconds,
           seconds * 1e3, mb / seconds, count / seconds);
    fflush(stdout);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

/* One record at a time, from the producer to a consumer at the end of partition 0. */
static void round_trips(const char *servers, const char *topic, int64_t records, size_t size) {
    const char *to_write[] = {"acks=all", "enable.idempotence=true", "linger.ms=0", NULL};
    const char *to_read[] = {"group.id=round-trips", "enable.auto.commit=false", "fetch.wait.max.ms=0", NULL};
    rd_kafka_t *writer = client(PRODUCER, servers, to_write), *reader = client(CONSUMER, servers, to_read);
    rd_kafka_topic_t *to = rd_kafka_topic_new(writer, topic, NULL);
    rd_kafka_poll_set_consumer(reader);
    rd_kafka_list_t *from = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(from, topic, 0);
    int64_t first, end;
    if (rd_kafka_query_watermark_offsets(reader, topic, 0, &first, &end, 10000)) fail("no offsets");
    rd_kafka_topic_partition_list_set_offset(from, topic, 0, end);
    if (rd_kafka_assign(reader, from)) fail("assign");
    char *payload = malloc(size);
    memset(payload, 'x', size);
    int64_t total_us = 0;
    for (int64_t i = 0; i < records; i++) {
        int64_t began = now_us(), before = delivered;
        if (rd_kafka_produce(to, -1, COPY, payload, size, NULL, 0, (void *)(intptr_t)began)) fail("produce");
        while (delivered == before && !failed) rd_kafka_poll(writer, 1000);
        message_t *message = NULL;
        while (!message || message->err) {
            if (message) rd_kafka_message_destroy(message);
            message = rd_kafka_consumer_poll(reader, 1000);
        }
        rd_kafka_message_destroy(message);
        total_us += now_us() - began;
    }
    printf("Avg latency: %.4f ms\n", total_us / 1e3 / records);
    fflush(stdout);
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
    rd_kafka_destroy(writer);
}

int main(int count, char **arguments) {
    if (count != 7) fail("usage: (produce|consume|round-trips) SERVERS TOPIC RECORDS SIZE (BATCH-SIZE|GROUP)");
    const char *what = arguments[1], *servers = arguments[2], *topic = arguments[3];
    int64_t records = atoll(arguments[4]);
    size_t size = (size_t)atoll(arguments[5]);
    if (!strcmp(what, "produce")) produce(servers, topic, records, size, arguments[6]);
    else if (!strcmp(what, "consume")) consume(servers, topic, records, arguments[6]);
    else round_trips(servers, topic, records, size);
    return 0;
}
