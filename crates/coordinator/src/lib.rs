//! ottla-coordinator
