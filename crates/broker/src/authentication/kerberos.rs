//! Kerberos of one listener: the files behind [`KerberosService`] (`KerberosLogin`).

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use ottla_config::broker_config::kerberos::KerberosConfig;
use ottla_http::files;
use ottla_security::jaas::{JaasEntry, KRB5_LOGIN_MODULE};
use ottla_security::sasl::gssapi::replay::ReplayCache;
use ottla_security::sasl::gssapi::{
    ConfFiles, InvalidShortNameRule, KerberosService, Keytab, KeytabError, Krb5Conf, PrincipalName,
    ServiceNameError, ShortNamer, keytab, service_name,
};
use parking_lot::Mutex;

/// How often it is looked whether the keytab has changed, at most.
const KEYTAB_INTERVAL_MS: i64 = 1_000;

/// Why a listener cannot have Kerberos as configured.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum KerberosError {
    #[error(
        "the SASL mechanism GSSAPI (Kerberos) has no keytab: set listener.name.{0}.gssapi.sasl.jaas.config, such as {KRB5_LOGIN_MODULE} \
         required useKeyTab=true storeKey=true keyTab=\"/etc/kafka.keytab\" principal=\"kafka/host@REALM\"; or name a JAAS file with a \
         section KafkaServer or {0}.KafkaServer by KAFKA_OPTS=-Djava.security.auth.login.config=<file>; or set sasl.enabled.mechanisms, for \
         instance to SCRAM-SHA-256, which needs none"
    )]
    NoEntry(String),
    #[error("sasl.jaas.config: the login module {0} is not served; {KRB5_LOGIN_MODULE} is")]
    LoginModule(String),
    #[error(
        "sasl.jaas.config: the option {0} is missing; the broker's key is read from a keytab, such as useKeyTab=true \
             keyTab=\"/etc/kafka.keytab\" principal=\"kafka/host@REALM\""
    )]
    Option(&'static str),
    #[error("{why}{cure}", why = .0, cure = cure(.0))]
    ServiceName(#[from] ServiceNameError),
    #[error("sasl.jaas.config: the principal {0:?} is not of the form service/host@REALM")]
    Principal(String),
    #[error("sasl.kerberos.principal.to.local.rules: {0}")]
    Rule(#[from] InvalidShortNameRule),
    #[error("the keytab {path}: {why}")]
    File { path: String, why: std::io::Error },
    #[error("the keytab {path}: {why}")]
    Keytab { path: String, why: KeytabError },
    #[error("the keytab {path} has no AES key of {principal}; `klist -ekt {path}` shows what it has")]
    NoKey { path: String, principal: String },
}

fn cure(why: &ServiceNameError) -> &'static str {
    match why {
        ServiceNameError::Missing => ": set sasl.kerberos.service.name, for instance to kafka",
        ServiceNameError::Conflict { .. } => "",
    }
}

/// The service, and the file with its keys, which may change at any time.
#[derive(Debug)]
pub(super) struct Kerberos {
    service: KerberosService,
    path: PathBuf,
    /// What the file was when it was read last.
    read: Mutex<Option<Stamp>>,
    looked_ms: AtomicI64,
}

/// Tells a file from what it is later.
type Stamp = (SystemTime, u64);

impl Kerberos {
    /// `properties` are those of a Java virtual machine, of which those of `java.security.krb5` count.
    pub(super) fn new(
        entry: &JaasEntry,
        config: &KerberosConfig,
        properties: &HashMap<String, String>,
        replays: Arc<ReplayCache>,
    ) -> Result<Self, KerberosError> {
        if entry.login_module != KRB5_LOGIN_MODULE {
            return Err(KerberosError::LoginModule(entry.login_module.clone()));
        }
        service_name(entry.option("serviceName"), config.service_name.as_deref())?;
        let krb5_conf = krb5_conf(properties);
        let name = entry.option("principal").ok_or(KerberosError::Option("principal"))?;
        let principal = PrincipalName::parse(name, &krb5_conf.default_realm)
            .ok_or_else(|| KerberosError::Principal(name.to_owned()))?;
        if !entry.option("useKeyTab").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(KerberosError::Option("useKeyTab"));
        }
        let path = entry.option("keyTab").ok_or(KerberosError::Option("keyTab"))?;
        let path = match path.split_at_checked(5) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file:") => rest,
            _ => path,
        };
        // Without a krb5.conf the broker's own realm is the one whose users need no rule.
        let default_realm = match krb5_conf.default_realm.as_str() {
            "" => principal.realm.as_str(),
            realm => realm,
        };
        let namer = ShortNamer::new(default_realm, &config.principal_to_local_rules)?;
        let path = PathBuf::from(path);
        let (stamp, keytab) = read_keytab(&path)?;
        let service = KerberosService::new(principal, keytab, namer, krb5_conf.clock_skew_s, replays);
        if !service.has_keys() {
            let (path, principal) = (path.display().to_string(), service.principal().to_string());
            return Err(KerberosError::NoKey { path, principal });
        }
        Ok(Self { service, path, read: Mutex::new(Some(stamp)), looked_ms: AtomicI64::new(i64::MIN) })
    }

    /// The service with the keys that the file has now. A file that cannot be used is told of, and the keys before stay.
    pub(super) fn service(&self, now_ms: i64) -> &KerberosService {
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(looked_ms) >= KEYTAB_INTERVAL_MS || now_ms < looked_ms;
        let is_ours = is_due
            && self
                .looked_ms
                .compare_exchange(looked_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_ours {
            self.follow();
        }
        &self.service
    }

    fn follow(&self) {
        let mut read = self.read.lock();
        let found = std::fs::metadata(&self.path).ok().and_then(|metadata| stamp(&metadata));
        if found.is_none() || found == *read {
            return;
        }
        *read = found;
        match read_keytab(&self.path) {
            Ok((stamp, keytab)) => {
                self.service.set_keytab(keytab);
                *read = Some(stamp);
                tracing::info!(keytab = %self.path.display(), "the keytab has changed, and was read again");
            }
            Err(why) => tracing::warn!("{why}; the keys that were read before stay"),
        }
    }
}

/// The login module of Kerberos, which a listener must have.
pub(super) fn required(listener: &str, entry: Option<JaasEntry>) -> Result<JaasEntry, KerberosError> {
    entry.ok_or_else(|| KerberosError::NoEntry(listener.to_lowercase()))
}

fn stamp(metadata: &std::fs::Metadata) -> Option<Stamp> {
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read_keytab(path: &Path) -> Result<(Stamp, Keytab), KerberosError> {
    let failed = |why| KerberosError::File { path: path.display().to_string(), why };
    let file = File::open(path).map_err(failed)?;
    let stamp = file.metadata().map(|metadata| stamp(&metadata)).map_err(failed)?;
    let bytes = files::read_open(file, keytab::BYTES_MAX).map_err(failed)?;
    let keytab = Keytab::read(&bytes)
        .map_err(|why| KerberosError::Keytab { path: path.display().to_string(), why })?;
    Ok((stamp.unwrap_or((SystemTime::UNIX_EPOCH, 0)), keytab))
}

/// The file that Java's options name, else the system's; what cannot be read says nothing, as in Kafka.
fn krb5_conf(properties: &HashMap<String, String>) -> Krb5Conf {
    let files = ConfFiles { read: &files::text, list: &files::names };
    let found = Krb5Conf::find(properties, None, &files);
    if let Some(why) = found.unread {
        tracing::info!(
            path = found.path,
            why,
            "there is no krb5.conf: users of the broker's own realm need no rule"
        );
    }
    found.complaints.iter().for_each(|complaint| tracing::warn!("{complaint}"));
    found.conf
}

#[cfg(test)]
mod tests {
    use ottla_config::java_options::system_properties;
    use ottla_security::jaas;

    use super::*;

    /// An entry for `kafka/host@REALM` with an AES key of 32 equal bytes, as ktutil writes it.
    fn keytab(version: u8, fill: u8) -> Vec<u8> {
        let mut entry = vec![0, 2, 0, 5];
        entry.extend(b"REALM\0\x05kafka\0\x04host\0\0\0\x01\0\0\0\0");
        entry.extend([version, 0, 18, 0, 32]);
        entry.extend([fill; 32]);
        let mut file = vec![5, 2, 0, 0, 0, entry.len() as u8];
        file.extend(entry);
        file
    }

    fn jaas_entry(path: &Path, options: &str) -> JaasEntry {
        let text = format!("{KRB5_LOGIN_MODULE} required keyTab=\"{}\" {options};", path.display());
        jaas::parse_single(&text).expect("an entry")
    }

    fn config(service_name: Option<&str>) -> KerberosConfig {
        KerberosConfig {
            service_name: service_name.map(str::to_owned),
            principal_to_local_rules: vec!["DEFAULT".to_owned()],
        }
    }

    fn kerberos(entry: &JaasEntry, config: &KerberosConfig, options: &str) -> Result<Kerberos, String> {
        Kerberos::new(entry, config, &system_properties(options), Arc::default())
            .map_err(|why| why.to_string())
    }

    #[test]
    fn keytabs_are_read_at_the_start_and_when_they_change() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kafka.keytab");
        std::fs::write(&path, keytab(1, 7)).expect("a file");
        let options = "useKeyTab=true storeKey=true principal=\"kafka/host@REALM\"";
        let kerberos = kerberos(&jaas_entry(&path, options), &config(Some("kafka")), "").expect("a service");
        assert_eq!(kerberos.service(0).principal().to_string(), "kafka/host@REALM");
        std::fs::write(&path, [5, 2]).expect("a file");
        assert!(kerberos.service(999).has_keys(), "not looked at yet");
        assert!(!kerberos.service(1_000).has_keys(), "the file has none now");
        std::fs::write(&path, b"no keytab").expect("a file");
        assert!(!kerberos.service(2_000).has_keys());
        std::fs::write(&path, keytab(2, 8)).expect("a file");
        assert!(kerberos.service(3_000).has_keys(), "what was wrong is right again");
        std::fs::remove_file(&path).expect("a file");
        assert!(kerberos.service(4_000).has_keys(), "what was read stays");
    }

    #[test]
    fn what_is_missing_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kafka.keytab");
        let check = |options: &str, service_name: Option<&str>, expect: &str| {
            let entry = jaas_entry(&path, options);
            let why = kerberos(&entry, &config(service_name), "-Djava.security.krb5.conf=/nowhere");
            let why = why.expect_err("an error");
            assert!(why.contains(expect), "{why}");
        };
        let good = "useKeyTab=true principal=\"kafka/host@REALM\"";
        check(good, Some("kafka"), "kafka.keytab: No such file");
        std::fs::write(&path, b"no keytab").expect("a file");
        check(good, Some("kafka"), "it is no keytab");
        std::fs::write(&path, keytab(1, 7)).expect("a file");
        check(
            "useKeyTab=true principal=\"kafka/other@REALM\"",
            Some("kafka"),
            "no AES key of kafka/other@REALM",
        );
        check("useKeyTab=true", Some("kafka"), "the option principal is missing");
        check("principal=\"kafka/host@REALM\"", Some("kafka"), "useKeyTab");
        check("useKeyTab=true principal=\"kafka/host\"", Some("kafka"), "service/host@REALM");
        check(good, None, "No serviceName defined in either JAAS or Kafka config");
        let other = format!("{good} serviceName=http");
        check(&other, Some("kafka"), "value in JAAS file http, value in Kafka config kafka");
        let rules =
            KerberosConfig { principal_to_local_rules: vec!["RULE:x".to_owned()], ..config(Some("kafka")) };
        let why = kerberos(&jaas_entry(&path, good), &rules, "").expect_err("a rule");
        assert!(why.contains("sasl.kerberos.principal.to.local.rules") && why.contains("RULE:x"), "{why}");
        let why = required("EXTERNAL", None).expect_err("no entry").to_string();
        assert!(why.contains("listener.name.external.gssapi.sasl.jaas.config"), "{why}");
        let module = jaas::parse_single("org.example.Module required;").expect("an entry");
        let why = kerberos(&module, &config(Some("kafka")), "").expect_err("a module");
        assert!(why.contains("org.example.Module"), "{why}");
    }

    #[test]
    fn the_default_realm() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, conf) = (dir.path().join("kafka.keytab"), dir.path().join("krb5.conf"));
        std::fs::write(&path, keytab(1, 7)).expect("a file");
        std::fs::write(&conf, "[libdefaults]\ndefault_realm = REALM\nclockskew = 60\n").expect("a file");
        let options =
            format!("-Xmx1g -Djava.security.krb5.conf=/x -Djava.security.krb5.conf={}", conf.display());
        assert_eq!(krb5_conf(&system_properties(&options)).clock_skew_s, 60);
        let entry = jaas_entry(&path, "useKeyTab=true principal=\"kafka/host\"");
        let kerberos = kerberos(&entry, &config(Some("kafka")), &options).expect("a service");
        assert_eq!(kerberos.service(0).principal().to_string(), "kafka/host@REALM");
    }
}
