//! What a key distribution centre says when it says no: KRB-ERROR (RFC 4120 sections 5.9.1 and 7.5.9), with the cure as far as there is one.

use std::fmt;

use crate::sasl::gssapi::der::Fields;
use crate::sasl::gssapi::writing::VERSION;

pub(crate) const KRB_ERROR: u8 = 30;

/// Longer texts of a centre are cut.
const TEXT_CHARS_MAX: usize = 200;

/// A KRB-ERROR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdcError {
    /// The registered number.
    pub code: i64,
    /// The centre's time in Unix seconds, if it told it.
    pub server_time_s: Option<i64>,
    /// Its own words, without control characters; empty if it has none.
    pub text: String,
    /// Data whose meaning the number tells.
    pub data: Vec<u8>,
}

impl KdcError {
    /// `KDC_ERR_S_PRINCIPAL_UNKNOWN`
    pub const UNKNOWN_SERVICE: i64 = 7;
    /// `KDC_ERR_PREAUTH_FAILED`
    pub const WRONG_KEY: i64 = 24;
    /// `KDC_ERR_PREAUTH_REQUIRED`
    pub const PROOF_WANTED: i64 = 25;
    /// `KDC_ERR_SVC_UNAVAILABLE`
    pub const UNAVAILABLE: i64 = 29;
    /// `KRB_AP_ERR_BAD_INTEGRITY`
    pub const INTEGRITY: i64 = 31;
    /// `KRB_AP_ERR_SKEW`
    pub const CLOCK_SKEW: i64 = 37;

    /// `None` when it is malformed, or no KRB-ERROR.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::of_message(bytes, KRB_ERROR)?;
        if fields.integer(0)? != VERSION || fields.integer(1)? != i64::from(KRB_ERROR) {
            return None;
        }
        // The client's time and name are its own words.
        fields.field(2);
        fields.field(3);
        let server_time_s = fields.optional_time(4)?;
        fields.field(5);
        let code = fields.integer(6)?;
        for number in 7..=10 {
            fields.field(number);
        }
        let text = fields.text(11).unwrap_or_default();
        let data = fields.octets(12).unwrap_or_default().to_vec();
        let text = text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
        Some(Self { code, server_time_s, text, data })
    }

    /// Whether another centre of the realm may say yes.
    pub fn is_unavailable(&self) -> bool {
        self.code == Self::UNAVAILABLE
    }

    /// Whether it may go better at once (`KerberosError` of Kafka).
    pub fn is_retriable(&self) -> bool {
        // The client or its ticket is not valid yet, a repeated request, a busy centre.
        matches!(self.code, 21 | 33 | 34 | Self::UNAVAILABLE)
    }

    /// What the number means, and what to do.
    fn meaning(&self) -> (&'static str, &'static str) {
        match self.code {
            1 => ("the client's entry has expired", "have its administrator extend it"),
            6 => (
                "it does not know the client's principal",
                "is the principal of sasl.jaas.config spelled as `klist -kt <keytab>` shows it, and in this realm?",
            ),
            7 => (
                "it does not know the service",
                "the service's principal is made of sasl.kerberos.service.name and the host name by which the broker is \
                 known to clients (advertised.listeners): the realm needs a principal of that name, and names of hosts in \
                 short, or addresses, are not looked up",
            ),
            9 => ("the client or the service has no key", "have its administrator make one"),
            12 => ("its policy forbids the request", "ask its administrator"),
            14 => (
                "it has no key of an encryption type that is asked for",
                "the client asks for AES, or for default_tkt_enctypes of krb5.conf: the principal needs such a key",
            ),
            18 => ("the client's principal is locked or expired", "ask its administrator"),
            21 => ("the client is not valid yet", "do the clocks agree?"),
            23 => ("the client's password has expired", "have it changed, and export the keytab again"),
            24 => (
                "the key is not the client's",
                "the keytab is older than the principal's last change of key: export it again",
            ),
            25 => (
                "it wants a proof of another kind than by the time",
                "the principal must be allowed to prove itself by its key",
            ),
            29 => ("it can't be asked now", "try again later"),
            31 => {
                ("what it was shown was made with another key", "get the first ticket anew: run kinit again")
            }
            32 => ("the ticket has expired", "run kinit again, or log in by a keytab"),
            33 => ("the ticket is not valid yet", "do the clocks agree?"),
            34 => ("it has seen the request before", "try again"),
            37 => (
                "the clocks differ too much",
                "set the clocks of this machine and of the centre by the same time",
            ),
            60 => ("it has failed", "its log may say why"),
            68 => (
                "the client belongs to another realm",
                "name that realm in the principal of sasl.jaas.config",
            ),
            _ => ("it refused", "its log may say why"),
        }
    }
}

impl fmt::Display for KdcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (meaning, cure) = self.meaning();
        write!(f, "{meaning} (error {}", self.code)?;
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        write!(f, "); {cure}")
    }
}
