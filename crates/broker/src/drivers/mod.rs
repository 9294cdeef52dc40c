//! Drivers: each owns a pure core in one task, feeds it events, performs what it asks for, and decides nothing.

pub mod controller;
pub mod coordinator;
pub mod delegation_tokens;
pub mod group_config;
pub mod group_coordinator;
pub mod share_coordinator;
pub mod transaction_coordinator;
