//! Delegation tokens over real sockets: who may have them made and see them, and what can be done with one.

mod logins;
mod wire_client;

use logins::{log_in_plain, log_in_token};
use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_metadata::AclOperation::{CreateTokens, Describe, DescribeTokens};
use ottla_metadata::AclResourceType::{DelegationToken, User};
use ottla_metadata::{AclOperation, AclResourceType};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::create_acls_request::AclCreation;
use ottla_protocol::messages::create_delegation_token_request::CreatableRenewers;
use ottla_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use ottla_protocol::messages::*;
use ottla_security::sasl::HashFunction::{Sha256, Sha512};
use wire_client::WireClient;

const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_admin=\"a\" user_alice=\"a\" user_bob=\"a\" user_carol=\"a\";";

fn start(dir: &tempfile::TempDir, more: &[(&str, &str)]) -> Server {
    let mut properties = RawMap::from(
        [
            ("log.dirs", dir.path().to_str().expect("a path")),
            ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
            ("listener.name.secure.plain.sasl.jaas.config", JAAS),
            ("connection.failed.authentication.delay.ms", "1"),
            ("delegation.token.secret.key", "cluster-secret"),
            ("authorizer.class.name", "standard"),
            ("super.users", "User:admin"),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    properties.extend(more.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default()).expect("the node starts")
}

fn connect(server: &Server, listener: &str) -> WireClient {
    let address = server.addresses().iter().find(|(name, _)| name == listener).expect("the listener").1;
    WireClient::connect(address)
}

fn user(server: &Server, name: &str) -> WireClient {
    let mut client = connect(server, "SECURE");
    assert_eq!(log_in_plain(&mut client, name, "a").error_code, 0);
    client
}

fn allow(server: &Server, principal: &str, (kind, name, operation): (AclResourceType, &str, AclOperation)) {
    let creation = AclCreation {
        resource_type: kind.code(),
        resource_name: name.into(),
        resource_pattern_type: 3,
        principal: principal.into(),
        host: "*".into(),
        operation: operation.code(),
        permission_type: 3,
    };
    let results = user(server, "admin").call(&CreateAclsRequest { creations: vec![creation] }, 3).results;
    assert_eq!(results[0].error_code, 0, "{:?}", results[0].error_message);
}

fn request(owner: Option<&str>, renewers: &[&str]) -> CreateDelegationTokenRequest {
    CreateDelegationTokenRequest {
        owner_principal_type: owner.map(|_| "User".into()),
        owner_principal_name: owner.map(Into::into),
        renewers: renewers
            .iter()
            .map(|name| CreatableRenewers { principal_type: "User".into(), principal_name: (*name).into() })
            .collect(),
        max_lifetime_ms: -1,
    }
}

fn create(client: &mut WireClient, owner: Option<&str>, renewers: &[&str]) -> CreateDelegationTokenResponse {
    client.call(&request(owner, renewers), 3)
}

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code)
}

/// Owners of the tokens that somebody sees, or the error.
fn described(client: &mut WireClient, owners: Option<&[&str]>) -> Result<Vec<String>, ErrorCode> {
    let owner = |name: &&str| DescribeDelegationTokenOwner {
        principal_type: "User".into(),
        principal_name: (*name).into(),
    };
    let owners = owners.map(|owners| owners.iter().map(owner).collect());
    let response = client.call(&DescribeDelegationTokenRequest { owners }, 3);
    if response.error_code != 0 {
        return Err(code(response.error_code));
    }
    let mut owners: Vec<String> = response.tokens.iter().map(|it| it.principal_name.to_string()).collect();
    owners.sort();
    Ok(owners)
}

fn renew(client: &mut WireClient, hmac: &[u8], renew_period_ms: i64) -> (ErrorCode, i64) {
    let request = RenewDelegationTokenRequest { hmac: hmac.to_vec().into(), renew_period_ms };
    let response = client.call(&request, 2);
    (code(response.error_code), response.expiry_timestamp_ms)
}

fn expire(client: &mut WireClient, hmac: &[u8], expiry_time_period_ms: i64) -> (ErrorCode, i64) {
    let request = ExpireDelegationTokenRequest { hmac: hmac.to_vec().into(), expiry_time_period_ms };
    let response = client.call(&request, 2);
    (code(response.error_code), response.expiry_timestamp_ms)
}

#[test]
fn a_token_lets_in_as_its_owner_and_no_further() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir, &[]);
    let mut alice = user(&server, "alice");
    let token = create(&mut alice, None, &["bob"]);
    assert_eq!((token.error_code, &*token.principal_name, token.hmac.len()), (0, "alice", 64));
    assert_eq!(&*token.token_requester_principal_name, "alice");
    for hash in [Sha256, Sha512, Sha256] {
        let mut by_token = connect(&server, "SECURE");
        let done = log_in_token(&mut by_token, hash, &token.token_id, &token.hmac);
        assert_eq!(done.error_code, 0, "{:?}", done.error_message);
        let day_ms = 24 * 60 * 60 * 1_000;
        assert!((1..=day_ms).contains(&done.session_lifetime_ms), "the session ends with the token");
        assert_eq!(by_token.describe_acls(), ErrorCode::ClusterAuthorizationFailed, "alice may not either");
        let refused = ErrorCode::DelegationTokenRequestNotAllowed;
        assert_eq!(code(create(&mut by_token, None, &[]).error_code), refused);
        assert_eq!(renew(&mut by_token, &token.hmac, -1), (refused, -1));
        assert_eq!(expire(&mut by_token, &token.hmac, -1), (refused, -1));
        assert_eq!(described(&mut by_token, None), Err(refused));
    }
    let mut answers = Vec::new();
    for (id, hmac) in [(&*token.token_id, &b"wrong"[..]), ("nobodys", &token.hmac)] {
        let mut stranger = connect(&server, "SECURE");
        let refused = log_in_token(&mut stranger, Sha256, id, hmac);
        assert_eq!(code(refused.error_code), ErrorCode::SaslAuthenticationFailed);
        answers.push(refused.error_message);
        assert!(stranger.is_closed());
    }
    assert_eq!(answers[0], answers[1], "whether a token exists is not told");
    server.shutdown();
}

#[test]
fn tokens_are_asked_for_by_who_is_known() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir, &[]);
    let mut open = connect(&server, "PLAINTEXT");
    let refused = ErrorCode::DelegationTokenRequestNotAllowed;
    let response = create(&mut open, None, &[]);
    assert_eq!((code(response.error_code), response.issue_timestamp_ms), (refused, -1));
    assert_eq!((renew(&mut open, b"x", -1), expire(&mut open, b"x", -1)), ((refused, -1), (refused, -1)));
    assert_eq!(described(&mut open, None), Err(refused));
    server.shutdown();
    let server = start(&dir, &[("delegation.token.secret.key", "")]);
    let mut alice = user(&server, "alice");
    let disabled = ErrorCode::DelegationTokenAuthDisabled;
    assert_eq!(code(create(&mut alice, None, &[]).error_code), disabled);
    assert_eq!((renew(&mut alice, b"x", -1).0, expire(&mut alice, b"x", -1).0), (disabled, disabled));
    assert_eq!(described(&mut alice, None), Err(disabled));
    server.shutdown();
}

#[test]
fn tokens_for_others_need_leave() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir, &[]);
    let mut alice = user(&server, "alice");
    let refused = create(&mut alice, Some("bob"), &[]);
    assert_eq!(code(refused.error_code), ErrorCode::DelegationTokenAuthorizationFailed);
    assert_eq!((&*refused.principal_name, &*refused.token_requester_principal_name), ("bob", "alice"));
    allow(&server, "User:alice", (User, "User:bob", CreateTokens));
    let token = create(&mut alice, Some("bob"), &[]);
    assert_eq!((token.error_code, &*token.principal_name), (0, "bob"));
    let old = alice.call(&CreateDelegationTokenRequest { max_lifetime_ms: 5, ..Default::default() }, 2);
    assert_eq!((old.error_code, old.max_timestamp_ms - old.issue_timestamp_ms), (0, 5));
    assert_eq!(old.expiry_timestamp_ms, old.max_timestamp_ms);
    let mut renewer = request(None, &["carol"]);
    renewer.renewers[0].principal_type = "Group".into();
    assert_eq!(code(alice.call(&renewer, 3).error_code), ErrorCode::InvalidPrincipalType);
    // Who asked for a token is no renewer of it.
    assert_eq!(renew(&mut alice, &token.hmac, -1).0, ErrorCode::DelegationTokenOwnerMismatch);
    assert_eq!(renew(&mut user(&server, "bob"), &token.hmac, -1).0, ErrorCode::None);
    server.shutdown();
}

#[test]
fn tokens_are_seen_by_those_whom_they_concern() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir, &[]);
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|name| user(&server, name));
    let alices = create(&mut alice, None, &["bob"]);
    create(&mut carol, None, &[]);
    let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(described(&mut alice, None), names(&["alice"]));
    assert_eq!(described(&mut bob, None), names(&["alice"]), "as a renewer");
    assert_eq!(described(&mut carol, None), names(&["carol"]));
    assert_eq!(described(&mut user(&server, "admin"), None), names(&["alice", "carol"]));
    assert_eq!(described(&mut alice, Some(&[])), names(&[]));
    assert_eq!(described(&mut alice, Some(&["carol"])), names(&[]));
    assert_eq!(described(&mut bob, Some(&["alice", "carol"])), names(&["alice"]));
    allow(&server, "User:carol", (DelegationToken, &alices.token_id, Describe));
    assert_eq!(described(&mut carol, None), names(&["alice", "carol"]));
    allow(&server, "User:alice", (User, "User:carol", DescribeTokens));
    assert_eq!(described(&mut alice, Some(&["carol"])), names(&["carol"]));
    let response = bob.call(&DescribeDelegationTokenRequest { owners: None }, 3);
    let (token, expected) = (&response.tokens[0], (&alices.token_id, &alices.hmac));
    assert_eq!((&token.token_id, &token.hmac), expected);
    assert_eq!(&*token.renewers[0].principal_name, "bob");
    let response = bob.call(&DescribeDelegationTokenRequest { owners: None }, 2);
    assert_eq!((response.tokens.len(), &*response.tokens[0].token_requester_principal_name), (1, ""));
    server.shutdown();
}

#[test]
fn tokens_are_renewed_and_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir, &[]);
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|name| user(&server, name));
    let token = create(&mut alice, None, &["bob"]);
    let mismatch = ErrorCode::DelegationTokenOwnerMismatch;
    assert_eq!(
        (renew(&mut carol, &token.hmac, -1).0, expire(&mut carol, &token.hmac, -1).0),
        (mismatch, mismatch)
    );
    let not_found = ErrorCode::DelegationTokenNotFound;
    assert_eq!((renew(&mut alice, b"x", -1).0, expire(&mut alice, b"x", -1).0), (not_found, not_found));
    let (renewed, expiry_ms) = renew(&mut bob, &token.hmac, 60_000);
    assert!(
        renewed == ErrorCode::None && expiry_ms < token.expiry_timestamp_ms,
        "only a minute was asked for"
    );
    let (ended, expiry_ms) = expire(&mut bob, &token.hmac, i64::MAX);
    assert_eq!((ended, expiry_ms), (ErrorCode::None, token.max_timestamp_ms));
    // The tokens and what they are good for survive a restart.
    drop((alice, bob, carol));
    server.shutdown();
    let server = start(&dir, &[]);
    let mut by_token = connect(&server, "SECURE");
    assert_eq!(log_in_token(&mut by_token, Sha512, &token.token_id, &token.hmac).error_code, 0);
    let mut alice = user(&server, "alice");
    assert_eq!(expire(&mut alice, &token.hmac, -1).0, ErrorCode::None);
    assert_eq!(described(&mut alice, None), Ok(Vec::new()));
    let mut late = connect(&server, "SECURE");
    let refused = log_in_token(&mut late, Sha512, &token.token_id, &token.hmac);
    assert_eq!(code(refused.error_code), ErrorCode::SaslAuthenticationFailed);
    server.shutdown();
}

#[test]
fn what_nobody_renews_is_swept_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(&dir, &[("delegation.token.expiry.time.ms", "1")]);
    let mut alice = user(&server, "alice");
    let token = create(&mut alice, None, &[]);
    assert_eq!(token.expiry_timestamp_ms - token.issue_timestamp_ms, 1);
    let now_ms = || std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis();
    while now_ms() <= token.expiry_timestamp_ms as u128 {
        std::thread::yield_now();
    }
    assert_eq!(renew(&mut alice, &token.hmac, 1).0, ErrorCode::DelegationTokenExpired);
    let mut late = connect(&server, "SECURE");
    let refused = log_in_token(&mut late, Sha256, &token.token_id, &token.hmac);
    assert_eq!(code(refused.error_code), ErrorCode::SaslAuthenticationFailed, "it is over, swept or not");
    drop(alice);
    server.shutdown();
    let server = start(&dir, &[("delegation.token.expiry.check.interval.ms", "1")]);
    let mut alice = user(&server, "alice");
    while described(&mut alice, None) != Ok(Vec::new()) {}
    server.shutdown();
}
