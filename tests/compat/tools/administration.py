"""Invocations of the tools that administer a cluster, besides topics, settings, groups of consumers and plans."""

from steps import S, of


def add():
    of("delete-records", f"""
        --help
        {S}
        --offset-json-file {{F}}/delete.json
        {S} --offset-json-file {{F}}/absent.json
        {S} --offset-json-file {{F}}/delete-bad.json
        {S} --offset-json-file {{F}}/delete-twice.json
        {S} --offset-json-file {{F}}/delete-version.json
        ~{S} --offset-json-file {{F}}/delete-none.json
        ~{S} --offset-json-file {{F}}/delete-far.json
        !~{S} --offset-json-file {{F}}/delete.json
    """)
    of("get-offsets", f"{S} --topic orders --time earliest")

    of("leader-election", f"""
        --help
        {S}
        --election-type preferred --all-topic-partitions
        {S} --election-type preferred
        {S} --election-type nonsense --all-topic-partitions
        {S} --election-type preferred --topic orders
        {S} --election-type preferred --partition 0
        {S} --election-type preferred --topic orders --partition 0 --all-topic-partitions
        ~{S} --election-type preferred --topic orders --partition 0
        ~{S} --election-type unclean --topic orders --partition 0
        {S} --election-type preferred --topic absent --partition 0
        {S} --election-type preferred --path-to-json-file {{F}}/absent.json
        ~{S} --election-type preferred --path-to-json-file {{F}}/elect.json
        {S} --election-type preferred --path-to-json-file {{F}}/elect-twice.json
        {S} --election-type preferred --path-to-json-file {{F}}/elect-bad.json
    """)

    of("log-dirs", f"""
        --help
        {S}
        --describe
        {S} --describe --topic-list orders
        {S} --describe --topic-list absent
        {S} --describe --broker-list 1 --topic-list payments
        {S} --describe --broker-list 9
        {S} --describe --broker-list x
    """)

    of("acls", f"""
        --help
        {S}
        --list
        {S} --list --add
        {S} --list
        {S} --add
        {S} --add --allow-principal User:alice
        {S} --add --allow-principal User:alice --operation Read --topic orders
        {S} --add --allow-principal alice --operation Read --topic orders
        {S} --add --allow-principal User:alice --operation Nonsense --topic orders
        {S} --add --producer --topic orders
        {S} --remove --allow-principal User:alice --operation Read --topic orders --force
        {S} --list --principal User:alice
        {S} --list --resource-pattern-type nonsense
    """)

    of("broker-api-versions", f"""
        --help
        --version
        {S} --nonsense
        {S}
        {S} --command-config {{F}}/client.properties
    """)

    of("client-metrics", f"""
        --help
        {S}
        --list
        {S} --list --describe
        {S} --list
        {S} --alter
        {S} --alter --name m2
        !{S} --alter --name m2 --metrics org.apache.kafka.consumer. --interval 30000
        {S} --alter --name m2 --interval nonsense
        {S} --alter --name m2 --match nonsense
        {S} --alter --name m2 --generate-name --interval 1000
        !{S} --alter --name m2 --match client_id=app
        {S} --describe --name m2
        {S} --describe --name absent
        {S} --describe
        {S} --describe --name m2 --interval 1000
        {S} --list
        {S} --delete
        !{S} --delete --name m2
        {S} --delete --name absent
        {S} --list --name m2
    """)

    of("cluster", f"""
        cluster-id {S}
        list-endpoints {S}
        list-endpoints {S} --include-fenced-brokers
        list-endpoints --bootstrap-controller {{C}}
        unregister {S} --id 9
        cluster-id --bootstrap-controller {{C}}
        cluster-id {S} --bootstrap-controller {{C}}
        cluster-id
        unregister {S} --id nine
        nonsense
        --help
        cluster-id --help
    """)

    of("features", f"""
        --help
        {S}
        describe
        {S} describe
        --bootstrap-controller {{C}} describe
        {S} --bootstrap-controller {{C}} describe
        {S} nonsense
        {S} upgrade
        {S} upgrade --feature kraft.version
        {S} upgrade --feature nonsense=1 --dry-run
        {S} upgrade --feature metadata.version=2000 --dry-run
        {S} upgrade --release-version 9.9
        {S} upgrade --release-version 4.3 --dry-run
        {S} downgrade --feature metadata.version=1 --dry-run
        {S} disable --feature nonsense
        {S} version-mapping
        {S} version-mapping --release-version 4.0
        {S} version-mapping --release-version 9.9
        {S} feature-dependencies --feature transaction.version=2
        {S} feature-dependencies --feature nonsense=1
    """)

    of("metadata-quorum", f"""
        --help
        {S}
        describe --status
        {S} describe
        {S} describe --status --replication
        {S} describe --status
        {S} describe --replication
        {S} describe --replication --human-readable
        {S} describe --status --human-readable
        --bootstrap-controller {{C}} describe --status
        {S} nonsense
        {S} remove-controller
        {S} remove-controller --controller-id 9
        {S} remove-controller --controller-id 9 --controller-directory-id short
        {S} remove-controller --controller-id 9 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ
        {S} add-controller
    """)

    of("transactions", f"""
        --help
        {S}
        list
        {S} list
        {S} list --duration-filter 1000
        {S} list --transactional-id-pattern 'a.*'
        {S} list --transactional-id-pattern 'a('
        {S} describe
        {S} describe --transactional-id absent
        {S} describe-producers
        {S} describe-producers --topic orders --partition 0
        {S} describe-producers --topic orders --partition 99
        {S} describe-producers --topic absent --partition 0
        {S} abort
        {S} abort --topic orders --partition 0
        {S} abort --topic orders --partition 0 --start-offset 0
        {S} find-hanging
        {S} find-hanging --broker-id 1
        {S} find-hanging --topic orders
        {S} force-terminate
        {S} nonsense
    """)

    of("delegation-tokens", f"""
        --help
        {S}
        {S} --create
        {S} --describe
        {S} --describe --command-config {{F}}/client.properties
        {S} --create --max-life-time-period -1 --command-config {{F}}/client.properties
        {S} --renew --command-config {{F}}/client.properties
        {S} --expire --hmac x --command-config {{F}}/client.properties
        {S} --create --describe --command-config {{F}}/client.properties
    """)

    of("share-groups", f"""
        --help
        {S}
        --list
        {S} --list --describe --all-groups
        {S} --list
        {S} --list --state
        {S} --list --state nonsense
        {S} --describe
        {S} --describe --group absent
        {S} --describe --group absent --members
        {S} --describe --group absent --state
        {S} --describe --group g --members --offsets
        {S} --delete
        {S} --delete --group absent
        {S} --delete-offsets --group g
        {S} --delete-offsets --group absent --topic orders
        {S} --reset-offsets --group g
        {S} --reset-offsets --group g --topic orders --to-earliest --dry-run
        {S} --reset-offsets --group g --topic absent --to-earliest --dry-run
        {S} --reset-offsets --group g --topic orders --to-earliest --to-latest --dry-run
        {S} --list --timeout x
    """)

    of("streams-groups", f"""
        --help
        {S}
        --list
        {S} --list --describe --all-groups
        {S} --list
        {S} --list --state
        {S} --list --state nonsense
        {S} --describe
        {S} --describe --group absent
        {S} --describe --group absent --members
        {S} --describe --group g --members --offsets
        {S} --delete
        {S} --delete --group absent
        {S} --delete-offsets --group g
        {S} --reset-offsets --group g
        {S} --reset-offsets --group g --to-earliest --to-latest --input-topic orders --dry-run
    """)
