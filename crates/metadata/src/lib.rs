//! ottla-metadata
