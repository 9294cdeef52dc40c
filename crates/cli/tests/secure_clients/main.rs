//! The clients of this repository against a broker with every kind of listener: who gets in, what those hear who do not, and that
//! nobody who is in notices a renewal of certificates, passwords or sessions.

mod errors;
mod renewals;
mod support;
mod tools;
mod traffic;
