//! The console tools: records from the normal input, and records to the normal output.
//!
//! | file | what |
//! | --- | --- |
//! | `producer`, `line_reader` | `console-producer`, and lines as records |
//! | `consumer`, `consumer_options` | `console-consumer`, and its command line |
//! | `share_consumer` | `console-share-consumer` |
//! | `formatter`, `deserializer` | records as text |
//! | `sink`, `clients`, `clients_share` | what is needed of clients, and those of a cluster |
//! | `arguments`, `log_line` | what the command lines have in common, and lines of the log |

pub(crate) mod arguments;
pub(crate) mod clients;
pub(crate) mod clients_share;
pub mod consumer;
mod consumer_options;
mod deserializer;
mod formatter;
mod line_reader;
pub(crate) mod log_line;
pub mod producer;
pub mod share_consumer;
pub(crate) mod sink;
