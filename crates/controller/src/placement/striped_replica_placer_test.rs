use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn brokers(list: &[(i32, Option<&str>, bool)]) -> Vec<UsableBroker> {
    let broker = |(id, rack, fenced): &(i32, Option<&str>, bool)| UsableBroker {
        id: *id,
        rack: rack.map(Str::from),
        fenced: *fenced,
    };
    list.iter().map(broker).collect()
}

fn error(partitions: usize, replicas: i16, list: &[(i32, Option<&str>, bool)]) -> String {
    let result = StripedReplicaPlacer::new(7).place(partitions, replicas, &brokers(list));
    let error = result.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidReplicationFactor);
    error.message.unwrap()
}

#[test]
fn one_broker_takes_all() {
    let placed = StripedReplicaPlacer::new(1).place(3, 1, &brokers(&[(5, None, false)])).unwrap();
    assert_eq!(placed, [[5], [5], [5]]);
}

#[test]
fn what_cannot_be_placed() {
    let one = [(0, None, false)];
    assert_eq!(error(1, 0, &one), "Invalid replication factor 0: the replication factor must be positive.");
    assert_eq!(
        error(1, 2, &one),
        "The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some \
         brokers have all their log directories cordoned."
    );
    assert_eq!(
        error(1, 1, &[(0, None, true)]),
        "All brokers are currently fenced, or have all their log directories cordoned."
    );
}

#[test]
fn replicas_spread_over_racks_and_brokers() {
    let all = [
        (0, Some("a"), false),
        (1, Some("a"), false),
        (2, Some("b"), false),
        (3, Some("b"), true),
        (4, Some("c"), false),
        (5, Some("c"), false),
    ];
    for seed in 0..50 {
        let placed = StripedReplicaPlacer::new(seed).place(60, 3, &brokers(&all)).unwrap();
        let mut leaders: BTreeMap<i32, usize> = BTreeMap::new();
        for replicas in &placed {
            let racks: BTreeSet<_> = replicas.iter().map(|id| all[*id as usize].1).collect();
            assert_eq!((replicas.len(), racks.len()), (3, 3), "{replicas:?}");
            assert_ne!(replicas[0], 3, "a fenced broker must not lead");
            *leaders.entry(replicas[0]).or_default() += 1;
        }
        assert_eq!(leaders.len(), 5, "{leaders:?}");
        assert!(leaders.values().all(|count| *count >= 4), "{leaders:?}");
    }
}

#[test]
fn fenced_brokers_fill_up() {
    let all = [(0, None, true), (1, None, false), (2, None, true)];
    for seed in 0..20 {
        let placed = StripedReplicaPlacer::new(seed).place(5, 3, &brokers(&all)).unwrap();
        for replicas in placed {
            assert_eq!(replicas[0], 1);
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
        }
    }
}

#[test]
fn a_seed_decides() {
    let all: Vec<_> = (0..9).map(|id| (id, None, false)).collect();
    let place = |seed| StripedReplicaPlacer::new(seed).place(20, 3, &brokers(&all)).unwrap();
    assert_eq!(place(3), place(3));
    assert!((0..20).any(|seed| place(seed)[0][0] != place(3)[0][0]));
}
