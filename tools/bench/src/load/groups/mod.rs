//! A group of consumers that fetch nothing: what counts is how they share partitions out.
//!
//! | file | what |
//! | --- | --- |
//! | `classic` | a member of a classic group, which assigns when it leads |
//! | `consumer` | a member of a consumer group (KIP-848), which is told |

pub mod classic;
pub mod consumer;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use ottla_protocol::ErrorCode;
use rustix::event::{Timespec, epoll};

use super::reconnect::greeted;
use crate::wire::Connection;

/// Between two heartbeats of a member. Clients wait longer (3 s, or what the broker says), and the time to a stable group would
/// then be theirs more than the broker's.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Before a question is asked again that came too early.
const BACKOFF: Duration = Duration::from_millis(50);
/// How long a group may take to become stable.
const STABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Answers looked for at once.
const EVENTS: usize = 256;

/// One member: what it says, and what it makes of the answers. It has one request under way at most.
pub trait Member {
    /// What it says now.
    fn request(&mut self) -> Result<Vec<u8>>;

    /// Takes the answer; how long it is silent then, or nothing when it has left.
    fn answered(&mut self, frame: Bytes) -> Result<Option<Duration>>;

    /// From now on all that it wants is to leave.
    fn leave(&mut self);

    /// The generation (or epoch) and the partitions with which it is content, if it is.
    fn holds(&self) -> Option<(i32, &[i32])>;
}

/// A group of such members, on one thread.
pub struct Group<M> {
    seats: Vec<Seat<M>>,
    epoll: std::os::fd::OwnedFd,
    partitions: usize,
}

struct Seat<M> {
    member: M,
    connection: Connection,
    /// When it says something; nothing while it waits for an answer.
    due: Option<Instant>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Stays,
    Leaves,
    Gone,
}

impl<M: Member> Group<M> {
    /// An empty one over so many partitions.
    pub fn new(partitions: usize) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { seats: Vec::new(), epoll, partitions })
    }

    /// Connects more members. They join with the next call of [`Self::settle`].
    pub fn add(&mut self, port: u16, members: impl IntoIterator<Item = M>) -> Result<()> {
        for member in members {
            let connection = greeted(port)?;
            let data = epoll::EventData::new_u64(self.seats.len() as u64);
            epoll::add(&self.epoll, &connection, data, epoll::EventFlags::IN)?;
            self.seats.push(Seat { member, connection, due: Some(Instant::now()), state: State::Stays });
        }
        Ok(())
    }

    /// The last members leave, with the next call of [`Self::settle`].
    pub fn dismiss(&mut self, count: usize) {
        for seat in self.seats.iter_mut().rev().take(count) {
            seat.member.leave();
            seat.state = State::Leaves;
            seat.due = seat.due.map(|_| Instant::now());
        }
    }

    /// Goes on until those who leave have left, and the others hold all partitions between them; how long that took.
    pub fn settle(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let mut ready = Vec::with_capacity(EVENTS);
        while !self.is_settled() {
            ensure!(began.elapsed() < STABLE_TIMEOUT, "the group did not become stable: {}", self.standing());
            self.turn(&mut ready)?;
            while self.seats.last().is_some_and(|seat| seat.state == State::Gone) {
                self.seats.pop();
            }
        }
        let took = began.elapsed();
        let held: BTreeSet<i32> =
            self.seats.iter().filter_map(|s| s.member.holds()).flat_map(|(_, held)| held).copied().collect();
        ensure!(self.seats.is_empty() || held.len() == self.partitions, "a partition has two owners");
        Ok(took)
    }

    fn turn(&mut self, ready: &mut Vec<epoll::Event>) -> Result<()> {
        let now = Instant::now();
        let mut next = now + HEARTBEAT;
        for seat in &mut self.seats {
            match seat.due {
                Some(due) if due <= now => {
                    seat.connection.send(&seat.member.request()?)?;
                    seat.due = None;
                }
                Some(due) => next = next.min(due),
                None => {}
            }
        }
        let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        ready.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(ready), Some(&wait))?;
        for event in ready.iter() {
            let Some(seat) = self.seats.get_mut(event.data.u64() as usize) else { continue };
            let frame = seat.connection.with_frame(|frame| Ok(Bytes::copy_from_slice(&frame)))?;
            match seat.member.answered(frame)? {
                None => seat.state = State::Gone,
                Some(_) if seat.state == State::Leaves => seat.due = Some(Instant::now()),
                Some(silent) => seat.due = Some(Instant::now() + silent),
            }
        }
        Ok(())
    }

    /// All agree on the generation, all partitions are held, and nobody has two more than another.
    fn is_settled(&self) -> bool {
        let mut all = self.seats.iter().map(|seat| seat.member.holds());
        let Some(first) = all.next() else { return true };
        let Some((epoch, held)) = first else { return false };
        let (mut sum, mut least, mut most) = (held.len(), held.len(), held.len());
        for other in all {
            match other {
                Some((same, held)) if same == epoch => {
                    sum += held.len();
                    (least, most) = (least.min(held.len()), most.max(held.len()));
                }
                _ => return false,
            }
        }
        sum == self.partitions && most - least <= 1
    }

    fn standing(&self) -> String {
        let content: Vec<_> = self.seats.iter().filter_map(|seat| seat.member.holds()).collect();
        let held: usize = content.iter().map(|(_, held)| held.len()).sum();
        let epochs: BTreeSet<i32> = content.iter().map(|(epoch, _)| *epoch).collect();
        format!(
            "{} of {} members are content, with {held} of {} partitions, in generations {epochs:?}",
            content.len(),
            self.seats.len(),
            self.partitions
        )
    }
}

/// Whether the coordinator is not ready yet, or about to write what it was told.
fn passes(code: i16) -> bool {
    use ErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator};
    matches!(ErrorCode::from_code(code), CoordinatorLoadInProgress | CoordinatorNotAvailable | NotCoordinator)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<(i32, Vec<i32>)>);

    impl Member for Fixed {
        fn request(&mut self) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }

        fn answered(&mut self, _: Bytes) -> Result<Option<Duration>> {
            Ok(None)
        }

        fn leave(&mut self) {}

        fn holds(&self) -> Option<(i32, &[i32])> {
            self.0.as_ref().map(|(epoch, held)| (*epoch, &held[..]))
        }
    }

    fn check(members: &[Option<(i32, Vec<i32>)>], settled: bool) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let mut group = Group::new(4).expect("a group");
        for member in members {
            let connection = Connection::open(port, Duration::from_secs(10)).expect("connected");
            group.seats.push(Seat {
                member: Fixed(member.clone()),
                connection,
                due: None,
                state: State::Stays,
            });
        }
        assert_eq!(group.is_settled(), settled, "{}", group.standing());
    }

    #[test]
    fn a_group_is_settled_when_all_is_shared_out_in_one_generation() {
        check(&[], true);
        check(&[Some((1, vec![0, 1])), Some((1, vec![2, 3]))], true);
        check(&[Some((1, vec![0, 1])), Some((2, vec![2, 3]))], false);
        check(&[Some((1, vec![0, 1])), Some((1, vec![2]))], false);
        check(&[Some((1, vec![0, 1, 3])), Some((1, vec![2]))], false);
        check(&[Some((1, vec![0, 1, 2, 3])), None], false);
    }
}
