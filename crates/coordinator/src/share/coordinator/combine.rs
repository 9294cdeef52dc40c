//! State batches laid over each other (`PersisterStateBatchCombiner`).

use std::collections::BinaryHeap;

use crate::share::partition::StateBatch;

/// What is known after all of `batches`, in any order: none of it below `start_offset` (-1: everything), no
/// offset twice, neighbours in the same state as one batch. Where batches overlap, the one that was delivered
/// more often holds; among those, the one whose state's id is higher.
pub fn combine_state_batches(
    batches: impl IntoIterator<Item = StateBatch>,
    start_offset: i64,
) -> Vec<StateBatch> {
    let mut batches: Vec<StateBatch> = batches
        .into_iter()
        .filter(|batch| batch.last_offset >= start_offset && batch.first_offset <= batch.last_offset)
        .map(|batch| StateBatch { first_offset: batch.first_offset.max(start_offset), ..batch })
        .collect();
    batches.sort_unstable();
    let mut to_come = batches.into_iter().peekable();
    // By what holds over what.
    let mut open: BinaryHeap<(i16, i8, i64)> = BinaryHeap::new();
    let mut combined: Vec<StateBatch> = Vec::new();
    let mut at = i64::MIN;
    loop {
        while open.peek().is_some_and(|(_, _, last_offset)| *last_offset < at) {
            open.pop();
        }
        if open.is_empty() {
            let Some(next) = to_come.peek() else { return combined };
            at = at.max(next.first_offset);
        }
        while let Some(batch) = to_come.next_if(|batch| batch.first_offset <= at) {
            open.push((batch.delivery_count, batch.delivery_state, batch.last_offset));
        }
        let Some((delivery_count, delivery_state, last_offset)) = open.peek().copied() else { continue };
        if last_offset < at {
            continue;
        }
        let next_start = to_come.peek().map_or(i64::MAX, |next| next.first_offset.saturating_sub(1));
        let last_offset = last_offset.min(next_start);
        match combined.last_mut() {
            Some(last)
                if last.last_offset.saturating_add(1) == at
                    && (last.delivery_count, last.delivery_state) == (delivery_count, delivery_state) =>
            {
                last.last_offset = last_offset;
            }
            _ => {
                combined.push(StateBatch { first_offset: at, last_offset, delivery_state, delivery_count });
            }
        }
        if last_offset == i64::MAX {
            return combined;
        }
        at = last_offset + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(texts: &[(i64, i64, i8, i16)]) -> Vec<StateBatch> {
        texts
            .iter()
            .map(|&(first_offset, last_offset, delivery_state, delivery_count)| StateBatch {
                first_offset,
                last_offset,
                delivery_state,
                delivery_count,
            })
            .collect()
    }

    fn check(start_offset: i64, input: &[(i64, i64, i8, i16)], expect: &[(i64, i64, i8, i16)]) {
        assert_eq!(combine_state_batches(batches(input), start_offset), batches(expect));
    }

    #[test]
    fn neighbours_in_the_same_state_become_one() {
        check(-1, &[], &[]);
        check(-1, &[(100, 110, 0, 1), (111, 120, 0, 1)], &[(100, 120, 0, 1)]);
        check(-1, &[(111, 120, 0, 1), (100, 115, 0, 1)], &[(100, 120, 0, 1)]);
        check(-1, &[(100, 110, 0, 1), (112, 120, 0, 1)], &[(100, 110, 0, 1), (112, 120, 0, 1)]);
        check(-1, &[(100, 110, 0, 1), (111, 120, 2, 1)], &[(100, 110, 0, 1), (111, 120, 2, 1)]);
    }

    #[test]
    fn what_was_delivered_more_often_holds() {
        check(-1, &[(100, 110, 0, 1), (100, 110, 0, 2)], &[(100, 110, 0, 2)]);
        check(-1, &[(100, 110, 0, 2), (100, 115, 0, 1)], &[(100, 110, 0, 2), (111, 115, 0, 1)]);
        check(-1, &[(100, 110, 0, 1), (100, 105, 0, 2)], &[(100, 105, 0, 2), (106, 110, 0, 1)]);
        check(
            -1,
            &[(100, 120, 0, 1), (105, 110, 2, 1)],
            &[(100, 104, 0, 1), (105, 110, 2, 1), (111, 120, 0, 1)],
        );
        check(-1, &[(100, 120, 2, 2), (105, 110, 0, 1)], &[(100, 120, 2, 2)]);
        check(-1, &[(100, 110, 0, 2), (105, 115, 0, 1)], &[(100, 110, 0, 2), (111, 115, 0, 1)]);
        check(-1, &[(100, 110, 0, 1), (105, 110, 4, 1)], &[(100, 104, 0, 1), (105, 110, 4, 1)]);
    }

    #[test]
    fn nothing_is_kept_below_the_start_offset() {
        check(105, &[(100, 104, 0, 1), (100, 110, 0, 1)], &[(105, 110, 0, 1)]);
        check(105, &[(100, 104, 0, 1)], &[]);
    }

    #[test]
    fn bounds_of_the_type_do_no_harm() {
        check(
            -1,
            &[(0, i64::MAX, 0, 1), (5, 3, 0, 1), (10, i64::MAX, 2, 1)],
            &[(0, 9, 0, 1), (10, i64::MAX, 2, 1)],
        );
    }

    /// Against the rule itself, offset by offset.
    #[test]
    fn every_offset_has_its_highest_state() {
        let mut random = 1u64;
        let mut next = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        for _ in 0..500 {
            let input: Vec<StateBatch> = (0..next(12))
                .map(|_| {
                    let first_offset = next(40) as i64;
                    StateBatch {
                        first_offset,
                        last_offset: first_offset + next(12) as i64,
                        delivery_state: [0, 2, 4][next(3) as usize],
                        delivery_count: 1 + next(3) as i16,
                    }
                })
                .collect();
            let start_offset = next(20) as i64 - 1;
            let at = |batches: &[StateBatch], offset: i64| {
                batches
                    .iter()
                    .filter(|batch| (batch.first_offset..=batch.last_offset).contains(&offset))
                    .map(|batch| (batch.delivery_count, batch.delivery_state))
                    .max()
            };
            let combined = combine_state_batches(input.clone(), start_offset);
            for offset in 0..60 {
                let expected = at(&input, offset).filter(|_| offset >= start_offset);
                assert_eq!(at(&combined, offset), expected, "{offset} of {input:?}");
            }
            assert!(combined.windows(2).all(|pair| pair[0].last_offset < pair[1].first_offset));
        }
    }
}
