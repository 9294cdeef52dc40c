//! A batch of records in flight (`InFlightBatch`).

use ottla_protocol::Str;

use super::locks::{Lock, Locks};
use super::state::{InFlightState, RecordState};

#[derive(Debug)]
pub(super) struct InFlightBatch {
    pub first_offset: i64,
    /// Inclusive.
    pub last_offset: i64,
    pub records: Records,
}

/// The states of a batch's records.
#[derive(Debug)]
pub(super) enum Records {
    /// All are in this one.
    Whole(InFlightState),
    /// One for each offset.
    Apart(Vec<InFlightState>),
}

impl InFlightBatch {
    pub fn acquired(first_offset: i64, last_offset: i64, member_id: Str, lock: Option<Lock>) -> Self {
        let state = InFlightState::new(RecordState::Acquired, 1, member_id, lock);
        Self { first_offset, last_offset, records: Records::Whole(state) }
    }

    pub fn loaded(first_offset: i64, last_offset: i64, state: RecordState, delivery_count: i16) -> Self {
        let state = InFlightState::new(state, delivery_count, Str::new(), None);
        Self { first_offset, last_offset, records: Records::Whole(state) }
    }

    pub fn len(&self) -> i64 {
        self.last_offset - self.first_offset + 1
    }

    /// The state of all records, unless the batch was taken apart.
    pub fn whole(&self) -> Option<&InFlightState> {
        match &self.records {
            Records::Whole(state) => Some(state),
            Records::Apart(_) => None,
        }
    }

    pub fn is_apart(&self) -> bool {
        self.whole().is_none()
    }

    pub fn is_within(&self, first_offset: i64, last_offset: i64) -> bool {
        self.first_offset >= first_offset && self.last_offset <= last_offset
    }

    pub fn state_at(&self, offset: i64) -> Option<&InFlightState> {
        if offset < self.first_offset || offset > self.last_offset {
            return None;
        }
        match &self.records {
            Records::Whole(state) => Some(state),
            Records::Apart(states) => states.get(usize::try_from(offset - self.first_offset).ok()?),
        }
    }

    pub fn unlock(&mut self, locks: &mut Locks) {
        match &mut self.records {
            Records::Whole(state) => state.unlock(locks),
            Records::Apart(states) => states.iter_mut().for_each(|state| state.unlock(locks)),
        }
    }

    /// Takes the batch apart, and gives the records from `first_offset` to `last_offset`, both inclusive,
    /// with their offsets.
    pub fn apart_mut<'a>(
        &'a mut self,
        first_offset: i64,
        last_offset: i64,
        locks: &mut Locks,
    ) -> impl Iterator<Item = (i64, &'a mut InFlightState)> + use<'a> {
        if let Records::Whole(whole) = &mut self.records {
            let states = (self.first_offset..=self.last_offset)
                .map(|offset| whole.for_record(offset, locks))
                .collect();
            whole.unlock(locks);
            self.records = Records::Apart(states);
        }
        let states = match &mut self.records {
            Records::Apart(states) => &mut states[..],
            Records::Whole(_) => &mut [],
        };
        let skip = usize::try_from(first_offset - self.first_offset).unwrap_or(0);
        (self.first_offset..=last_offset).zip(states).skip(skip)
    }

    /// Takes a batch that was just acquired apart after `last_acquired_offset`: what follows is available.
    pub fn cut_after(&mut self, last_acquired_offset: i64, deadline_ms: i64, locks: &mut Locks) {
        let Records::Whole(whole) = &self.records else { return };
        let states = (self.first_offset..=self.last_offset)
            .map(|offset| {
                if offset <= last_acquired_offset {
                    let lock = locks.arm(offset, offset, deadline_ms);
                    let member_id = whole.member_id.clone();
                    InFlightState::new(RecordState::Acquired, whole.delivery_count, member_id, Some(lock))
                } else {
                    let delivery_count = whole.delivery_count.saturating_sub(1);
                    InFlightState::new(RecordState::Available, delivery_count, Str::new(), None)
                }
            })
            .collect();
        self.records = Records::Apart(states);
    }
}
