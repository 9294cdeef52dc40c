//! What clients of groups and of transactions ask first: what the broker can do, and who coordinates.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use ottla_protocol::messages::{ApiVersionsRequest, FindCoordinatorRequest};
use ottla_protocol::{ApiKey, ErrorCode, Str};

use crate::topic::{TIMEOUT, check};
use crate::wire::Connection;

/// `key_type` of a group.
pub const GROUP: i8 = 0;
/// `key_type` of a transactional id.
pub const TRANSACTION: i8 = 1;

/// `retry.backoff.ms` of Kafka's clients.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// Whether the broker names this API.
pub fn offers(port: u16, api: ApiKey) -> Result<bool> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    let found = connection.call(&ApiVersionsRequest::default(), 0)?;
    Ok(found.api_keys.iter().any(|offered| offered.api_key == api.code()))
}

/// Waits until somebody coordinates this key: the first such question has the coordinators' topic created.
pub fn find(connection: &mut Connection, key_type: i8, key: &str) -> Result<()> {
    let request =
        FindCoordinatorRequest { key_type, coordinator_keys: vec![key.into()], key: Str::default() };
    patiently("FindCoordinator", || {
        let found = connection.call(&request, 4)?;
        Ok(found.coordinators.first().map_or(ErrorCode::CoordinatorNotAvailable.code(), |c| c.error_code))
    })
}

/// Asks again, as clients do, for as long as the answer is an error that passes.
pub fn patiently(what: &str, mut ask: impl FnMut() -> Result<i16>) -> Result<()> {
    let began = Instant::now();
    loop {
        let code = ask()?;
        if code == 0 || !ErrorCode::from_code(code).is_retriable() || began.elapsed() > TIMEOUT {
            return check(what, code);
        }
        thread::sleep(RETRY_BACKOFF);
    }
}
