//! The order in which `java.util.HashMap` and `java.util.PriorityQueue` hand out what is equal.
//!
//! Kafka's assignor breaks ties by it: of two processes with the same load the one that comes first in a
//! hash map gets the task. A coordinator that moves here must not move tasks, and tasks are dear to move, so
//! ties are broken alike.

/// Keys in the order in which a `HashMap` iterates over them: by bucket, and within a bucket by arrival.
///
/// `keys` come in the order of their insertion, each once. `initial_capacity` is what the map was made with;
/// `None`: nothing was said.
pub(super) fn hash_map_order<'a>(
    keys: impl IntoIterator<Item = &'a str>,
    initial_capacity: Option<usize>,
) -> Vec<&'a str> {
    let mut keys: Vec<&str> = keys.into_iter().collect();
    let mut capacity = initial_capacity.unwrap_or(16).max(1).next_power_of_two();
    while keys.len() > capacity * 3 / 4 {
        capacity *= 2;
    }
    keys.sort_by_key(|key| bucket(key, capacity));
    keys
}

fn bucket(key: &str, capacity: usize) -> usize {
    let hash =
        key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

/// A binary heap, smallest key first, that moves equals as `PriorityQueue` does.
#[derive(Clone, Debug)]
pub(super) struct PriorityQueue<T> {
    heap: Vec<(f64, T)>,
}

impl<T: Copy> PriorityQueue<T> {
    pub fn new(items: impl IntoIterator<Item = (f64, T)>) -> Self {
        let mut queue = Self { heap: Vec::new() };
        items.into_iter().for_each(|(key, item)| queue.push(key, item));
        queue
    }

    pub fn push(&mut self, key: f64, item: T) {
        let mut at = self.heap.len();
        self.heap.push((key, item));
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.is_at_most(parent, at) {
                break;
            }
            self.heap.swap(at, parent);
            at = parent;
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        if self.heap.is_empty() {
            return None;
        }
        let (_, item) = self.heap.swap_remove(0);
        let (mut at, len) = (0, self.heap.len());
        while at < len / 2 {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let child = if right < len && !self.is_at_most(left, right) { right } else { left };
            if self.is_at_most(at, child) {
                break;
            }
            self.heap.swap(at, child);
            at = child;
        }
        Some(item)
    }

    fn is_at_most(&self, left: usize, right: usize) -> bool {
        match (self.heap.get(left), self.heap.get(right)) {
            (Some((left, _)), Some((right, _))) => left.total_cmp(right).is_le(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_order_of_javas_hash_map() {
        // As `new HashMap<>()` printed them.
        let keys = ["process1", "process2", "process3", "member-a", "member-b", "x"];
        assert_eq!(
            hash_map_order(keys, None),
            ["process3", "process1", "member-a", "process2", "member-b", "x"]
        );
        let keys = ["p-one", "p-two", "p-three"];
        assert_eq!(hash_map_order(keys, Some(3)), ["p-one", "p-three", "p-two"]);
        assert_eq!(hash_map_order([], Some(0)), Vec::<&str>::new());
    }

    #[test]
    fn the_smallest_key_comes_first() {
        let mut queue = PriorityQueue::new([(3.0, 'c'), (1.0, 'a'), (2.0, 'b'), (1.0, 'd')]);
        let mut popped = Vec::new();
        while let Some(item) = queue.pop() {
            popped.push(item);
        }
        assert_eq!(popped, ['a', 'd', 'b', 'c']);
    }
}
