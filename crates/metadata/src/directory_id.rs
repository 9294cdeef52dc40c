//! Log directory ids with a meaning of their own (`DirectoryId`, KIP-858).

use ottla_protocol::Uuid;

/// The replica's directory was chosen before directories had ids.
pub const MIGRATING: Uuid = Uuid::from_parts(0, 0);
/// The broker has not yet said which directory it put the replica in.
pub const UNASSIGNED: Uuid = Uuid::from_parts(0, 1);
/// Some directory that is offline.
pub const LOST: Uuid = Uuid::from_parts(0, 2);

/// Whether an id is one of the first hundred, which are no real directories.
pub fn is_reserved(id: Uuid) -> bool {
    let bits = u128::from_be_bytes(id.0);
    // The low half is compared with its sign, as Kafka does.
    (bits >> 64) == 0 && (bits as u64 as i64) < 100
}

/// Whether a replica in `directory` of a broker is online when `online` are the directories that the
/// broker registered. No directories at all come from a broker of before `3.7-IV2`: all are taken for online.
pub fn is_online(directory: Uuid, online: &[Uuid]) -> bool {
    if directory == UNASSIGNED || directory == MIGRATING {
        return true;
    }
    directory != LOST && (online.is_empty() || online.contains(&directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_online() {
        assert!(is_reserved(LOST) && is_reserved(Uuid::from_parts(0, 99)));
        assert!(!is_reserved(Uuid::from_parts(0, 100)) && !is_reserved(Uuid::from_parts(1, 0)));
        let (a, b) = (Uuid::from_parts(1, 1), Uuid::from_parts(2, 2));
        assert!(is_online(UNASSIGNED, &[a]) && is_online(a, &[a]) && is_online(b, &[]));
        assert!(!is_online(b, &[a]) && !is_online(LOST, &[]));
    }
}
