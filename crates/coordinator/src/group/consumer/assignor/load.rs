//! Which member is to get the next partition, and which is to give one
//! (`UniformHeterogeneousAssignmentBuilder.MemberAssignmentBalancer`).
//!
//! The subscribers of a topic are sorted by the number of partitions that they have. Two ranges grow into
//! the sorted list from its ends: at the left those that have the fewest, which are filled up level by
//! level, at the right those that have the most, which are levelled off. When the levels meet, the topic is
//! balanced. So each choice takes constant time.

/// The two ranges over one topic's subscribers.
#[derive(Debug, Default)]
pub(super) struct Balancer {
    /// Members by index, from the least loaded on.
    sorted: Vec<usize>,
    /// End of the range of the least loaded, exclusive.
    least_end: usize,
    /// How many partitions each in that range has, before it is served in this round.
    least_level: i64,
    next_least: usize,
    /// The range of the most loaded; the end is exclusive.
    most_start: usize,
    most_end: usize,
    most_level: i64,
    /// One before the member that gave last; may lie before the range. -1: none is left.
    next_most: i64,
}

impl Balancer {
    /// Begins with the subscribers of a topic, of which there is one at least. Returns by how many
    /// partitions the most loaded and the least loaded differ.
    pub fn begin(&mut self, subscribers: &[usize], loads: &[i64]) -> i64 {
        self.sorted.clear();
        self.sorted.extend_from_slice(subscribers);
        self.sorted.sort_by_key(|member| (load(loads, *member), *member));
        let least = self.sorted.first().map_or(0, |member| load(loads, *member));
        let most = self.sorted.last().map_or(0, |member| load(loads, *member));
        self.least_end = 0;
        self.least_level = least - 1;
        self.next_least = 0;
        self.most_start = self.sorted.len();
        self.most_end = self.sorted.len();
        self.most_level = most + 1;
        self.next_most = self.sorted.len() as i64 - 1;
        most - least
    }

    /// The member to get the next partition. The caller gives it one.
    pub fn next_least_loaded(&mut self, loads: &[i64]) -> Option<usize> {
        if self.next_least >= self.least_end {
            // All in the range have been served: the level rises, and takes in those who stand there.
            self.least_level += 1;
            while self.sorted.get(self.least_end).is_some_and(|m| load(loads, *m) == self.least_level) {
                self.least_end += 1;
            }
            self.next_least = 0;
        }
        let member = self.sorted.get(self.next_least).copied();
        self.next_least += 1;
        member
    }

    /// The member to give the next partition; `None` when nobody is left. The caller takes one, or calls
    /// [`Self::exclude_most_loaded`].
    pub fn next_most_loaded(&mut self, loads: &[i64]) -> Option<usize> {
        if self.next_most < self.most_start as i64 {
            let before = self.most_start.checked_sub(1).and_then(|at| self.sorted.get(at));
            match before {
                // All of the range were excluded: the next level is that of the next member.
                Some(member) if self.most_end <= self.most_start => {
                    self.most_level = load(loads, *member);
                }
                _ => self.most_level -= 1,
            }
            while let Some(at) = self.most_start.checked_sub(1) {
                if self.sorted.get(at).is_none_or(|member| load(loads, *member) != self.most_level) {
                    break;
                }
                self.most_start = at;
            }
            self.next_most = self.most_end as i64 - 1;
        }
        let member = usize::try_from(self.next_most).ok().and_then(|at| self.sorted.get(at)).copied()?;
        self.next_most -= 1;
        Some(member)
    }

    /// The member that was returned last has nothing to give: leaves it out.
    pub fn exclude_most_loaded(&mut self) {
        let (Ok(at), Some(last)) = (usize::try_from(self.next_most + 1), self.most_end.checked_sub(1)) else {
            return;
        };
        if at < self.sorted.len() && last < self.sorted.len() {
            self.sorted.swap(at, last);
            self.most_end = last;
        }
    }

    /// Whether the levels have met.
    pub fn is_balanced(&self) -> bool {
        self.most_level - self.least_level <= 1
    }
}

fn load(loads: &[i64], member: usize) -> i64 {
    loads.get(member).copied().unwrap_or(0)
}
