//! Java's names, where texts of Kafka's tools show them.

use std::fmt::Display;

use ottla_client::Error;
use ottla_protocol::Uuid;

use crate::failure::Failure;

/// The class of Java's exception for an error of the client.
pub fn exception_of(error: &Error) -> &'static str {
    match error {
        Error::Api { code, .. } => exception_of_code(code.code()),
        Error::Timeout(_) => "org.apache.kafka.common.errors.TimeoutException",
        Error::SslAuthentication(_) => "org.apache.kafka.common.errors.SslAuthenticationException",
        Error::Disconnected(_) => "org.apache.kafka.common.errors.DisconnectException",
        Error::Unreachable(_) => "org.apache.kafka.common.KafkaException",
        Error::UnsupportedVersion(_) => "org.apache.kafka.common.errors.UnsupportedVersionException",
        Error::Config(_) => "org.apache.kafka.common.config.ConfigException",
        Error::Illegal(_) => "java.lang.IllegalArgumentException",
        Error::Serialization(_) => "org.apache.kafka.common.errors.SerializationException",
        Error::Protocol(_) => "org.apache.kafka.common.errors.UnknownServerException",
        Error::Closed(_) => "java.lang.IllegalStateException",
        Error::InvalidOffset(_) => "org.apache.kafka.clients.consumer.OffsetOutOfRangeException",
        Error::CommitFailed(_) => "org.apache.kafka.clients.consumer.CommitFailedException",
        Error::Wakeup => "org.apache.kafka.common.errors.WakeupException",
    }
}

/// The class of Java's exception for a code (`Errors`).
pub fn exception_of_code(code: i16) -> &'static str {
    EXCEPTIONS
        .binary_search_by_key(&code, |(known, _)| *known)
        .ok()
        .and_then(|at| EXCEPTIONS.get(at))
        .map_or("org.apache.kafka.common.errors.UnknownServerException", |(_, class)| class)
}

/// `Integer.parseInt`.
///
/// # Errors
/// Java's, when it is no number of 32 bits.
pub fn parse_int(text: &str) -> Result<i32, Failure> {
    text.parse().map_err(|_| not_a_number(text))
}

/// `Long.parseLong`.
///
/// # Errors
/// Java's, when it is no number of 64 bits.
pub fn parse_long(text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| not_a_number(text))
}

fn not_a_number(text: &str) -> Failure {
    let range =
        !text.is_empty() && text.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit());
    let radix = if range { " under radix 10" } else { "" };
    Failure::exception("java.lang.NumberFormatException", format!("For input string: \"{text}\"{radix}"))
}

/// `Uuid.fromString`.
///
/// # Errors
/// Kafka's, when it is no 16 bytes in base64.
pub fn parse_uuid(text: &str) -> Result<Uuid, Failure> {
    if let Some(start) = text.get(..24).filter(|_| text.len() > 24) {
        return Err(Failure::illegal_argument(format!(
            "Input string with prefix `{start}` is too long to be decoded as a base64 UUID"
        )));
    }
    let digits = text.trim_end_matches('=');
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if let Some(other) = digits.bytes().find(|byte| !is_digit(byte)) {
        return Err(Failure::illegal_argument(format!("Illegal base64 character {other:x}")));
    }
    if digits.len() % 4 == 1 {
        return Err(Failure::illegal_argument("Last unit does not have enough valid bits"));
    }
    text.parse().map_err(|_| {
        let bytes = digits.len() * 6 / 8;
        Failure::illegal_argument(format!(
            "Input string `{text}` decoded as {bytes} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID"
        ))
    })
}

/// As Java prints a list: `[a, b]`.
pub fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// `Double.toString`.
pub fn double(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{value:E}");
        match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        }
    } else if value.fract() == 0.0 {
        format!("{value:.1}")
    } else {
        value.to_string()
    }
}

/// `String.hashCode`.
pub fn hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Sorts as a `HashMap` of these keys would be iterated that got them in this order: where Kafka's output has
/// that order, ours has it too.
pub fn sort_as_hash_map<T>(items: &mut [T], hash: impl Fn(&T) -> i32) {
    sort_by_buckets(items, 16, hash);
}

/// Likewise of a `HashMap` that was made for as many keys as it got.
pub fn sort_as_sized_hash_map<T>(items: &mut [T], hash: impl Fn(&T) -> i32) {
    let buckets = items.len().next_power_of_two();
    sort_by_buckets(items, buckets, hash);
}

fn sort_by_buckets<T>(items: &mut [T], mut buckets: usize, hash: impl Fn(&T) -> i32) {
    while items.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    items.sort_by_key(|item| {
        let hash = hash(item).cast_unsigned();
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    });
}

/// By code, ascending.
#[rustfmt::skip]
const EXCEPTIONS: [(i16, &str); 134] = [
    (-1, "org.apache.kafka.common.errors.UnknownServerException"),
    (1, "org.apache.kafka.common.errors.OffsetOutOfRangeException"),
    (2, "org.apache.kafka.common.errors.CorruptRecordException"),
    (3, "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"),
    (4, "org.apache.kafka.common.errors.InvalidFetchSizeException"),
    (5, "org.apache.kafka.common.errors.LeaderNotAvailableException"),
    (6, "org.apache.kafka.common.errors.NotLeaderOrFollowerException"),
    (7, "org.apache.kafka.common.errors.TimeoutException"),
    (8, "org.apache.kafka.common.errors.BrokerNotAvailableException"),
    (9, "org.apache.kafka.common.errors.ReplicaNotAvailableException"),
    (10, "org.apache.kafka.common.errors.RecordTooLargeException"),
    (11, "org.apache.kafka.common.errors.ControllerMovedException"),
    (12, "org.apache.kafka.common.errors.OffsetMetadataTooLarge"),
    (13, "org.apache.kafka.common.errors.NetworkException"),
    (14, "org.apache.kafka.common.errors.CoordinatorLoadInProgressException"),
    (15, "org.apache.kafka.common.errors.CoordinatorNotAvailableException"),
    (16, "org.apache.kafka.common.errors.NotCoordinatorException"),
    (17, "org.apache.kafka.common.errors.InvalidTopicException"),
    (18, "org.apache.kafka.common.errors.RecordBatchTooLargeException"),
    (19, "org.apache.kafka.common.errors.NotEnoughReplicasException"),
    (20, "org.apache.kafka.common.errors.NotEnoughReplicasAfterAppendException"),
    (21, "org.apache.kafka.common.errors.InvalidRequiredAcksException"),
    (22, "org.apache.kafka.common.errors.IllegalGenerationException"),
    (23, "org.apache.kafka.common.errors.InconsistentGroupProtocolException"),
    (24, "org.apache.kafka.common.errors.InvalidGroupIdException"),
    (25, "org.apache.kafka.common.errors.UnknownMemberIdException"),
    (26, "org.apache.kafka.common.errors.InvalidSessionTimeoutException"),
    (27, "org.apache.kafka.common.errors.RebalanceInProgressException"),
    (28, "org.apache.kafka.common.errors.InvalidCommitOffsetSizeException"),
    (29, "org.apache.kafka.common.errors.TopicAuthorizationException"),
    (30, "org.apache.kafka.common.errors.GroupAuthorizationException"),
    (31, "org.apache.kafka.common.errors.ClusterAuthorizationException"),
    (32, "org.apache.kafka.common.errors.InvalidTimestampException"),
    (33, "org.apache.kafka.common.errors.UnsupportedSaslMechanismException"),
    (34, "org.apache.kafka.common.errors.IllegalSaslStateException"),
    (35, "org.apache.kafka.common.errors.UnsupportedVersionException"),
    (36, "org.apache.kafka.common.errors.TopicExistsException"),
    (37, "org.apache.kafka.common.errors.InvalidPartitionsException"),
    (38, "org.apache.kafka.common.errors.InvalidReplicationFactorException"),
    (39, "org.apache.kafka.common.errors.InvalidReplicaAssignmentException"),
    (40, "org.apache.kafka.common.errors.InvalidConfigurationException"),
    (41, "org.apache.kafka.common.errors.NotControllerException"),
    (42, "org.apache.kafka.common.errors.InvalidRequestException"),
    (43, "org.apache.kafka.common.errors.UnsupportedForMessageFormatException"),
    (44, "org.apache.kafka.common.errors.PolicyViolationException"),
    (45, "org.apache.kafka.common.errors.OutOfOrderSequenceException"),
    (46, "org.apache.kafka.common.errors.DuplicateSequenceException"),
    (47, "org.apache.kafka.common.errors.InvalidProducerEpochException"),
    (48, "org.apache.kafka.common.errors.InvalidTxnStateException"),
    (49, "org.apache.kafka.common.errors.InvalidPidMappingException"),
    (50, "org.apache.kafka.common.errors.InvalidTxnTimeoutException"),
    (51, "org.apache.kafka.common.errors.ConcurrentTransactionsException"),
    (52, "org.apache.kafka.common.errors.TransactionCoordinatorFencedException"),
    (53, "org.apache.kafka.common.errors.TransactionalIdAuthorizationException"),
    (54, "org.apache.kafka.common.errors.SecurityDisabledException"),
    (55, "org.apache.kafka.common.errors.OperationNotAttemptedException"),
    (56, "org.apache.kafka.common.errors.KafkaStorageException"),
    (57, "org.apache.kafka.common.errors.LogDirNotFoundException"),
    (58, "org.apache.kafka.common.errors.SaslAuthenticationException"),
    (59, "org.apache.kafka.common.errors.UnknownProducerIdException"),
    (60, "org.apache.kafka.common.errors.ReassignmentInProgressException"),
    (61, "org.apache.kafka.common.errors.DelegationTokenDisabledException"),
    (62, "org.apache.kafka.common.errors.DelegationTokenNotFoundException"),
    (63, "org.apache.kafka.common.errors.DelegationTokenOwnerMismatchException"),
    (64, "org.apache.kafka.common.errors.UnsupportedByAuthenticationException"),
    (65, "org.apache.kafka.common.errors.DelegationTokenAuthorizationException"),
    (66, "org.apache.kafka.common.errors.DelegationTokenExpiredException"),
    (67, "org.apache.kafka.common.errors.InvalidPrincipalTypeException"),
    (68, "org.apache.kafka.common.errors.GroupNotEmptyException"),
    (69, "org.apache.kafka.common.errors.GroupIdNotFoundException"),
    (70, "org.apache.kafka.common.errors.FetchSessionIdNotFoundException"),
    (71, "org.apache.kafka.common.errors.InvalidFetchSessionEpochException"),
    (72, "org.apache.kafka.common.errors.ListenerNotFoundException"),
    (73, "org.apache.kafka.common.errors.TopicDeletionDisabledException"),
    (74, "org.apache.kafka.common.errors.FencedLeaderEpochException"),
    (75, "org.apache.kafka.common.errors.UnknownLeaderEpochException"),
    (76, "org.apache.kafka.common.errors.UnsupportedCompressionTypeException"),
    (77, "org.apache.kafka.common.errors.StaleBrokerEpochException"),
    (78, "org.apache.kafka.common.errors.OffsetNotAvailableException"),
    (79, "org.apache.kafka.common.errors.MemberIdRequiredException"),
    (80, "org.apache.kafka.common.errors.PreferredLeaderNotAvailableException"),
    (81, "org.apache.kafka.common.errors.GroupMaxSizeReachedException"),
    (82, "org.apache.kafka.common.errors.FencedInstanceIdException"),
    (83, "org.apache.kafka.common.errors.EligibleLeadersNotAvailableException"),
    (84, "org.apache.kafka.common.errors.ElectionNotNeededException"),
    (85, "org.apache.kafka.common.errors.NoReassignmentInProgressException"),
    (86, "org.apache.kafka.common.errors.GroupSubscribedToTopicException"),
    (87, "org.apache.kafka.common.InvalidRecordException"),
    (88, "org.apache.kafka.common.errors.UnstableOffsetCommitException"),
    (89, "org.apache.kafka.common.errors.ThrottlingQuotaExceededException"),
    (90, "org.apache.kafka.common.errors.ProducerFencedException"),
    (91, "org.apache.kafka.common.errors.ResourceNotFoundException"),
    (92, "org.apache.kafka.common.errors.DuplicateResourceException"),
    (93, "org.apache.kafka.common.errors.UnacceptableCredentialException"),
    (94, "org.apache.kafka.common.errors.InconsistentVoterSetException"),
    (95, "org.apache.kafka.common.errors.InvalidUpdateVersionException"),
    (96, "org.apache.kafka.common.errors.FeatureUpdateFailedException"),
    (97, "org.apache.kafka.common.errors.PrincipalDeserializationException"),
    (98, "org.apache.kafka.common.errors.SnapshotNotFoundException"),
    (99, "org.apache.kafka.common.errors.PositionOutOfRangeException"),
    (100, "org.apache.kafka.common.errors.UnknownTopicIdException"),
    (101, "org.apache.kafka.common.errors.DuplicateBrokerRegistrationException"),
    (102, "org.apache.kafka.common.errors.BrokerIdNotRegisteredException"),
    (103, "org.apache.kafka.common.errors.InconsistentTopicIdException"),
    (104, "org.apache.kafka.common.errors.InconsistentClusterIdException"),
    (105, "org.apache.kafka.common.errors.TransactionalIdNotFoundException"),
    (106, "org.apache.kafka.common.errors.FetchSessionTopicIdException"),
    (107, "org.apache.kafka.common.errors.IneligibleReplicaException"),
    (108, "org.apache.kafka.common.errors.NewLeaderElectedException"),
    (109, "org.apache.kafka.common.errors.OffsetMovedToTieredStorageException"),
    (110, "org.apache.kafka.common.errors.FencedMemberEpochException"),
    (111, "org.apache.kafka.common.errors.UnreleasedInstanceIdException"),
    (112, "org.apache.kafka.common.errors.UnsupportedAssignorException"),
    (113, "org.apache.kafka.common.errors.StaleMemberEpochException"),
    (114, "org.apache.kafka.common.errors.MismatchedEndpointTypeException"),
    (115, "org.apache.kafka.common.errors.UnsupportedEndpointTypeException"),
    (116, "org.apache.kafka.common.errors.UnknownControllerIdException"),
    (117, "org.apache.kafka.common.errors.UnknownSubscriptionIdException"),
    (118, "org.apache.kafka.common.errors.TelemetryTooLargeException"),
    (119, "org.apache.kafka.common.errors.InvalidRegistrationException"),
    (120, "org.apache.kafka.common.errors.TransactionAbortableException"),
    (121, "org.apache.kafka.common.errors.InvalidRecordStateException"),
    (122, "org.apache.kafka.common.errors.ShareSessionNotFoundException"),
    (123, "org.apache.kafka.common.errors.InvalidShareSessionEpochException"),
    (124, "org.apache.kafka.common.errors.FencedStateEpochException"),
    (125, "org.apache.kafka.common.errors.InvalidVoterKeyException"),
    (126, "org.apache.kafka.common.errors.DuplicateVoterException"),
    (127, "org.apache.kafka.common.errors.VoterNotFoundException"),
    (128, "org.apache.kafka.common.errors.InvalidRegularExpression"),
    (129, "org.apache.kafka.common.errors.RebootstrapRequiredException"),
    (130, "org.apache.kafka.common.errors.StreamsInvalidTopologyException"),
    (131, "org.apache.kafka.common.errors.StreamsInvalidTopologyEpochException"),
    (132, "org.apache.kafka.common.errors.StreamsTopologyFencedException"),
    (133, "org.apache.kafka.common.errors.ShareSessionLimitReachedException"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_fail_in_javas_words() {
        let text = |failure: Failure| failure.text().to_owned();
        assert_eq!(text(parse_int("x").unwrap_err()), "For input string: \"x\"");
        assert_eq!(
            text(parse_int("99999999999").unwrap_err()),
            "For input string: \"99999999999\" under radix 10"
        );
        assert!(text(parse_uuid("abc").unwrap_err()).starts_with("Input string `abc` decoded as 2 bytes"));
    }

    #[test]
    fn doubles_have_javas_form() {
        for (value, text) in
            [(1024.0, "1024.0"), (0.5, "0.5"), (1e7, "1.0E7"), (12_345_678.9, "1.23456789E7")]
        {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn a_hash_map_has_javas_order() {
        // By what the JDK gives for these names: "a" is 97, so bucket 1; "b" 2; "q" is 113, bucket 1 after "a".
        let mut keys = vec!["b", "a", "q"];
        sort_as_hash_map(&mut keys, |key| hash_code(key));
        assert_eq!(keys, ["a", "q", "b"]);
        assert_eq!(hash_code("hello"), 99_162_322);
        // Of 16 buckets the 11th and 12th, of 4 the last and first.
        let mut keys = vec!["consumer_byte_rate", "producer_byte_rate"];
        sort_as_hash_map(&mut keys, |key| hash_code(key));
        assert_eq!(keys, ["producer_byte_rate", "consumer_byte_rate"]);
        sort_as_sized_hash_map(&mut keys, |key| hash_code(key));
        assert_eq!(keys, ["consumer_byte_rate", "producer_byte_rate"]);
    }

    #[test]
    fn codes_ascend_and_are_found() {
        assert!(EXCEPTIONS.is_sorted_by_key(|(code, _)| *code));
        assert_eq!(exception_of_code(69), "org.apache.kafka.common.errors.GroupIdNotFoundException");
        assert_eq!(exception_of_code(9999), "org.apache.kafka.common.errors.UnknownServerException");
    }
}
