use super::*;

const TOPIC: Uuid = Uuid::from_parts(1, 1);

fn dir(id: i32) -> Uuid {
    Uuid::from_parts(1_000, id as u64)
}

fn partition(replicas: &[i32], isr: &[i32]) -> PartitionRegistration {
    let directories = replicas.iter().map(|id| dir(*id)).collect();
    PartitionRegistration::new(replicas.to_vec(), directories, isr.to_vec())
}

struct Case<'a> {
    alive: &'a [i32],
    min_isr: usize,
    elr: bool,
    version: MetadataVersion,
}

const ALL: Case<'static> =
    Case { alive: &[0, 1, 2, 3, 4], min_isr: 1, elr: false, version: MetadataVersion::LATEST_PRODUCTION };

fn build(
    case: &Case<'_>,
    partition: &PartitionRegistration,
    set: impl for<'b> FnOnce(PartitionChangeBuilder<'b>) -> PartitionChangeBuilder<'b>,
) -> Option<PartitionChangeRecord> {
    let context = ChangeContext {
        is_acceptable_leader: &|id| case.alive.contains(&id),
        default_dir: &dir,
        metadata_version: case.version,
        min_isr: case.min_isr,
        is_elr_enabled: case.elr,
    };
    let (record, version) = set(PartitionChangeBuilder::new(partition, TOPIC, 0, &context)).build()?;
    assert_eq!(version, case.version.partition_change_record_version());
    match record {
        MetadataRecord::PartitionChange(record) => Some(record),
        other => panic!("{other:?}"),
    }
}

fn change() -> PartitionChangeRecord {
    PartitionChangeRecord { topic_id: TOPIC, partition_id: 0, ..Default::default() }
}

#[test]
fn nothing_to_do() {
    assert_eq!(build(&ALL, &partition(&[1, 2], &[1, 2]), |b| b), None);
    assert_eq!(build(&ALL, &partition(&[1, 2], &[1, 2]), |b| b.election(Election::Preferred)), None);
}

#[test]
fn the_preferred_leader() {
    let mut led_by_2 = partition(&[1, 2, 3], &[1, 2, 3]);
    led_by_2.leader = 2;
    let record = build(&ALL, &led_by_2, |b| b.election(Election::Preferred));
    assert_eq!(record, Some(PartitionChangeRecord { leader: 1, ..change() }));
    assert_eq!(build(&ALL, &led_by_2, |b| b), None);
    // It is not in sync: the leader stays.
    led_by_2.isr = [2, 3].into();
    assert_eq!(build(&ALL, &led_by_2, |b| b.election(Election::Preferred)), None);
}

#[test]
fn a_leader_that_is_gone() {
    let alive_3 = Case { alive: &[3], ..ALL };
    let record = build(&alive_3, &partition(&[1, 2, 3], &[1, 2, 3]), |b| b.target_isr(vec![3]));
    assert_eq!(record, Some(PartitionChangeRecord { leader: 3, isr: Some(vec![3]), ..change() }));
    // Nobody in sync is alive: no leader, and the ISR keeps its last member.
    let record = build(&alive_3, &partition(&[1, 2, 3], &[1]), |b| b.target_isr(vec![]));
    assert_eq!(record, Some(PartitionChangeRecord { leader: NO_LEADER, ..change() }));
    let record =
        build(&alive_3, &partition(&[1, 2, 3], &[1]), |b| b.target_isr(vec![]).election(Election::Unclean));
    let unclean =
        PartitionChangeRecord { leader: 3, isr: Some(vec![3]), leader_recovery_state: 1, ..change() };
    assert_eq!(record, Some(unclean));
}

#[test]
fn an_isr_that_shrinks() {
    let three = partition(&[1, 2, 3], &[1, 2, 3]);
    let shrunk = PartitionChangeRecord { isr: Some(vec![1, 2]), ..change() };
    assert_eq!(build(&ALL, &three, |b| b.target_isr(vec![1, 2])), Some(shrunk.clone()));
    let old = Case { version: MetadataVersion::V3_5_IV2, ..ALL };
    let mut migrating = three.clone();
    migrating.directories = [Uuid::ZERO; 3].into();
    let bumped = PartitionChangeRecord { leader: 1, ..shrunk };
    assert_eq!(build(&old, &migrating, |b| b.target_isr(vec![1, 2])), Some(bumped));
}

#[test]
fn replicas_that_leave_a_small_isr_stay_eligible() {
    let case = Case { elr: true, min_isr: 2, ..ALL };
    let three = partition(&[1, 2, 3], &[1, 2, 3]);
    let record = build(&case, &three, |b| b.target_isr(vec![1, 2]));
    assert_eq!(record, Some(PartitionChangeRecord { isr: Some(vec![1, 2]), ..change() }));
    let record = build(&case, &three, |b| b.target_isr(vec![1])).unwrap();
    assert_eq!(record.eligible_leader_replicas, Some(vec![2, 3]));
    // One of them lost data.
    let record = build(&case, &three, |b| b.target_isr(vec![1]).unclean_shutdown_replicas(vec![3])).unwrap();
    assert_eq!(record.eligible_leader_replicas, Some(vec![2]));
}

#[test]
fn the_only_replica_stops_and_comes_back() {
    let down = Case { elr: true, alive: &[], ..ALL };
    let up = Case { elr: true, ..ALL };
    let one = partition(&[1], &[1]);
    // It stopped cleanly: it stays eligible, and is elected cleanly.
    let record = build(&down, &one, |b| b.target_isr(vec![])).unwrap();
    assert_eq!((record.leader, record.isr.as_deref()), (NO_LEADER, Some(&[][..])));
    assert_eq!(record.eligible_leader_replicas, Some(vec![1]));
    assert_eq!(record.last_known_elr, Some(vec![1]));
    let stopped = one.merge(&record).unwrap();
    let record = build(&up, &stopped, |b| b).unwrap();
    assert_eq!((record.leader, record.isr.as_deref(), record.leader_recovery_state), (1, Some(&[1][..]), -1));
    assert_eq!(record.eligible_leader_replicas, Some(vec![]));
    assert_eq!(record.last_known_elr, Some(vec![]));
    // It crashed: it may have lost data, but nobody else has any.
    let record = build(&down, &one, |b| b.target_isr(vec![]).unclean_shutdown_replicas(vec![1])).unwrap();
    assert_eq!(record.eligible_leader_replicas, None);
    assert_eq!(record.last_known_elr, Some(vec![1]));
    let record = build(&up, &one.merge(&record).unwrap(), |b| b).unwrap();
    assert_eq!((record.leader, record.isr.as_deref(), record.leader_recovery_state), (1, Some(&[1][..]), 1));
}

#[test]
fn reassignments() {
    let old = partition(&[1, 2], &[1, 2]);
    let moving = ReassignmentReplicas::between(&[1, 2], &[3, 2]);
    let record =
        build(&ALL, &old, |b| b.target_reassignment(moving.replicas, moving.removing, moving.adding))
            .unwrap();
    assert_eq!(record.replicas, Some(vec![3, 2, 1]));
    assert_eq!(record.directories, Some(vec![dir(3), dir(2), dir(1)]));
    assert_eq!(
        (record.removing_replicas.as_deref(), record.adding_replicas.as_deref()),
        (Some(&[1][..]), Some(&[3][..]))
    );
    assert_eq!(record.leader, NO_LEADER_CHANGE);
    // Replica 3 has come into sync: replica 1 goes, and 3 leads in its place.
    let under_way = old.merge(&record).unwrap();
    let record = build(&ALL, &under_way, |b| b.target_isr(vec![1, 2, 3])).unwrap();
    assert_eq!(record.replicas, Some(vec![3, 2]));
    assert_eq!(record.isr, Some(vec![2, 3]));
    assert_eq!(
        (record.removing_replicas.as_deref(), record.adding_replicas.as_deref()),
        (Some(&[][..]), Some(&[][..]))
    );
    assert_eq!(record.leader, 3);
}

#[test]
fn a_directory() {
    let record = build(&ALL, &partition(&[1, 2], &[1]), |b| b.directory(2, dir(77))).unwrap();
    assert_eq!(record, PartitionChangeRecord { directories: Some(vec![dir(1), dir(77)]), ..change() });
}
