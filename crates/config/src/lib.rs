//! ottla-config
