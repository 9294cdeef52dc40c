//! The producer: records into partitions, in order, once; transactions.
//!
//! [`Producer`] is a handle. `send` appends to a batch on the caller's thread, under a short lock; one task sends batches
//! when they are full or have waited `linger.ms`, and tells their outcome: one shared object per batch, and a
//! [`Delivery`] per record that knows its place in it. What is decided is pure (`core`, `transaction`): the task only
//! carries it out.
//!
//! | file | what |
//! | --- | --- |
//! | `client`, `builder`, `config`, `typed` | what applications use |
//! | `core` | queues, sequences, retries, time-outs: pure |
//! | `transaction` | the state machine of transactions: pure |
//! | `batch`, `delivery`, `promise` | a batch, what becomes of it, who waits for it |
//! | `partitioner`, `sticky`, `murmur2` | which partition |
//! | `shared`, `sender`, `produce`, `coordinator` | the task and its requests |
//! | `serializer`, `interceptor`, `metrics` | around it |

mod batch;
mod builder;
mod client;
#[cfg(test)]
mod client_test;
mod config;
mod coordinator;
mod core;
#[doc(hidden)]
pub mod counted;
mod delivery;
mod interceptor;
mod metrics;
mod murmur2;
mod partitioner;
mod produce;
mod promise;
mod sender;
mod serializer;
mod shared;
mod sticky;
mod transaction;
mod typed;

pub use self::builder::ProducerBuilder;
pub use self::client::{Advice, Producer};
pub use self::config::{Acks, ProducerConfig};
pub use self::delivery::{Deliveries, Delivery, RecordMetadata};
pub use self::interceptor::ProducerInterceptor;
pub use self::murmur2::{murmur2, partition_for_key};
pub use self::partitioner::{PartitionContext, Partitioner, RoundRobinPartitioner};
pub use self::serializer::{
    BytesSerializer, JsonSerializer, OrNull, PrimitiveSerializer, Serializer, StringSerializer,
    UuidSerializer, VoidSerializer,
};
pub use self::typed::TypedProducer;
