"""What is asked of the tools, in this order."""

import administration
import offline_tools
from steps import FILES, PROPERTIES, STEPS, S, Step, of  # noqa: F401

of("topics", f"""
    --help
    --version
    --list
    {S}
    {S} --list --create
    {S} --list
    --zookeeper localhost:2181 --list
    {S} --nonsense
    {S} --list --topic
    {S} --create
    {S} --create --topic bad --partitions many
    {S} --create --topic bad --partitions 0
    {S} --create --topic bad --replication-factor 0
    {S} --create --topic bad --replication-factor 40000
    {S} --create --topic bad --replication-factor 2
    {S} --create --topic bad/name
    {S} --create --topic bad --config nonsense=1
    {S} --create --topic bad --config retention.ms=soon
    {S} --create --topic bad --config retention.ms
    {S} --create --topic bad --replica-assignment 1:1
    {S} --create --topic bad --replica-assignment 1:2,3
    {S} --create --topic bad --replica-assignment x
    {S} --create --topic bad --replica-assignment 7
    {S} --create --topic bad --replica-assignment 1 --partitions 2
    {S} --create --topic a --topic b
    !{S} --create --topic orders --partitions 3 --replication-factor 1
    !{S} -create -topic=payments --partitions=1 --config cleanup.policy=compact --config segment.bytes=1048576 --config retention.ms=600000
    !{S} --create --topic under_score --replica-assignment 1,1
    !{S} --create --topic defaults
    {S} --create --topic orders
    !{S} --create --topic orders --if-not-exists
    {S} --list
    {S} --list --exclude-internal
    {S} --list --topic 'o.*,p.*'
    {S} --list --topic 'o('
    {S} --list --command-config {{F}}/client.properties
    {S} --list --command-config {{F}}/absent.properties
    {S} --describe --topic orders
    {S} --describe --topic payments
    ~{S} --describe
    ~{S} --describe --topics-with-overrides
    {S} --describe --under-replicated-partitions
    {S} --describe --unavailable-partitions
    {S} --describe --under-min-isr-partitions
    {S} --describe --topic orders --at-min-isr-partitions
    {S} --describe --topic absent
    {S} --describe --topic absent --if-exists
    {S} --describe --if-exists
    {S} --describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ
    {S} --describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ --if-exists
    {S} --describe --topic-id short
    {S} --describe --topic orders --partition-size-limit-per-response 1
    {S} --describe --topics-with-overrides --under-replicated-partitions
    {S} --alter --topic orders
    {S} --alter --topic orders --partitions 2
    {S} --alter --topic orders --partitions 3
    {S} --alter --topic absent --partitions 3
    {S} --alter --topic absent --partitions 3 --if-exists
    {S} --alter --topic orders --partitions 4 --config retention.ms=1
    !{S} --alter --topic orders --partitions 4
    !{S} --alter --topic defaults --partitions 3 --replica-assignment 1,1,1
    {S} --describe --topic defaults
    {S} --list --if-exists
    {S} --list --if-not-exists
    {S} --delete --topic absent
    {S} --delete --topic absent --if-exists
    {S} --delete
    !{S} --delete --topic under_score
    {S} --delete --topic orders --exclude-internal
    {S} --describe --delete-config retention.ms --topic orders
""")

STEPS += [Step("@produce", "{B} orders 0 10", True), Step("@produce", "{B} orders 1 5", True), Step("@produce", "{B} payments 0 7", True)]

of("get-offsets", f"""
    --help
    --topic orders
    --bootstrap-server nowhere --topic orders
    {S} --nonsense
    {S}
    {S} --topic orders
    {S} --topic orders --time -1
    {S} --topic orders --time -2
    {S} --topic orders --time earliest
    {S} --topic orders --time max-timestamp
    {S} --topic orders --time earliest-local
    {S} --topic orders --time 3000
    {S} --topic orders --time 99000
    {S} --topic orders --time yesterday
    {S} --topic 'o.*' --partitions 0,1
    {S} --topic orders --partitions 0,x
    {S} --topic-partitions orders:0-2,payments
    {S} --topic-partitions :1
    {S} --topic-partitions orders:x
    {S} --topic-partitions orders --topic orders
    {S} --topic absent
    {S} --exclude-internal-topics
    {S} --topic orders --command-config {{F}}/client.properties
""")

of("configs", f"""
    --help
    {S}
    --describe --topic orders
    {S} --describe --alter
    {S} --describe
    {S} --describe --entity-type topic
    {S} --describe --entity-type topics --entity-type topics
    {S} --describe --entity-type topics --entity-type brokers
    {S} --describe --entity-type topics --topic orders
    {S} --describe --entity-type topics --entity-default
    {S} --describe --broker one
    {S} --describe --topic orders --add-config a=b
    {S} --bootstrap-controller {{C}} --describe --topic orders
    {S} --alter --topic orders
    {S} --alter --entity-type topics --add-config a=b
    {S} --alter --entity-type users --add-config producer_byte_rate=1
    {S} --alter --topic orders --add-config retention.ms
    {S} --alter --topic orders --add-config retention.ms=soon
    {S} --alter --topic orders --add-config nonsense=1
    {S} --alter --topic orders --add-config 'bad key=1'
    {S} --alter --topic absent --add-config retention.ms=1000
    {S} --alter --topic orders --add-config a=b --add-config-file {{F}}/add.properties
    {S} --alter --topic orders --add-config-file {{F}}/bad.properties
    {S} --alter --topic orders --add-config-file {{F}}/absent.properties
    !{S} --alter --topic orders --add-config retention.ms=7200000,segment.bytes=1048576
    !{S} --alter --entity-type topics --entity-name orders --add-config 'cleanup.policy=[compact,delete]'
    {S} --describe --topic orders
    {S} --describe --entity-type topics --entity-name orders
    {S} --describe --topic absent
    {S} --describe --topic bad/name
    ~{S} --describe --entity-type topics
    !{S} --alter --topic orders --add-config-file {{F}}/add.properties --delete-config segment.bytes
    {S} --describe --topic orders
    {S} --alter --topic orders --delete-config nonsense
    {S} --describe --broker 1
    {S} --describe --broker 7
    {S} --describe --broker-defaults
    {S} --describe --entity-type brokers --entity-default
    !{S} --alter --broker 1 --add-config log.cleaner.threads=2
    !{S} --alter --broker-defaults --add-config log.retention.ms=900000
    {S} --describe --broker 1
    {S} --describe --entity-type brokers
    {S} --alter --broker 1 --add-config process.roles=broker
    !{S} --alter --broker 1 --delete-config log.cleaner.threads
    !{S} --alter --broker-defaults --delete-config log.retention.ms
    {S} --describe --broker-logger 7
    {S} --describe --entity-type broker-loggers
    {S} --alter --broker-logger 1 --add-config no.such.logger=DEBUG
    {S} --describe --entity-type groups
    {S} --describe --group absent
    !{S} --alter --group g-settings --add-config consumer.session.timeout.ms=50000
    {S} --describe --group g-settings
    {S} --describe --entity-type groups
    {S} --alter --group g-settings --add-config nonsense=1
    !{S} --alter --client-metrics m1 --add-config interval.ms=5000,metrics=[org.apache.kafka.producer.]
    {S} --describe --client-metrics m1
    {S} --describe --client-metrics absent
    {S} --describe --entity-type client-metrics
    {S} --alter --client-metrics m1 --add-config nonsense=1
    {S} --describe --user alice
    !{S} --alter --user alice --add-config producer_byte_rate=1024,consumer_byte_rate=2048
    {S} --describe --user alice
    !{S} --alter --user-defaults --add-config request_percentage=50.5
    {S} --describe --user-defaults
    ~{S} --describe --entity-type users
    !{S} --alter --entity-type users --entity-name alice --entity-type clients --entity-name app --add-config producer_byte_rate=20000000
    {S} --describe --entity-type users --entity-name alice --entity-type clients --entity-name app
    {S} --alter --user alice --add-config nonsense=1
    {S} --alter --client app --add-config SCRAM-SHA-256=[password=x]
    {S} --alter --user alice --delete-config request_percentage
    {S} --alter --user alice --add-config producer_byte_rate=fast
    !{S} --alter --user bob --add-config SCRAM-SHA-256=[iterations=8192,password=secret]
    {S} --describe --user bob
    {S} --alter --user bob --add-config SCRAM-SHA-256=[iterations=100,password=secret]
    {S} --alter --user bob --add-config SCRAM-SHA-256=[nothing=1]
    {S} --alter --user-defaults --add-config SCRAM-SHA-256=[password=x]
    {S} --alter --user bob --add-config SCRAM-SHA-256=[password=x],producer_byte_rate=1
    !{S} --alter --ip 127.0.0.1 --add-config connection_creation_rate=1000
    {S} --describe --ip 127.0.0.1
    {S} --describe --entity-type ips
    {S} --alter --ip 127.0.0.1 --add-config producer_byte_rate=1
    {S} --alter --client app --delete-config producer_byte_rate
""")

of("consumer-groups", f"""
    --help
    {S}
    --list
    {S} --list --describe --all-groups
    {S} --list --group g
    {S} --list --members
    {S} --list --timeout x
    {S} --describe
    {S} --describe --group g --members --offsets
    {S} --describe --group g --state Stable
    {S} --describe --topic t --group g
    {S} --delete
    {S} --delete --group g --topic t
    {S} --delete-offsets --group g
    {S} --reset-offsets --topic orders
    {S} --reset-offsets --group g --dry-run --execute
    {S} --reset-offsets --group g --to-earliest --to-latest --topic orders
    {S} --reset-offsets --group g --to-earliest --dry-run
    {S} --reset-offsets --group g --topic orders --dry-run
    {S} --reset-offsets --group g --topic absent --to-earliest --dry-run
    {S} --reset-offsets --group g --topic orders:9 --to-earliest --dry-run
    {S} --reset-offsets --group g --topic orders:x --to-earliest --dry-run
    {S} --reset-offsets --group g --topic orders: --to-earliest --dry-run
    {S} --reset-offsets --group g --topic orders --shift-by 1 --dry-run
    ~{S} --reset-offsets --group g --topic orders --to-earliest
    ~{S} --reset-offsets --group g --topic orders --to-latest --dry-run
    ~{S} --reset-offsets --group g --topic orders:0,1 --to-offset 3 --dry-run
    ~{S} --reset-offsets --group g --topic orders:0 --to-offset 99 --dry-run
    {S} --reset-offsets --group g --topic orders:0 --to-offset x --dry-run
    ~{S} --reset-offsets --group g --topic orders:0 --to-datetime 1970-01-01T00:00:03.000 --dry-run
    ~{S} --reset-offsets --group g --topic orders:0 --to-datetime 1970-01-01T01:00:03.000+01:00 --dry-run
    ~{S} --reset-offsets --group g --topic orders:0,2 --to-datetime 2030-01-01T00:00:00.000Z --dry-run
    {S} --reset-offsets --group g --topic orders:0 --to-datetime 2030-01-01 --dry-run
    {S} --reset-offsets --group g --topic orders:0 --to-datetime 2030-13-01T00:00:00.000 --dry-run
    ~{S} --reset-offsets --group g --topic orders:0 --by-duration PT1H --dry-run
    {S} --reset-offsets --group g --topic orders:0 --by-duration hour --dry-run
    ~{S} --reset-offsets --group g --topic orders --to-current --dry-run
    !~{S} --reset-offsets --group g-one --topic orders:0,1 --topic payments --to-offset 4 --execute
    !~{S} --reset-offsets --group g-two --topic orders:0 --to-latest --execute
    ~{S} --list
    ~{S} --list --state
    ~{S} --list --type
    ~{S} --list --type --state
    {S} --list --state empty
    {S} --list --state stable
    {S} --list --type consumer
    {S} --list --state nonsense
    {S} --list --type share
    ~{S} --describe --group g-one
    ~{S} --describe --group g-one --offsets --verbose
    {S} --describe --group g-one --members
    {S} --describe --group g-one --members --verbose
    {S} --describe --group g-one --state
    {S} --describe --group g-one --state --verbose
    ~{S} --describe --all-groups
    {S} --describe --group absent
    {S} --describe --group absent --members
    ~{S} --reset-offsets --group g-one --all-topics --shift-by 2 --dry-run
    ~{S} --reset-offsets --group g-one --all-topics --shift-by -99 --dry-run
    ~{S} --reset-offsets --group g-one --all-topics --to-current --export --dry-run
    ~{S} --reset-offsets --group g-one --group g-two --all-topics --to-current --export --dry-run
    ~{S} --reset-offsets --group g-one --from-file {{F}}/reset.csv --dry-run
    ~{S} --reset-offsets --group g-csv --group g-one --from-file {{F}}/reset-groups.csv --dry-run
    {S} --reset-offsets --group g-one --from-file {{F}}/absent.csv --dry-run
    !~{S} --reset-offsets --group g-one --topic orders:0 --to-earliest --execute
    ~{S} --describe --group g-one
    ~{S} --delete-offsets --group g-one --topic orders:1
    ~{S} --delete-offsets --group g-one --topic absent
    {S} --delete-offsets --group absent --topic orders
    ~{S} --describe --group g-one
    {S} --delete --group absent
    {S} --delete --group g-two
    ~{S} --delete --group absent --group g-two
    --validate-regex a.*
    --validate-regex a(
    --validate-regex [a
    --validate-regex *a
    {S} --describe --group g-one --offsets --timeout 50000 --command-config {{F}}/client.properties
""")

STEPS += [Step("@consume", "{B} g-live payments classic app", True), Step("@consume", "{B} g-new payments consumer app", True), Step("@consume", "{B} g-static payments consumer app instance-1", True)]

of("consumer-groups", f"""
    {S} --describe --group g-live
    {S} --describe --group g-live --members
    {S} --describe --group g-live --members --verbose
    {S} --describe --group g-live --state
    {S} --describe --group g-new
    {S} --describe --group g-new --verbose
    {S} --describe --group g-new --members
    {S} --describe --group g-new --members --verbose
    {S} --describe --group g-new --state --verbose
    {S} --describe --group g-static --members --verbose
    {S} --reset-offsets --group g-live --topic payments --to-earliest --dry-run
    {S} --delete --group g-live
    ~{S} --delete-offsets --group g-live --topic payments
    ~{S} --list --state --type
""")

of("groups", f"""
    --help
    --list
    {S}
    ~{S} --list
    {S} --list --group-type nonsense
    ~{S} --list --group-type classic
    ~{S} --list --group-type consumer
    {S} --list --group-type share
    ~{S} --list --protocol consumer
    {S} --list --protocol nonsense
    ~{S} --list --consumer
    {S} --list --share
    {S} --list --streams
    {S} --list --share --streams
    {S} --list --consumer --group-type consumer
""")

of("reassign-partitions", f"""
    --help
    {S}
    --list
    {S} --list --verify
    {S} --list --bootstrap-controller {{C}}
    {S} --execute
    {S} --generate --broker-list 1
    {S} --generate --broker-list 1 --topics-to-move-json-file {{F}}/move.json --throttle 1
    {S} --list --throttle 1
    {S} --list
    --bootstrap-controller {{C}} --list
    {S} --generate --broker-list 1 --topics-to-move-json-file {{F}}/move.json
    {S} --generate --broker-list 1 --topics-to-move-json-file {{F}}/move.json --disable-rack-aware
    {S} --generate --broker-list 1,1 --topics-to-move-json-file {{F}}/move.json
    {S} --generate --broker-list x --topics-to-move-json-file {{F}}/move.json
    {S} --generate --broker-list 9 --topics-to-move-json-file {{F}}/move.json
    {S} --generate --broker-list 1 --topics-to-move-json-file {{F}}/move-twice.json
    {S} --generate --broker-list 1 --topics-to-move-json-file {{F}}/move-none.json
    {S} --generate --broker-list 1 --topics-to-move-json-file {{F}}/absent.json
    {S} --execute --reassignment-json-file {{F}}/plan-broker.json
    {S} --execute --reassignment-json-file {{F}}/plan-twice.json
    {S} --execute --reassignment-json-file {{F}}/plan-same.json
    {S} --execute --reassignment-json-file {{F}}/plan-empty.json
    {S} --execute --reassignment-json-file {{F}}/plan-none.json
    {S} --execute --reassignment-json-file {{F}}/plan-partition.json
    {S} --execute --reassignment-json-file {{F}}/plan-version.json
    {S} --execute --reassignment-json-file {{F}}/plan-sizes.json
    !{S} --execute --reassignment-json-file {{F}}/plan.json
    {S} --verify --reassignment-json-file {{F}}/plan.json --preserve-throttles
    !{S} --execute --reassignment-json-file {{F}}/plan.json --throttle 50000 --replica-alter-log-dirs-throttle 60000
    {S} --verify --reassignment-json-file {{F}}/plan.json
    {S} --execute --reassignment-json-file {{F}}/plan-dirs.json
    {S} --verify --reassignment-json-file {{F}}/plan-dirs.json
    {S} --verify --reassignment-json-file {{F}}/plan-none.json --preserve-throttles
    {S} --verify --reassignment-json-file {{F}}/plan-broker.json --preserve-throttles
    {S} --cancel --reassignment-json-file {{F}}/plan.json
    {S} --cancel --reassignment-json-file {{F}}/plan-dirs.json --preserve-throttles
    {S} --execute --reassignment-json-file {{F}}/plan.json --disallow-replication-factor-change --additional
""")

offline_tools.add()
administration.add()
