//! The partitions of one topic.

use std::sync::Arc;

use crate::PartitionRegistration;

/// Partitions by number. Numbers are dense in practice (0, 1, 2, ...), so this is a sorted vector and a
/// look-up is one index; it does not rely on it, since a snapshot may list them in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partitions(Vec<(i32, Arc<PartitionRegistration>)>);

impl Partitions {
    fn position(&self, partition: i32) -> Result<usize, usize> {
        let guess = usize::try_from(partition).unwrap_or(usize::MAX);
        match self.0.get(guess) {
            Some((id, _)) if *id == partition => Ok(guess),
            _ => self.0.binary_search_by_key(&partition, |(id, _)| *id),
        }
    }

    /// A partition.
    pub fn get(&self, partition: i32) -> Option<&Arc<PartitionRegistration>> {
        let at = self.position(partition).ok()?;
        self.0.get(at).map(|(_, registration)| registration)
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i32, &Arc<PartitionRegistration>)> {
        self.0.iter().map(|(id, registration)| (*id, registration))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, partition: i32, registration: PartitionRegistration) {
        let registration = Arc::new(registration);
        match self.position(partition) {
            Ok(at) => self.0[at].1 = registration,
            Err(at) => self.0.insert(at, (partition, registration)),
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Arc<PartitionRegistration>> {
        self.0.iter_mut().map(|(_, registration)| registration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order() {
        let mut partitions = Partitions::default();
        for id in [5, 0, 2, 1, 2, i32::MAX] {
            partitions.insert(id, PartitionRegistration::new(vec![id], vec![], vec![id]));
        }
        assert_eq!(partitions.iter().map(|(id, _)| id).collect::<Vec<_>>(), [0, 1, 2, 5, i32::MAX]);
        assert_eq!(partitions.get(5).map(|p| p.leader), Some(5));
        assert!(partitions.get(3).is_none() && partitions.get(-1).is_none());
        assert_eq!(partitions.len(), 5);
    }
}
