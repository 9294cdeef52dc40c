use ottla_metadata::MetadataVersion;

use super::*;
use crate::testing::{World, error, options};

fn upsertion(name: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    let (salt, salted_password) = ("salt".into(), "password".into());
    ScramCredentialUpsertion { name: name.into(), mechanism, iterations, salt, salted_password }
}

fn deletion(name: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion { name: name.into(), mechanism }
}

fn run(
    world: &mut World,
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> Vec<(String, ErrorCode, Option<String>)> {
    let request = AlterUserScramCredentialsRequest { deletions, upsertions };
    let keys = |_: ScramMechanism, salted: &[u8]| ScramKeys {
        stored_key: salted.iter().rev().copied().collect(),
        server_key: salted.to_vec(),
    };
    let response = world.run(|c, ctx| c.alter_user_scram_credentials(&request, &keys, ctx));
    let brief = |r: &AlterUserScramCredentialsResult| {
        let (code, message) = error(r.error_code, &r.error_message);
        (r.user.to_string(), code, message.map(str::to_owned))
    };
    response.results.iter().map(brief).collect()
}

#[test]
fn set_and_delete() {
    let mut world = World::empty();
    let fine = |user: &str| (user.to_owned(), ErrorCode::None, None);
    let set = vec![upsertion("alice", 1, 4096), upsertion("bob", 2, 16384)];
    assert_eq!(run(&mut world, vec![], set), [fine("alice"), fine("bob")]);
    let credential = world.controller.image().scram.get(&"alice".into(), ScramMechanism::Sha256).unwrap();
    assert_eq!((&*credential.stored_key, &*credential.server_key), (&b"drowssap"[..], &b"password"[..]));
    assert_eq!(format!("{credential:?}"), "ScramCredential([hidden])");
    assert_eq!(run(&mut world, vec![deletion("alice", 1)], vec![]), [fine("alice")]);
    assert_eq!(world.controller.image().scram.iter().count(), 1);
}

#[test]
fn refusals() {
    let mut world = World::empty();
    let mut one = |deletions, upsertions| {
        let (_, code, message) = run(&mut world, deletions, upsertions).remove(0);
        (code, message.unwrap())
    };
    let bad = ErrorCode::UnacceptableCredential;
    assert_eq!(one(vec![], vec![upsertion("a", 1, 4095)]), (bad, "Too few iterations".into()));
    assert_eq!(one(vec![], vec![upsertion("a", 1, 16385)]), (bad, "Too many iterations".into()));
    assert_eq!(one(vec![], vec![upsertion("", 1, 4096)]), (bad, "Username must not be empty".into()));
    assert_eq!(
        one(vec![deletion("a", 9)], vec![]),
        (ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism".into())
    );
    assert_eq!(
        one(vec![deletion("a", 1)], vec![]),
        (ErrorCode::ResourceNotFound, "Attempt to delete a user credential that does not exist".into())
    );
    assert_eq!(
        one(vec![], vec![upsertion("a", 1, 4096), upsertion("a", 2, 4096)]),
        (
            ErrorCode::DuplicateResource,
            "A user credential cannot be altered twice in the same request".into()
        )
    );
    let mut old = World::with(options(), MetadataVersion::V3_4_IV0, false);
    let (_, code, _) = run(&mut old, vec![], vec![upsertion("a", 1, 4096)]).remove(0);
    assert_eq!(code, ErrorCode::UnsupportedVersion);
}
