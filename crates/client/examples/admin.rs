//! Looks after a cluster: makes a topic, looks at it, sets a configuration, and removes it again.
//!
//! `cargo run -p ottla-client --example admin -- localhost:9092`

use std::collections::BTreeMap;

use ottla_client::Result;
use ottla_client::admin::{
    Admin, AlterConfigOp, AlterConfigsOptions, ConfigResource, CreateTopicsOptions, DeleteTopicsOptions,
    DescribeClusterOptions, DescribeTopicsOptions, ListGroupsOptions, ListOffsetsOptions, NewTopic,
    OffsetSpec,
};
use ottla_protocol::{Str, TopicPartition};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let servers = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let admin = Admin::from_properties(&BTreeMap::from([("bootstrap.servers".to_owned(), servers)]))?;

    let cluster = admin.describe_cluster(&DescribeClusterOptions::default()).await?;
    println!("cluster {:?} with {} brokers", cluster.cluster_id, cluster.nodes.len());

    // What can go wrong for each key is told for each key.
    let topic = Str::from("ottla-example");
    let new = NewTopic::new(topic.clone(), Some(3), None);
    for (name, result) in admin.create_topics(&[new], &CreateTopicsOptions::default()).await {
        match result {
            Ok(created) => println!("created {name} with id {}", created.id),
            Err(error) => println!("{name} was not created: {error}"),
        }
    }

    let changes = BTreeMap::from([(
        ConfigResource::topic(topic.clone()),
        vec![AlterConfigOp::set("retention.ms", "3600000")],
    )]);
    for (resource, result) in admin.incremental_alter_configs(&changes, &AlterConfigsOptions::default()).await
    {
        println!("{resource}: {result:?}");
    }

    let names = std::slice::from_ref(&topic);
    for described in admin.describe_topics(names, &DescribeTopicsOptions::default()).await.into_values() {
        let partitions = described?.partitions;
        let keys = partitions.iter().map(|it| TopicPartition::new(topic.clone(), it.partition));
        let wanted = keys.map(|key| (key, OffsetSpec::Latest)).collect();
        for (key, offset) in admin.list_offsets(&wanted, &ListOffsetsOptions::default()).await {
            println!("{key} ends at {}", offset?.offset);
        }
    }

    let groups = admin.list_groups(&ListGroupsOptions::default()).await?.all()?;
    println!("{} groups", groups.len());

    for (name, result) in admin.delete_topics(names, &DeleteTopicsOptions::default()).await {
        println!("deleted {name}: {result:?}");
    }
    admin.close().await;
    Ok(())
}
