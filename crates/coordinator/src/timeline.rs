//! A map that remembers what it was when the last record was committed.
//!
//! Records are replayed as soon as they are appended, so that the next operation builds on them; but until
//! they are committed (replicated), a plain read must not show what they did, for they may yet be lost with
//! the leader. Kafka keeps whole snapshots for that (`TimelineHashMap`). Here each change leaves behind the
//! value that it replaced, until the high watermark passes it: the cost is one entry per change in flight,
//! and nothing at all where appending commits, as on a single node.
//!
//! A change is tagged with the offset of the record that made it, or with the log end offset when it was made
//! ahead of its record. It is committed once the high watermark is greater than the tag.

use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeBounds;

#[derive(Clone, Debug)]
pub(crate) struct TimelineMap<K, V> {
    latest: BTreeMap<K, V>,
    /// For each key that was changed since the last commit: what it was before each change, oldest first. The
    /// first entry is therefore the committed value. Never an empty queue.
    replaced: BTreeMap<K, VecDeque<Option<V>>>,
    /// The same changes in the order in which they were made.
    changes: VecDeque<(i64, K)>,
    high_watermark: i64,
}

impl<K, V> Default for TimelineMap<K, V> {
    fn default() -> Self {
        Self {
            latest: BTreeMap::new(),
            replaced: BTreeMap::new(),
            changes: VecDeque::new(),
            high_watermark: 0,
        }
    }
}

impl<K: Ord + Clone, V> TimelineMap<K, V> {
    /// An empty map in which changes below `high_watermark` are committed when they are made.
    pub fn committed_to(high_watermark: i64) -> Self {
        Self { high_watermark, ..Self::default() }
    }

    /// The latest value.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.latest.get(key)
    }

    /// The latest value, to be changed in place: such a change is seen by all readers at once.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.latest.get_mut(key)
    }

    /// The committed value.
    pub fn get_committed<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self.replaced.get(key) {
            Some(values) => values.front().and_then(Option::as_ref),
            None => self.latest.get(key),
        }
    }

    /// Sets a value at `offset`. Offsets never go back.
    pub fn insert(&mut self, offset: i64, key: K, value: V) {
        let previous = self.latest.insert(key.clone(), value);
        self.remember(offset, key, previous);
    }

    /// Removes a value at `offset`; false when there was none.
    pub fn remove<Q: Ord + ?Sized>(&mut self, offset: i64, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        match self.latest.remove_entry(key) {
            Some((key, previous)) => {
                self.remember(offset, key, Some(previous));
                true
            }
            None => false,
        }
    }

    /// Takes back the last change of a key, if it is not committed: its record was not written.
    pub fn forget<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let Some(values) = self.replaced.get_mut(key) else {
            self.latest.remove(key);
            return;
        };
        let previous = values.pop_back().flatten();
        if values.is_empty() {
            self.replaced.remove(key);
        }
        if let Some(at) = self.changes.iter().rposition(|(_, changed)| changed.borrow() == key) {
            self.changes.remove(at);
        }
        if let (Some((key, _)), Some(previous)) = (self.latest.remove_entry(key), previous) {
            self.latest.insert(key, previous);
        }
    }

    /// All that was changed below `high_watermark` is committed.
    pub fn commit(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        while self.changes.front().is_some_and(|(offset, _)| *offset < self.high_watermark) {
            let Some((_, key)) = self.changes.pop_front() else { return };
            if let Some(values) = self.replaced.get_mut(&key) {
                values.pop_front();
                if values.is_empty() {
                    self.replaced.remove(&key);
                }
            }
        }
    }

    /// The latest values, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.latest.iter()
    }

    /// The latest values, to be changed in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.latest.iter_mut()
    }

    /// The latest values of a range of keys.
    pub fn range<R: RangeBounds<K>>(&self, range: R) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.latest.range(range)
    }

    /// The committed values of a range of keys, in order.
    pub fn range_committed<R: RangeBounds<K> + Clone>(&self, range: R) -> impl Iterator<Item = (&K, &V)> {
        let unchanged = self.latest.range(range.clone()).filter(|(key, _)| !self.replaced.contains_key(*key));
        let changed =
            self.replaced.range(range).filter_map(|(key, values)| Some((key, values.front()?.as_ref()?)));
        merge(unchanged, changed)
    }

    /// Number of latest values.
    pub fn len(&self) -> usize {
        self.latest.len()
    }

    /// Whether there are changes that are not committed.
    pub fn has_uncommitted(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Number of changes that are not committed.
    #[cfg(test)]
    pub fn uncommitted_len(&self) -> usize {
        self.changes.len()
    }

    fn remember(&mut self, offset: i64, key: K, previous: Option<V>) {
        if offset >= self.high_watermark {
            self.replaced.entry(key.clone()).or_default().push_back(previous);
            self.changes.push_back((offset, key));
        }
    }
}

/// As [`TimelineMap`], for a single value.
#[derive(Clone, Debug)]
pub(crate) struct TimelineCell<T> {
    latest: T,
    /// What the value was before each change that is not committed, and the tag of that change.
    replaced: VecDeque<(i64, T)>,
    high_watermark: i64,
}

impl<T> TimelineCell<T> {
    /// A value that is committed, as are changes below `high_watermark`.
    pub fn committed_to(high_watermark: i64, value: T) -> Self {
        Self { latest: value, replaced: VecDeque::new(), high_watermark }
    }

    /// The latest value.
    pub fn get(&self) -> &T {
        &self.latest
    }

    /// The committed value.
    pub fn get_committed(&self) -> &T {
        self.replaced.front().map_or(&self.latest, |(_, value)| value)
    }

    /// Sets the value at `offset`. Offsets never go back.
    pub fn set(&mut self, offset: i64, value: T) {
        let previous = std::mem::replace(&mut self.latest, value);
        if offset >= self.high_watermark {
            self.replaced.push_back((offset, previous));
        }
    }

    /// All that was changed below `high_watermark` is committed.
    pub fn commit(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        while self.replaced.front().is_some_and(|(offset, _)| *offset < self.high_watermark) {
            self.replaced.pop_front();
        }
    }

    /// Whether there are changes that are not committed.
    pub fn has_uncommitted(&self) -> bool {
        !self.replaced.is_empty()
    }
}

/// Merges two ordered sequences that have no key in common.
fn merge<'a, K: Ord + 'a, V: 'a>(
    left: impl Iterator<Item = (&'a K, &'a V)>,
    right: impl Iterator<Item = (&'a K, &'a V)>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(l), Some(r)) if l.0 < r.0 => left.next(),
        (_, Some(_)) => right.next(),
        _ => left.next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Map = TimelineMap<i32, &'static str>;

    fn committed(map: &Map) -> Vec<(i32, &'static str)> {
        map.range_committed(..).map(|(k, v)| (*k, *v)).collect()
    }

    #[test]
    fn readers_of_the_committed_state_see_a_change_when_the_high_watermark_passes_it() {
        let mut map = Map::default();
        map.insert(0, 1, "a");
        map.insert(1, 1, "b");
        map.insert(2, 2, "c");
        assert_eq!((map.get(&1), map.get_committed(&1)), (Some(&"b"), None));
        map.commit(1);
        assert_eq!((map.get(&1), map.get_committed(&1)), (Some(&"b"), Some(&"a")));
        assert_eq!(committed(&map), [(1, "a")]);
        map.commit(2);
        assert_eq!(committed(&map), [(1, "b")]);
        map.commit(3);
        assert_eq!(committed(&map), [(1, "b"), (2, "c")]);
        assert_eq!(map.uncommitted_len(), 0);
    }

    #[test]
    fn a_removed_value_is_read_until_its_removal_is_committed() {
        let mut map = Map::default();
        map.commit(10);
        for (key, value) in [(1, "a"), (2, "b"), (3, "c")] {
            map.insert(i64::from(key), key, value);
        }
        assert_eq!(map.uncommitted_len(), 0, "below the high watermark nothing is remembered");
        assert!(map.remove(10, &2));
        assert!(!map.remove(11, &2));
        map.insert(12, 0, "z");
        assert_eq!(committed(&map), [(1, "a"), (2, "b"), (3, "c")]);
        assert_eq!(map.range_committed(2..).map(|(k, _)| *k).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(map.get(&2), None);
        map.commit(12);
        assert_eq!(committed(&map), [(1, "a"), (3, "c")]);
        map.commit(13);
        assert_eq!(committed(&map), [(0, "z"), (1, "a"), (3, "c")]);
    }

    #[test]
    fn what_is_forgotten_leaves_no_trace() {
        let mut map = Map::default();
        map.insert(0, 1, "a");
        map.insert(0, 2, "b");
        map.forget(&1);
        assert_eq!((map.get(&1), map.uncommitted_len()), (None, 1));
        map.commit(1);
        assert_eq!(committed(&map), [(2, "b")]);
    }

    #[test]
    fn a_change_ahead_of_its_record_is_committed_with_it() {
        let mut map = Map::default();
        map.commit(5);
        map.insert(5, 1, "a");
        map.commit(5);
        assert_eq!(map.get_committed(&1), None);
        map.commit(6);
        assert_eq!(map.get_committed(&1), Some(&"a"));
    }
}
