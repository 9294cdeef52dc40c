"""Invocations of the tools of files, records and measuring."""

from steps import S, of


def add():
    T = "--cluster-id XcZZOzUqS4yHOjhMQB6JLQ"

    of("storage", f"""
        --nonsense
        nonsense
        version-mapping
        version-mapping --release-version 3.3-IV3
        version-mapping -r 3.9
        version-mapping -r 2.9-IV2
        feature-dependencies
        feature-dependencies --feature transaction.version=2 --feature eligible.leader.replicas.version=1
        feature-dependencies -f metadata.version=17
        feature-dependencies -f metadata.version=1
        feature-dependencies -f unknown.feature.version=1
        feature-dependencies -f group.version=1000
        feature-dependencies -f group.version=x
        feature-dependencies -f group.version
        info --config {{F}}/static.properties
        format --config {{F}}/static.properties
        format --config {{F}}/static.properties {T} --standalone
        format --config {{F}}/static.properties {T} --feature non.existent.feature=20
        format --config {{F}}/static.properties {T} --feature group.version
        format --config {{F}}/static.properties {T} --feature group.version=x
        format --config {{F}}/static.properties {T} --feature kraft.version=1
        format --config {{F}}/static.properties {T} --feature group.version=99
        format --config {{F}}/static.properties {T} --release-version 3.3-IV1
        format --config {{F}}/static.properties {T} --release-version 3.9 --feature metadata.version=20
        format --config {{F}}/static.properties {T} --release-version 3.4 --add-scram SCRAM-SHA-256=[name=a,password=b]
        format --config {{F}}/static.properties {T} --add-scram nonsense
        format --config {{F}}/static.properties {T} --add-scram SCRAM-SHA-1=[name=a,password=b]
        format --config {{F}}/static.properties {T} --add-scram SCRAM-SHA-256=[name=a,password=b,iterations=1]
        format --config {{F}}/absent.properties {T}
        !format --config {{F}}/static.properties {T}
        format --config {{F}}/static.properties {T}
        format --config {{F}}/static.properties {T} --ignore-formatted
        format --config {{F}}/static.properties --cluster-id another --ignore-formatted
        info --config {{F}}/static.properties
        format --config {{F}}/dynamic.properties {T}
        format --config {{F}}/dynamic.properties {T} --standalone --no-initial-controllers
        format --config {{F}}/dynamic.properties {T} --standalone --feature kraft.version=0
        format --config {{F}}/dynamic.properties {T} --standalone --feature kraft.version=999
        format --config {{F}}/dynamic.properties {T} --initial-controllers 0@localhost
        !format --config {{F}}/dynamic.properties {T} --standalone --release-version 3.9-IV0
        !format --config {{F}}/voters.properties {T} --initial-controllers 0@localhost:8020:K90IZ-0DRNazJ49kCZ1EMQ,1@localhost:8030:aUARLskQTCW4qCZDtS_cwA
        info --config {{F}}/voters.properties
    """)

    of("dump-log", f"""
        --help
        --version
        --print-data-log
        --nonsense
        --files {{F}}/absent.log
        --files {{F}}/00000000000000000000.log
        --files {{F}}/static.properties
        --cluster-metadata-decoder --skip-record-metadata --files {{F}}/static-a/bootstrap.checkpoint
        --cluster-metadata-decoder --skip-record-metadata --files {{F}}/dynamic/bootstrap.checkpoint
        --files {{F}}/static-a/bootstrap.checkpoint --max-bytes many
        --print-data-log --value-decoder-class nonsense --files {{F}}/static-a/bootstrap.checkpoint
        --index-sanity-check --files {{DATA}}/orders-0/00000000000000000000.index
        --verify-index-only --files {{DATA}}/orders-0/00000000000000000000.timeindex
    """)

    of("replica-verification", """
        --help
        --version
        --topics-include x
        --broker-list localhost
        --broker-list localhost:1 --nonsense
        --broker-list localhost:1 --topics-include a(
    """)

    of("console-producer", f"""
        --help
        --version
        --topic t
        {S}
        --topic t --bootstrap-server localhost
        {S} --topic orders --nonsense
        {S} --topic orders --batch-size many
        {S} --topic orders --command-property a=b --producer-property a=b
        {S} --topic orders --reader-property headers.delimiter=,
        {S} --topic orders --line-reader nonsense
        {S} --topic orders
        {S} --topic orders --property parse.key=true
    """)

    of("console-consumer", f"""
        --help
        --version
        --topic orders
        {S}
        {S} --topic orders --include o.*
        {S} --include o.* --partition 0
        {S} --topic orders --offset 1
        {S} --topic orders --partition 0 --from-beginning --offset 1
        {S} --topic orders --partition 0 --offset nonsense
        {S} --topic orders --partition 0 --group g
        {S} --topic orders --group a --consumer-property group.id=b
        {S} --topic orders --from-beginning --command-property auto.offset.reset=latest
        {S} --topic orders --formatter nonsense
        {S} --topic orders --nonsense
        {S} --topic orders --partition 0 --offset earliest --timeout-ms 15000
        {S} --topic orders --partition 1 --offset earliest --max-messages 0
        {S} --topic orders --partition 0 --offset earliest --max-messages 1 --property print.offset=true --timeout-ms 60000
        {S} --topic orders --partition 0 --offset earliest --timeout-ms 15000 --formatter-property print.key=true --formatter-property print.partition=true --formatter-property print.offset=true --formatter-property print.headers=true --formatter-property print.epoch=true
        {S} --topic orders --partition 0 --offset earliest --timeout-ms 15000 --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter
    """)

    of("producer-perf-test", f"""
        --topic orders
        {S} --topic orders --num-records 0 --throughput -1 --record-size 10
        {S} --topic orders --num-records 5 --throughput -1
        {S} --topic orders --num-records 5 --throughput -1 --record-size 10 --payload-monotonic
        {S} --topic orders --num-records 5 --throughput -1 --record-size 0
        {S} --topic orders --num-records 5 --throughput -1 --record-size 10 --warmup-records 5
        {S} --topic orders --num-records 5 --throughput -1 --record-size 10 --transaction-duration-ms 0
        --topic orders --num-records 5 --throughput -1 --record-size 10
        {S} --topic orders --num-records 5 --throughput many --record-size 10
        {S} --topic orders --num-records 5 --throughput -1 --payload-file {{F}}/absent
    """)

    of("consumer-perf-test", f"""
        --topic orders --num-records 1
        {S} --num-records 1
        {S} --topic orders
        {S} --topic orders --num-records 1 --messages 1
        {S} --topic orders --num-records many
        {S} --topic orders --num-records 1 --consumer.config a --command-config b
    """)

    of("e2e-latency", f"""
        a b
        {S} --topic orders
        {S} --topic orders --num-records 1 --producer-acks 0 --record-size 1
        {S} --topic orders --num-records 0 --producer-acks 1 --record-size 1
        {S} --topic orders --num-records 1 --producer-acks 1 --record-size=-1
    """)

    of("dump-log", """
        --help
        --nonsense
        --files {DATA}/orders-0/00000000000000000000.log
        --files {DATA}/orders-0/00000000000000000000.log --print-data-log
        --files {DATA}/orders-0/00000000000000000000.log --print-data-log --skip-record-metadata
        --files {DATA}/orders-0/00000000000000000000.log --deep-iteration
        --files {DATA}/orders-0/00000000000000000000.log --max-bytes 100
        --files {DATA}/orders-0/00000000000000000000.index
        --files {DATA}/orders-0/00000000000000000000.timeindex
        --files {DATA}/orders-0/00000000000000000000.index,{DATA}/orders-0/00000000000000000000.log --index-sanity-check
        --files {DATA}/orders-0/00000000000000000000.index --verify-index-only
        --files {DATA}/orders-0/absent.log
        --files {F}/client.properties
        --files {DATA}/orders-0/00000000000000000000.log --max-message-size x
    """)

    of("storage", """
        --help
        nonsense
        info
        info --config {F}/absent.properties
        format
        format --config {F}/storage.properties
        format --config {F}/storage.properties --cluster-id short
        format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --release-version 9.9
        format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --feature nonsense=1
        format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --add-scram nonsense
        format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --initial-controllers nonsense
        info --config {F}/storage.properties
        !format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --standalone
        format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --standalone
        format --config {F}/storage.properties --cluster-id T3R0bGEtQ29tcGF0VGVzdA --standalone --ignore-formatted
        info --config {F}/storage.properties
        version-mapping
        version-mapping --release-version 4.0
        version-mapping --release-version 9.9
        feature-dependencies --feature transaction.version=2
        feature-dependencies --feature nonsense=1
        random-uuid
    """)
