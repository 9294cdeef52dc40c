//! What brokers and clients need of `krb5.conf`: the default realm, how far clocks may differ, and for clients where realms have their
//! key distribution centres, which realm a host belongs to, over which realms others are reached, and how long tickets shall last.
//!
//! ```text
//! [libdefaults]
//!   default_realm = EXAMPLE.ORG
//!   clockskew = 300
//!   ticket_lifetime = 10h
//! [realms]
//!   EXAMPLE.ORG = {
//!     kdc = kdc1.example.org:88
//!     kdc = kdc2.example.org
//!   }
//! [domain_realm]
//!   .example.org = EXAMPLE.ORG
//! [capaths]
//!   EXAMPLE.ORG = {
//!     FAR.ORG = MIDDLE.ORG
//!   }
//! ```
//!
//! `include` and `includedir` are followed ([`reading`]).

mod reading;

use std::collections::BTreeMap;

use super::crypto::Enctype;

pub use reading::{ConfFiles, FoundConf};

/// Seconds by which clocks may differ where nothing is said, as in MIT's and Java's libraries.
const CLOCK_SKEW_S: i64 = 300;
/// The port of key distribution centres.
const PORT: u16 = 88;
/// More centres of one realm are not asked.
const CENTRES_MAX: usize = 16;
/// More realms on a way are not read.
const WAY_MAX: usize = 8;
/// The longest time that is read.
const SECONDS_MAX: i64 = 10 * 365 * 86_400;

/// The entries that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Krb5Conf {
    /// `default_realm`; empty where none is named.
    pub default_realm: String,
    /// `clockskew` in seconds, at least 0.
    pub clock_skew_s: i64,
    /// `default_tkt_enctypes`, else `permitted_enctypes`, as far as served; all where nothing is said.
    pub enctypes: Vec<Enctype>,
    /// `ticket_lifetime` in seconds; what the centre gives where nothing is said.
    pub ticket_lifetime_s: Option<i64>,
    /// `renew_lifetime` in seconds: tickets that can be renewed for so long are asked for.
    pub renew_lifetime_s: Option<i64>,
    /// `dns_lookup_kdc`: whether DNS is asked for centres of realms that the file names none of.
    pub dns_lookup_kdc: bool,
    /// `kdc` of each of the `[realms]`, in their order.
    realms: BTreeMap<String, Vec<KdcAddress>>,
    /// `[domain_realm]`: hosts, and domains with a dot in front, in lower case.
    domains: BTreeMap<String, String>,
    /// `[capaths]`: by the client's realm and the service's, the realms in between, in the order of the way there.
    ways: BTreeMap<(String, String), Vec<String>>,
}

/// Where a key distribution centre listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KdcAddress {
    /// A name or an address.
    pub host: String,
    /// Of TCP.
    pub port: u16,
}

impl Default for Krb5Conf {
    fn default() -> Self {
        Self {
            default_realm: String::new(),
            clock_skew_s: CLOCK_SKEW_S,
            enctypes: Enctype::PREFERRED.to_vec(),
            ticket_lifetime_s: None,
            renew_lifetime_s: None,
            dns_lookup_kdc: true,
            realms: BTreeMap::new(),
            domains: BTreeMap::new(),
            ways: BTreeMap::new(),
        }
    }
}

impl Krb5Conf {
    fn set_defaults(&mut self, defaults: &BTreeMap<String, String>) {
        let value = |key: &str| defaults.get(key).map(String::as_str);
        let time = |key: &str| value(key).and_then(seconds);
        self.default_realm = value("default_realm").unwrap_or_default().to_owned();
        self.clock_skew_s = time("clockskew").filter(|skew| *skew <= 86_400).unwrap_or(CLOCK_SKEW_S);
        self.ticket_lifetime_s = time("ticket_lifetime").filter(|lifetime| *lifetime > 0);
        self.renew_lifetime_s = time("renew_lifetime").filter(|lifetime| *lifetime > 0);
        self.dns_lookup_kdc = value("dns_lookup_kdc").is_none_or(|word| !is_no(word));
        if let Some(words) = value("default_tkt_enctypes").or_else(|| value("permitted_enctypes")) {
            self.enctypes.clear();
            for kind in words.split([' ', ',', '\t']).flat_map(Enctype::named) {
                if !self.enctypes.contains(kind) {
                    self.enctypes.push(*kind);
                }
            }
        }
    }

    /// More centres of a realm, in a text such as `kdc1.example.org:88 kdc2.example.org`.
    pub fn add_centres(&mut self, realm: &str, text: &str) {
        let centres = self.realms.entry(realm.to_owned()).or_default();
        let found = text.split([' ', ',', '\t']).filter_map(KdcAddress::parse);
        centres.extend(found);
        centres.truncate(CENTRES_MAX);
    }

    /// The centres of a realm; none where the file does not name them.
    pub fn centres(&self, realm: &str) -> &[KdcAddress] {
        self.realms.get(realm).map(Vec::as_slice).unwrap_or_default()
    }

    /// More realms on the way from a client's realm to a service's; `.` says that there are none.
    fn add_way(&mut self, client: &str, service: &str, text: &str) {
        let way = self.ways.entry((client.to_owned(), service.to_owned())).or_default();
        let found = text.split([' ', ',', '\t']).filter(|realm| !realm.is_empty() && *realm != ".");
        way.extend(found.map(str::to_owned));
        way.truncate(WAY_MAX);
    }

    /// The realms between a client's and a service's, in the order of the way there; none where the file does not say, or says that
    /// there are none.
    pub fn way(&self, client: &str, service: &str) -> &[String] {
        let way = self.ways.get(&(client.to_owned(), service.to_owned()));
        way.map(Vec::as_slice).unwrap_or_default()
    }

    /// The realm of a host: its own entry, else the one of the nearest domain that has one.
    pub fn realm_of(&self, host: &str) -> Option<&str> {
        let host = host.to_ascii_lowercase();
        if let Some(realm) = self.domains.get(&host) {
            return Some(realm);
        }
        let mut rest = host.as_str();
        while let Some((_, domain)) = rest.split_once('.') {
            let found = self.domains.get(&format!(".{domain}")).or_else(|| self.domains.get(domain));
            if let Some(realm) = found {
                return Some(realm);
            }
            rest = domain;
        }
        None
    }
}

impl KdcAddress {
    /// Reads `host`, `host:port`, `[address]:port`, with `tcp/` in front or not. `None` for what is none, such as the address of a proxy
    /// over HTTPS.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("tcp/").or_else(|| text.strip_prefix("udp/")).unwrap_or(text);
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':'))
            }
            // An address of IPv6 has more than one colon, and no port then.
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        let port = port.map_or(Some(PORT), |port| port.parse().ok())?;
        (!host.is_empty() && !host.contains('/')).then(|| Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for KdcAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// As MIT's library reads a word that stands for no.
fn is_no(word: &str) -> bool {
    ["n", "no", "f", "false", "nil", "0", "off"].iter().any(|no| word.eq_ignore_ascii_case(no))
}

/// `300`, `300s`, `5m`, `1h`, `1d`, `1d12h`, `10:30` (hours and minutes), `10:30:00`.
fn seconds(text: &str) -> Option<i64> {
    let number = |digits: &str| digits.trim().parse::<u32>().ok().map(i64::from);
    let parts: Vec<&str> = text.split(':').collect();
    let total = match parts.as_slice() {
        [hours, minutes] => number(hours)? * 3_600 + number(minutes)? * 60,
        [hours, minutes, seconds] => number(hours)? * 3_600 + number(minutes)? * 60 + number(seconds)?,
        _ => {
            let (mut total, mut rest) = (0_i64, text.trim());
            while !rest.is_empty() {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
                let (digits, after) = rest.split_at_checked(end)?;
                let mut unit = after.chars();
                let unit_s = match unit.next() {
                    None | Some('s') => 1,
                    Some('m') => 60,
                    Some('h') => 3_600,
                    Some('d') => 86_400,
                    Some(_) => return None,
                };
                total = total.saturating_add(number(digits)? * unit_s);
                rest = unit.as_str().trim_start();
            }
            total
        }
    };
    (!text.trim().is_empty() && total <= SECONDS_MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_have() {
        let check = |text: &str, realm: &str, skew: i64| {
            let found = Krb5Conf::parse(text);
            assert_eq!((found.default_realm.as_str(), found.clock_skew_s), (realm, skew), "{text}");
        };
        check("", "", 300);
        check("[libdefaults]\n default_realm = A.B\n\tclockskew=60\n", "A.B", 60);
        check("# x\n[realms]\n default_realm = X\n[libdefaults]\n default_realm = \"A\"\n", "A", 300);
        check("[libdefaults]\ndefault_realm=A\ndefault_realm=B\nclockskew = 2m", "A", 120);
        check("[libdefaults]\nclockskew = -5", "", 300);
        check("[libdefaults]\nclockskew = 99999999999999999999", "", 300);
        check("[libdefaults\ndefault_realm", "", 300);
    }

    #[test]
    fn realms_and_their_centres() {
        let text = "[realms]
            A.B = {
                kdc = one.a.b
                auth_to_local_names = {
                    kdc = nobody
                }
                admin_server = admin.a.b
                kdc = tcp/two.a.b:1088 [::1]:99
            }
            C = {
                kdc = ::1
                kdc = https://proxy/KdcProxy
            }
            [domain_realm]
            .a.b = A.B
            x.a.b = C
            c = C";
        let conf = Krb5Conf::parse(text);
        let centres = |realm: &str| conf.centres(realm).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(centres("A.B"), ["one.a.b:88", "two.a.b:1088", "[::1]:99"]);
        assert_eq!(centres("C"), ["[::1]:88"]);
        assert!(centres("D").is_empty());
        let check = |host: &str, expect: Option<&str>| assert_eq!(conf.realm_of(host), expect, "{host}");
        check("host.a.b", Some("A.B"));
        check("deep.host.A.B", Some("A.B"));
        check("x.a.b", Some("C"));
        check("x.c", Some("C"));
        check("a.b", None);
        check("localhost", None);
        check("", None);
    }

    #[test]
    fn ways_between_realms() {
        let text = "[capaths]
            A = {
                D = B
                D = C
                E = B, C\tB
                B = .
            }
            D = {
                A = C
            }
            [libdefaults]
            dns_lookup_kdc = False";
        let conf = Krb5Conf::parse(text);
        let check = |client: &str, service: &str, expect: &[&str]| {
            assert_eq!(conf.way(client, service), expect, "{client} {service}");
        };
        check("A", "D", &["B", "C"]);
        check("A", "E", &["B", "C", "B"]);
        check("A", "B", &[]);
        check("D", "A", &["C"]);
        check("D", "B", &[]);
        let long = Krb5Conf::parse(&format!("[capaths]\nA = {{\nB = {}\n}}", "X ".repeat(100)));
        assert_eq!(long.way("A", "B").len(), WAY_MAX);
        assert!(
            !conf.dns_lookup_kdc && Krb5Conf::parse("[libdefaults]\ndns_lookup_kdc = yes").dns_lookup_kdc
        );
    }

    #[test]
    fn lifetimes_and_types() {
        let conf = Krb5Conf::parse(
            "[libdefaults]\nticket_lifetime = 10h\nrenew_lifetime=7d\ndefault_tkt_enctypes = rc4-hmac aes128-cts, AES",
        );
        assert_eq!((conf.ticket_lifetime_s, conf.renew_lifetime_s), (Some(36_000), Some(604_800)));
        let expected =
            [Enctype::Aes128Sha1, Enctype::Aes256Sha1, Enctype::Aes256Sha384, Enctype::Aes128Sha256];
        assert_eq!(conf.enctypes, expected);
        let check = |text: &str, expect: Option<i64>| assert_eq!(seconds(text), expect, "{text}");
        check("1d12h", Some(129_600));
        check("1d 30m 5", Some(88_205));
        check("10:30", Some(37_800));
        check("0:0:7", Some(7));
        for bad in ["", " ", "x", "5x", "m", "1:2:3:4", "-1", "é", "99999999d", &"4000000000d".repeat(50_000)]
        {
            check(bad, None);
        }
    }
}
