//! One file per command.

mod footprint;
pub mod server;
pub mod tools;
mod welcome;
