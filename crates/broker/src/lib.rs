//! ottla-broker
