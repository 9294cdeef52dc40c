//! What a configuration and its environment say of Kerberos (`KerberosLogin`, `Krb5LoginModule`).

use std::path::PathBuf;

use ottla_config::{ClientValues, ConfigError, java_options};
use ottla_http::files;
use ottla_security::jaas::{JaasEntry, KRB5_LOGIN_MODULE};
use ottla_security::sasl::gssapi::initiator::login_module::TicketCache;
use ottla_security::sasl::gssapi::initiator::{LoginModule, Renewal};
use ottla_security::sasl::gssapi::{ConfFiles, Krb5Conf, PrincipalName, ServiceNameError, service_name};

const JAAS_CONFIG: &str = "sasl.jaas.config";
const SERVICE_NAME: &str = "sasl.kerberos.service.name";

/// How a client gets its tickets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Who the client is; whoever the cache is of where that is not said.
    pub(super) principal: Option<PrincipalName>,
    pub(super) keytab: Option<PathBuf>,
    pub(super) cache: Option<PathBuf>,
    /// `sasl.kerberos.service.name`
    pub(super) service_name: String,
    pub(super) renewal: Renewal,
    pub(super) conf: Krb5Conf,
    pub(super) conf_path: String,
}

impl Settings {
    /// Reads a client's keys and its login module. `variable` gives the values of the environment.
    ///
    /// # Errors
    /// When something is missing, or names what is not there.
    pub(crate) fn new(
        values: &ClientValues,
        entry: &JaasEntry,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let wrong = |why: String| ConfigError::config(format!("{JAAS_CONFIG}: {why}")).for_key(JAAS_CONFIG);
        let module = LoginModule::from_jaas(entry).map_err(|why| wrong(why.to_string()))?;
        let configured = values.opt_string(SERVICE_NAME).filter(|name| !name.is_empty());
        let service_name =
            service_name(module.service_name.as_deref(), configured).map_err(wrong_service_name)?;
        let (conf, conf_path) = krb5_conf(&variable);
        let principal = module.principal.as_deref().map(|text| {
            PrincipalName::parse(text, &conf.default_realm).ok_or_else(|| {
                wrong(format!(
                    "the principal {text:?} is not of the form name@REALM, and {conf_path} names no default_realm"
                ))
            })
        });
        let cache = match module.ticket_cache {
            None => None,
            Some(TicketCache::File(path)) => Some(PathBuf::from(path)),
            Some(TicketCache::Default) => Some(default_cache(&variable).map_err(wrong)?),
        };
        Ok(Self {
            principal: principal.transpose()?,
            keytab: module.keytab.map(PathBuf::from),
            cache,
            service_name: service_name.to_owned(),
            renewal: Renewal {
                window_factor: values.double("sasl.kerberos.ticket.renew.window.factor"),
                jitter: values.double("sasl.kerberos.ticket.renew.jitter"),
                pause_min_ms: values.long("sasl.kerberos.min.time.before.relogin").max(0),
            },
            conf,
            conf_path,
        })
    }

    /// The module where `sasl.jaas.config` names none.
    pub(crate) fn example() -> String {
        format!(
            "{KRB5_LOGIN_MODULE} required useKeyTab=true keyTab=\"/etc/alice.keytab\" principal=\"alice@EXAMPLE.ORG\"; or, after kinit, \
             {KRB5_LOGIN_MODULE} required useTicketCache=true;"
        )
    }
}

fn wrong_service_name(why: ServiceNameError) -> ConfigError {
    let error = ConfigError::config(why.to_string()).for_key(SERVICE_NAME);
    match why {
        ServiceNameError::Conflict { .. } => error,
        ServiceNameError::Missing => error.hint(
            "set sasl.kerberos.service.name to the first part of the brokers' principals, such as kafka",
        ),
    }
}

/// The file that Java's options or the environment name, else the system's, and what it says; nothing where it can't be read, as in
/// Kafka.
fn krb5_conf(variable: &impl Fn(&str) -> Option<String>) -> (Krb5Conf, String) {
    let options = variable(java_options::KAFKA_OPTS).unwrap_or_default();
    let files = ConfFiles { read: &files::text, list: &files::names };
    let named = variable("KRB5_CONFIG");
    let found = Krb5Conf::find(&java_options::system_properties(&options), named.as_deref(), &files);
    let path = found.path;
    if let Some(why) = found.unread {
        tracing::info!(path, why, "there is no krb5.conf");
    }
    found.complaints.iter().for_each(|complaint| tracing::warn!("{complaint}"));
    (found.conf, path)
}

/// The cache that the environment names, else the user's own.
fn default_cache(variable: &impl Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    if let Some(name) = variable("KRB5CCNAME").filter(|name| !name.is_empty()) {
        return match name.split_once(':') {
            Some(("FILE", path)) => Ok(PathBuf::from(path)),
            Some((kind, _)) if !name.starts_with('/') => Err(format!(
                "KRB5CCNAME={name} names a ticket cache of kind {kind}, and only files are read: run kinit -c FILE:/tmp/my-tickets, and set \
                 KRB5CCNAME=FILE:/tmp/my-tickets or the option ticketCache"
            )),
            _ => Ok(PathBuf::from(name)),
        };
    }
    user_id().map(|id| PathBuf::from(format!("/tmp/krb5cc_{id}"))).ok_or_else(|| {
        "the user's own ticket cache is not known here: set KRB5CCNAME or the option ticketCache".to_owned()
    })
}

/// This process's user; the owner of what the system shows of it.
fn user_id() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}
