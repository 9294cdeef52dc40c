//! ottla-net
