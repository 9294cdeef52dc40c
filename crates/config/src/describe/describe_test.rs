use super::*;
use crate::broker_config::BrokerConfig;

fn running(entries: &[(&str, &str)]) -> DynamicBrokerConfig {
    let properties = entries.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect();
    DynamicBrokerConfig::new(BrokerConfig::from_properties(&properties).unwrap().0)
}

fn one(entries: Vec<ConfigEntry>) -> ConfigEntry {
    let [entry] = <[ConfigEntry; 1]>::try_from(entries).unwrap();
    entry
}

#[test]
fn only_what_was_asked_for() {
    let config = running(&[]);
    let entry = one(broker(&config, |name| name == "num.io.threads"));
    assert_eq!((entry.value.as_deref(), entry.type_id, entry.read_only), (Some("8"), 3, false));
    assert!(entry.is_default());
    assert!(entry.documentation.is_some());
    let is_kafkas = |def: &&KeyDef| !def.internal && !def.name.starts_with(keys::own::OWN_PREFIX);
    let count = keys::broker_keys().iter().filter(is_kafkas).count();
    assert_eq!(broker(&config, |_| true).len(), count);
    let config = running(&[("ottla.http.listener", "localhost:0")]);
    assert_eq!(broker(&config, |_| true).len(), count + 1, "a key of Ottla's own is shown when it is set");
}

#[test]
fn secrets_and_unknown_keys_are_hidden() {
    let config = running(&[("delegation.token.secret.key", "hunter2"), ("my.own.key", "hunter2")]);
    for name in ["delegation.token.secret.key", "my.own.key"] {
        let entry = one(broker(&config, |other| other == name));
        assert!(entry.sensitive && entry.value.is_none());
        assert!(entry.synonyms.iter().all(|synonym| synonym.value.is_none()));
        assert_eq!(entry.source, ConfigSource::StaticBrokerConfig);
    }
}

#[test]
fn a_node_on_its_own_shows_its_own_defaults() {
    let entry = one(broker(&running(&[]), |name| name == "offsets.topic.replication.factor"));
    assert_eq!(entry.value.as_deref(), Some("1"));
    assert_eq!(entry.synonyms[0].value.as_deref(), Some("1"));
    assert!(entry.is_default());
}

#[test]
fn a_wrong_override_is_an_error() {
    let overrides = RawMap::from([("segment.bytes".to_owned(), "x".to_owned())]);
    assert!(topic(&running(&[]), &overrides, |_| true).is_err());
}
