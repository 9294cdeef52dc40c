//! For this crate's tests: brokers that answer by closures, in memory, so that tests may run in paused time and come out
//! the same each time.
//!
//! ```ignore
//! #[tokio::test(start_paused = true)]
//! async fn example() {
//!     let mock = Mock::start(2);                       // brokers 1 and 2
//!     mock.topic("t", 3);                              // partitions led by 1, 2, 1
//!     mock.on(|call, request: HeartbeatRequest| call.reply(HeartbeatResponse::default()));
//!     let cluster = Cluster::new(mock.config()).unwrap();
//!     ...
//!     assert_eq!(mock.count(ApiKey::Heartbeat), 1);
//! }
//! ```
//!
//! ApiVersions, Metadata and FindCoordinator are answered from what [`Mock`] is told; closures may take their place.

pub(crate) mod memory;
mod mock;

#[allow(unused_imports)]
pub(crate) use self::mock::{Answer, Call, Mock};
