//! Ottla and Apache Kafka side by side on one machine.

fn main() {}
