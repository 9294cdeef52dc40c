//! Cleaning one log.
