use ottla_metadata::MetadataVersion;
use ottla_protocol::messages::create_delegation_token_request::CreatableRenewers;

use super::*;
use crate::ControllerOptions;
use crate::testing::{World, options};

const ALICE: &str = "User:alice";
const BOB: &str = "User:bob";
const CAROL: &str = "User:carol";

fn with_tokens() -> ControllerOptions {
    ControllerOptions {
        delegation_tokens: Some(TokenLifetimes { max_ms: 1_000, expiry_ms: 100 }),
        ..options()
    }
}

fn world() -> World {
    World::with(with_tokens(), MetadataVersion::LATEST_PRODUCTION, false)
}

fn hmac(id: &str) -> Vec<u8> {
    id.bytes().rev().collect()
}

fn create(
    world: &mut World,
    requester: &str,
    request: CreateDelegationTokenRequest,
) -> CreateDelegationTokenResponse {
    world.run(|c, ctx| c.create_delegation_token(&request, requester, &hmac, ctx))
}

/// A token of alice, which bob may renew.
fn alices(world: &mut World) -> Str {
    let renewers = vec![CreatableRenewers { principal_type: "User".into(), principal_name: "bob".into() }];
    let response = create(world, ALICE, CreateDelegationTokenRequest { renewers, ..Default::default() });
    assert_eq!(response.error_code, 0);
    response.token_id
}

fn renew(world: &mut World, id: Option<&str>, requester: &str, period_ms: i64) -> (ErrorCode, i64) {
    let request = RenewDelegationTokenRequest { renew_period_ms: period_ms, ..Default::default() };
    let response = world.run(|c, ctx| c.renew_delegation_token(&request, id, requester, ctx));
    (ErrorCode::from_code(response.error_code), response.expiry_timestamp_ms)
}

fn expire(world: &mut World, id: Option<&str>, requester: &str, period_ms: i64) -> (ErrorCode, i64) {
    let request = ExpireDelegationTokenRequest { expiry_time_period_ms: period_ms, ..Default::default() };
    let response = world.run(|c, ctx| c.expire_delegation_token(&request, id, requester, ctx));
    (ErrorCode::from_code(response.error_code), response.expiry_timestamp_ms)
}

fn expiry(world: &World, id: &str) -> Option<i64> {
    world.controller.image().delegation_tokens.get(id).map(|token| token.expiration_timestamp_ms)
}

#[test]
fn a_new_token_is_a_record() {
    let mut world = world();
    world.now_ms = 5_000;
    let renewers = vec![CreatableRenewers { principal_type: "User".into(), principal_name: "bob".into() }];
    let request = CreateDelegationTokenRequest {
        owner_principal_type: Some("User".into()),
        owner_principal_name: Some("alice".into()),
        renewers,
        max_lifetime_ms: 50,
    };
    let response = create(&mut world, CAROL, request);
    assert_eq!(
        (response.error_code, &*response.principal_type, &*response.principal_name),
        (0, "User", "alice")
    );
    assert_eq!(&*response.token_requester_principal_name, "carol");
    let times = (response.issue_timestamp_ms, response.expiry_timestamp_ms, response.max_timestamp_ms);
    assert_eq!(
        times,
        (5_000, 5_050, 5_050),
        "the end asked for comes before delegation.token.expiry.time.ms"
    );
    assert_eq!(response.hmac, hmac(&response.token_id));
    let token = world.controller.image().delegation_tokens.get(&response.token_id).expect("the token");
    assert_eq!((&*token.owner, &*token.requester), (ALICE, CAROL));
    assert!([ALICE, BOB, CAROL].into_iter().all(|it| token.is_of(it)) && !token.is_of("User:dave"));
    assert!(token.is_renewer(ALICE) && token.is_renewer(BOB) && !token.is_renewer(CAROL));
    for asked in [-1, 0, 9_999] {
        let request = CreateDelegationTokenRequest { max_lifetime_ms: asked, ..Default::default() };
        let response = create(&mut world, ALICE, request);
        let times = (response.expiry_timestamp_ms, response.max_timestamp_ms);
        assert_eq!(times, (5_100, 6_000), "no more than the broker's, {asked}");
    }
}

#[test]
fn what_stands_against_tokens() {
    let mut world = world();
    let renewers = vec![CreatableRenewers { principal_type: "Group".into(), principal_name: "g".into() }];
    let response = create(&mut world, ALICE, CreateDelegationTokenRequest { renewers, ..Default::default() });
    assert_eq!(response.error_code, ErrorCode::InvalidPrincipalType.code());
    assert_eq!(&*response.principal_name, "alice");
    let mut without = World::empty();
    let mut old = World::with(with_tokens(), MetadataVersion::V3_4_IV0, false);
    for (world, error) in
        [(&mut without, ErrorCode::DelegationTokenAuthDisabled), (&mut old, ErrorCode::UnsupportedVersion)]
    {
        assert_eq!(create(world, ALICE, CreateDelegationTokenRequest::default()).error_code, error.code());
        assert_eq!(renew(world, None, ALICE, 1).0, error);
        assert_eq!(expire(world, None, ALICE, 1).0, error);
    }
    assert_eq!(world.controller.image().delegation_tokens.iter().count(), 0);
}

#[test]
fn owners_and_renewers_renew() {
    let mut world = world();
    world.now_ms = 0;
    let id = alices(&mut world);
    world.now_ms = 50;
    assert_eq!(renew(&mut world, Some(&id), BOB, -1), (ErrorCode::None, 150));
    assert_eq!(renew(&mut world, Some(&id), ALICE, 10), (ErrorCode::None, 60), "it may also end sooner");
    assert_eq!(renew(&mut world, Some(&id), ALICE, 999), (ErrorCode::None, 150), "but no later");
    assert_eq!(expiry(&world, &id), Some(150));
    assert_eq!(renew(&mut world, Some(&id), CAROL, 1).0, ErrorCode::DelegationTokenOwnerMismatch);
    assert_eq!(renew(&mut world, None, ALICE, 1).0, ErrorCode::DelegationTokenNotFound);
    assert_eq!(renew(&mut world, Some("gone"), ALICE, 1).0, ErrorCode::DelegationTokenNotFound);
    world.now_ms = 151;
    assert_eq!(renew(&mut world, Some(&id), CAROL, 1).0, ErrorCode::DelegationTokenExpired);
    let mut world = self::world();
    world.now_ms = 0;
    let id = alices(&mut world);
    for now in (100..1_000).step_by(100) {
        world.now_ms = now;
        assert_eq!(renew(&mut world, Some(&id), ALICE, -1), (ErrorCode::None, now + 100));
    }
    world.now_ms = 1_000;
    assert_eq!(
        renew(&mut world, Some(&id), ALICE, -1),
        (ErrorCode::None, 1_000),
        "never past its longest life"
    );
}

#[test]
fn tokens_end() {
    let mut world = world();
    world.now_ms = 0;
    let (id, other) = (alices(&mut world), alices(&mut world));
    assert_eq!(expire(&mut world, Some(&id), CAROL, -1).0, ErrorCode::DelegationTokenOwnerMismatch);
    assert_eq!(expire(&mut world, Some(&id), BOB, 30), (ErrorCode::None, 30));
    assert_eq!(expire(&mut world, Some(&id), BOB, 9_999), (ErrorCode::None, 1_000), "up to its longest life");
    assert_eq!(expire(&mut world, Some(&id), BOB, i64::MAX), (ErrorCode::None, 1_000));
    world.now_ms = 101;
    assert_eq!(expire(&mut world, Some(&other), ALICE, 5).0, ErrorCode::DelegationTokenExpired);
    assert_eq!(
        expire(&mut world, Some(&other), ALICE, -1),
        (ErrorCode::None, 101),
        "what is over can be taken away"
    );
    assert_eq!(expire(&mut world, Some(&other), ALICE, -1).0, ErrorCode::DelegationTokenNotFound);
    assert_eq!((expiry(&world, &id), expiry(&world, &other)), (Some(1_000), None));
}

#[test]
fn a_sweep_takes_what_is_over() {
    let mut world = world();
    world.now_ms = 0;
    let (id, long) = (alices(&mut world), alices(&mut world));
    expire(&mut world, Some(&long), ALICE, 500);
    world.now_ms = 100;
    assert!(!world.run(|c, ctx| c.sweep_expired_delegation_tokens(ctx.now_ms)));
    assert!(expiry(&world, &id).is_some(), "good until the end of the last millisecond");
    world.now_ms = 101;
    assert!(!world.run(|c, ctx| c.sweep_expired_delegation_tokens(ctx.now_ms)));
    assert_eq!((expiry(&world, &id), expiry(&world, &long)), (None, Some(500)));
    for _ in 0..MAX_RECORDS_PER_EXPIRATION {
        alices(&mut world);
    }
    world.now_ms = 5_000;
    assert!(world.run(|c, ctx| c.sweep_expired_delegation_tokens(ctx.now_ms)), "one is left");
    assert_eq!(world.controller.image().delegation_tokens.iter().count(), 1);
    assert!(!world.run(|c, ctx| c.sweep_expired_delegation_tokens(ctx.now_ms)));
    assert_eq!(world.controller.image().delegation_tokens.iter().count(), 0);
}
