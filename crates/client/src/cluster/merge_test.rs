use super::*;

fn broker(id: i32) -> MetadataResponseBroker {
    MetadataResponseBroker { node_id: id, host: "h".into(), port: 9092, rack: None }
}

fn partition(index: i32, leader: i32, epoch: i32) -> MetadataResponsePartition {
    MetadataResponsePartition {
        partition_index: index,
        leader_id: leader,
        leader_epoch: epoch,
        ..Default::default()
    }
}

fn topic(name: &'static str, id: u8, partitions: Vec<MetadataResponsePartition>) -> MetadataResponseTopic {
    MetadataResponseTopic {
        name: Some(Str::from_static(name)),
        topic_id: Uuid([id; 16]),
        partitions,
        ..Default::default()
    }
}

fn response(topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    MetadataResponse { brokers: vec![broker(1), broker(2)], controller_id: 1, topics, ..Default::default() }
}

fn take(old: &Metadata, epochs: &mut Epochs, topics: Vec<MetadataResponseTopic>) -> Merged {
    merge(old, epochs, response(topics), 13, false, |_| true)
}

#[test]
fn an_older_epoch_does_not_undo_a_newer_one() {
    let mut epochs = Epochs::new();
    let first = take(&Metadata::default(), &mut epochs, vec![topic("t", 1, vec![partition(0, 1, 5)])]);
    assert!(first.news && !first.again);
    let older = take(&first.metadata, &mut epochs, vec![topic("t", 1, vec![partition(0, 2, 4)])]);
    assert_eq!(older.metadata.partition("t", 0).unwrap().leader, Some(1));
    assert!(!older.news);
    let same = take(&older.metadata, &mut epochs, vec![topic("t", 1, vec![partition(0, 2, 5)])]);
    assert_eq!(same.metadata.partition("t", 0).unwrap().leader, Some(2));
    let newer = take(&same.metadata, &mut epochs, vec![topic("t", 1, vec![partition(0, 1, 6)])]);
    assert!(newer.news);
    assert_eq!(newer.metadata.leader("t", 0).unwrap().id, 1);
    assert_eq!(newer.metadata.generation, 4);
}

#[test]
fn a_topic_made_anew_begins_with_new_epochs() {
    let mut epochs = Epochs::new();
    let first = take(&Metadata::default(), &mut epochs, vec![topic("t", 1, vec![partition(0, 1, 5)])]);
    let anew = take(&first.metadata, &mut epochs, vec![topic("t", 2, vec![partition(0, 2, 0)])]);
    assert_eq!(anew.metadata.partition("t", 0).unwrap().leader, Some(2));
    assert_eq!(epochs["t"][&0], 0);
}

#[test]
fn epochs_of_old_brokers_are_not_believed() {
    let mut epochs = Epochs::new();
    let answer = response(vec![topic("t", 0, vec![partition(0, 1, 5)])]);
    let merged = merge(&Metadata::default(), &mut epochs, answer, 8, false, |_| true);
    assert_eq!(merged.metadata.partition("t", 0).unwrap().leader_epoch, None);
}

#[test]
fn a_partial_answer_keeps_the_other_topics() {
    let mut epochs = Epochs::new();
    let first = take(&Metadata::default(), &mut epochs, vec![topic("a", 1, vec![]), topic("b", 2, vec![])]);
    let answer = response(vec![topic("c", 3, vec![])]);
    let merged = merge(&first.metadata, &mut epochs, answer, 13, true, |name| name != "b");
    let mut names: Vec<&str> = merged.metadata.topics.keys().map(|name| &**name).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "c"]);
}

#[test]
fn errors_and_nonsense() {
    let mut epochs = Epochs::new();
    let mut missing = topic("t", 0, vec![]);
    missing.error_code = ErrorCode::LeaderNotAvailable.code();
    let mut broken =
        topic("u", 1, vec![partition(1, 1, 0), partition(-4, 1, 0), partition(1, 2, 0), partition(0, -1, 3)]);
    broken.partitions[3].error_code = ErrorCode::LeaderNotAvailable.code();
    let mut answer =
        response(vec![missing, broken, MetadataResponseTopic { name: None, ..Default::default() }]);
    answer.brokers.push(MetadataResponseBroker { node_id: 3, port: 70_000, ..Default::default() });
    answer.controller_id = -1;
    let merged = merge(&Metadata::default(), &mut epochs, answer, 13, false, |_| true);
    assert!(merged.again);
    let metadata = merged.metadata;
    assert_eq!(metadata.controller_id, None);
    assert_eq!(metadata.nodes.len(), 2);
    assert_eq!(metadata.topics["t"].error, ErrorCode::LeaderNotAvailable);
    let indexes: Vec<i32> = metadata.topics["u"].partitions.iter().map(|partition| partition.index).collect();
    assert_eq!(indexes, [0, 1]);
    assert_eq!(metadata.partition("u", 0).unwrap().leader, None);
}

#[test]
fn a_leader_learnt_in_passing_must_be_newer_and_known() {
    let mut epochs = Epochs::new();
    let old = take(&Metadata::default(), &mut epochs, vec![topic("t", 1, vec![partition(0, 1, 5)])]).metadata;
    let name = Str::from("t");
    let learn = |leader, epoch, nodes: &[Node]| {
        with_leader(&old, &mut epochs.clone(), &name, 0, leader, epoch, nodes)
            .map(|new| (new.partition("t", 0).unwrap().leader, new.nodes.len()))
    };
    assert_eq!(learn(2, 5, &[]), None);
    assert_eq!(learn(2, 6, &[]), Some((Some(2), 2)));
    assert_eq!(learn(3, 6, &[]), None);
    let third = Node { id: 3, host: "h3".into(), port: 1, rack: None };
    assert_eq!(learn(3, 6, &[third]), Some((Some(3), 3)));
    assert_eq!(learn(-1, 6, &[]), None);
    assert_eq!(with_leader(&old, &mut epochs, &name, 7, 2, 9, &[]), None);
}
