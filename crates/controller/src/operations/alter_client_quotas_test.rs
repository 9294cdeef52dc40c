use ottla_protocol::ErrorCode;
use ottla_protocol::messages::alter_client_quotas_request::{EntityData, OpData};

use super::*;
use crate::testing::{World, error};

type Part<'a> = (&'a str, Option<&'a str>);
type Op<'a> = (&'a str, Option<f64>);

fn entry(entity: &[Part<'_>], ops: &[Op<'_>]) -> EntryData {
    let part = |(entity_type, name): &Part<'_>| EntityData {
        entity_type: Str::from(*entity_type),
        entity_name: name.map(Str::from),
    };
    let op = |(key, value): &Op<'_>| OpData {
        key: Str::from(*key),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    };
    EntryData { entity: entity.iter().map(part).collect(), ops: ops.iter().map(op).collect() }
}

fn alter(world: &mut World, entries: Vec<EntryData>) -> Vec<(ErrorCode, Option<String>)> {
    let request = AlterClientQuotasRequest { entries, validate_only: false };
    let response = world.run(|c, ctx| c.alter_client_quotas(&request, ctx));
    let brief = |e: &alter_client_quotas_response::EntryData| {
        let (code, message) = error(e.error_code, &e.error_message);
        (code, message.map(str::to_owned))
    };
    response.entries.iter().map(brief).collect()
}

fn refused(world: &mut World, entity: &[Part<'_>], ops: &[Op<'_>]) -> String {
    let before = world.log.len();
    let (code, message) = alter(world, vec![entry(entity, ops)]).remove(0);
    assert_eq!((code, world.log.len()), (ErrorCode::InvalidRequest, before));
    message.unwrap()
}

const ALICE: &[Part<'_>] = &[("user", Some("alice"))];

#[test]
fn set_change_and_remove() {
    let mut world = World::empty();
    let fine = (ErrorCode::None, None);
    let set = entry(ALICE, &[("producer_byte_rate", Some(1000.0)), ("request_percentage", Some(12.5))]);
    let one_fine = std::slice::from_ref(&fine);
    assert_eq!(alter(&mut world, vec![set.clone()]), one_fine);
    let before = world.log.len();
    assert_eq!(alter(&mut world, vec![set]), one_fine);
    assert_eq!(world.log.len(), before, "nothing has changed");
    let entity = entity_of(&entry(ALICE, &[]));
    assert_eq!(world.controller.image().client_quotas.get(&entity).unwrap().len(), 2);
    let remove = entry(ALICE, &[("producer_byte_rate", None), ("request_percentage", None), ("x", None)]);
    assert_eq!(alter(&mut world, vec![remove]), one_fine);
    assert_eq!(world.log.len(), before + 2);
    assert!(world.controller.image().client_quotas.get(&entity).is_none());
}

#[test]
fn entities() {
    let mut world = World::empty();
    let rate: &[Op<'_>] = &[("producer_byte_rate", Some(1.0))];
    assert_eq!(refused(&mut world, &[], rate), "Invalid empty client quota entity");
    assert_eq!(
        refused(&mut world, &[("group", Some("g"))], rate),
        "Unhandled client quota entity type: group"
    );
    assert_eq!(refused(&mut world, &[("user", Some(""))], rate), "Empty user not supported");
    assert_eq!(
        refused(&mut world, &[("ip", None), ("user", None)], rate),
        "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"
    );
    assert_eq!(
        refused(&mut world, &[("ip", Some("1.2.3"))], rate),
        "1.2.3 is not a valid IP or resolvable host."
    );
    assert_eq!(refused(&mut world, &[("ip", None)], rate), "Invalid configuration key producer_byte_rate");
    let ip = entry(&[("ip", Some("::1"))], &[("connection_creation_rate", Some(10.0))]);
    let default = entry(&[("user", None), ("client-id", Some("c"))], rate);
    assert_eq!(alter(&mut world, vec![ip, default]).len(), 2);
    assert_eq!(world.controller.image().client_quotas.iter().count(), 2);
}

#[test]
fn values() {
    let mut world = World::empty();
    let text = "Quota producer_byte_rate must be greater than 0";
    for value in [0.0, -1.0, f64::NAN] {
        assert_eq!(refused(&mut world, ALICE, &[("producer_byte_rate", Some(value))]), text);
    }
    assert_eq!(
        refused(&mut world, ALICE, &[("producer_byte_rate", Some(1.5))]),
        "producer_byte_rate cannot be a fractional value."
    );
    assert_eq!(
        refused(&mut world, ALICE, &[("producer_byte_rate", Some(1e19))]),
        "Proposed value for producer_byte_rate is too large for a LONG."
    );
    assert_eq!(
        refused(&mut world, &[("ip", None)], &[("connection_creation_rate", Some(3e9))]),
        "Proposed value for connection_creation_rate is too large for an INT."
    );
}

#[test]
fn an_entity_twice() {
    let mut world = World::empty();
    let one = entry(ALICE, &[("producer_byte_rate", Some(1.0))]);
    let text = "Ignoring duplicate entity ClientQuotaEntity(entries={user=alice})";
    let duplicate = (ErrorCode::InvalidRequest, Some(text.to_owned()));
    assert_eq!(alter(&mut world, vec![one.clone(), one]), [duplicate]);
    let twice = [("producer_byte_rate", Some(1.0)), ("producer_byte_rate", Some(2.0))];
    assert_eq!(refused(&mut world, &[("user", None)], &twice).split(' ').next(), Some("Ignoring"));
}
