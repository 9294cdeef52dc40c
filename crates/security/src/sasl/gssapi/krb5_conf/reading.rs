//! The lines of `krb5.conf`, and of the files that it includes.
//!
//! `include FILE` and `includedir FOLDER` may stand on any line, as in MIT's library. What is included begins outside of every section, and what
//! follows in the file that includes goes on as if nothing had been between. Of a folder those files count whose names are made of
//! letters, digits, `-` and `_`, or end with `.conf` and begin with no dot; in the order of their names.

use std::collections::{BTreeMap, HashMap};

use super::Krb5Conf;

/// Where libraries look when nobody tells them.
const DEFAULT_PATH: &str = "/etc/krb5.conf";
/// How much all files together may have.
const BYTES_MAX: usize = 1 << 20;
/// How many files are read, and how deep they include one another.
const FILES_MAX: usize = 256;
const DEPTH_MAX: usize = 10;
/// How many complaints are kept.
const COMPLAINTS_MAX: usize = 8;

/// How files are got at.
pub struct ConfFiles<'a> {
    /// A file's text, if it has no more than so many bytes; else why not.
    pub read: &'a dyn Fn(&str, usize) -> Result<String, String>,
    /// The names of what is in a folder, in any order.
    pub list: &'a dyn Fn(&str) -> Result<Vec<String>, String>,
}

/// What an environment says of Kerberos.
#[derive(Debug)]
pub struct FoundConf {
    /// What holds; nothing where the file can't be read, as in Kafka.
    pub conf: Krb5Conf,
    /// The file.
    pub path: String,
    /// Why the file can't be read.
    pub unread: Option<String>,
    /// What else is wrong, a line each.
    pub complaints: Vec<String>,
}

impl Krb5Conf {
    /// Reads the file that the system properties of a JVM name, else the first of `variable` (`KRB5_CONFIG`, of which all would hold) that can
    /// be read, else the system's. The properties may also name a realm and its centres.
    pub fn find(
        properties: &HashMap<String, String>,
        variable: Option<&str>,
        files: &ConfFiles<'_>,
    ) -> FoundConf {
        let listed = || variable.into_iter().flat_map(|paths| paths.split(':')).filter(|it| !it.is_empty());
        let readable = || listed().find(|path| (files.read)(path, BYTES_MAX).is_ok());
        let named = properties.get("java.security.krb5.conf").map(String::as_str);
        let path = named.or_else(readable).unwrap_or(DEFAULT_PATH).to_owned();
        let mut reading = Reading::new(Some(files));
        let unread = match (files.read)(&path, BYTES_MAX) {
            Ok(text) => {
                reading.take(&text, &path, 0);
                None
            }
            Err(why) => Some(why),
        };
        let (mut conf, complaints) = reading.end();
        if let (Some(realm), Some(centres)) =
            (properties.get("java.security.krb5.realm"), properties.get("java.security.krb5.kdc"))
        {
            conf.default_realm.clone_from(realm);
            conf.add_centres(realm, &centres.replace(':', " "));
        }
        FoundConf { conf, path, unread, complaints }
    }

    /// Reads a text that includes nothing. What is not understood is passed over, and the first of two entries holds.
    pub fn parse(text: &str) -> Self {
        let mut reading = Reading::new(None);
        reading.take(text, "", 0);
        reading.end().0
    }
}

/// Where a file is at.
#[derive(Default)]
struct Place<'t> {
    section: &'t str,
    realm: &'t str,
    depth: usize,
}

struct Reading<'a> {
    files: Option<&'a ConfFiles<'a>>,
    conf: Krb5Conf,
    defaults: BTreeMap<String, String>,
    complaints: Vec<String>,
    bytes_left: usize,
    files_left: usize,
}

impl<'a> Reading<'a> {
    fn new(files: Option<&'a ConfFiles<'a>>) -> Self {
        Self {
            files,
            conf: Krb5Conf::default(),
            defaults: BTreeMap::new(),
            complaints: Vec::new(),
            bytes_left: BYTES_MAX,
            files_left: FILES_MAX,
        }
    }

    fn end(mut self) -> (Krb5Conf, Vec<String>) {
        self.conf.set_defaults(&self.defaults);
        (self.conf, self.complaints)
    }

    fn complain(&mut self, what: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(what);
        }
    }

    fn take(&mut self, text: &str, path: &str, depth: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(text.len());
        let mut place = Place::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            match directive(line) {
                Some((Directive::File, name)) => self.include(name, path, depth),
                Some((Directive::Folder, name)) => self.include_all(name, path, depth),
                None => self.line(line, &mut place),
            }
        }
    }

    fn include(&mut self, name: &str, by: &str, depth: usize) {
        let Some(files) = self.files else { return };
        let read = if depth >= DEPTH_MAX {
            Err(format!("files include one another more than {DEPTH_MAX} deep"))
        } else if self.files_left == 0 {
            Err(format!("more than {FILES_MAX} files are included"))
        } else if !name.starts_with('/') {
            Err("its path must begin with a slash".to_owned())
        } else {
            (files.read)(name, self.bytes_left)
        };
        match read {
            Ok(text) => {
                self.files_left -= 1;
                self.take(&text, name, depth + 1);
            }
            Err(why) => self.complain(format!("{by} includes {name}, which is not read: {why}")),
        }
    }

    fn include_all(&mut self, folder: &str, by: &str, depth: usize) {
        let Some(files) = self.files else { return };
        let listed = if folder.starts_with('/') {
            (files.list)(folder)
        } else {
            Err("its path must begin with a slash".to_owned())
        };
        match listed {
            Ok(mut names) => {
                names.retain(|name| is_included(name));
                names.sort();
                let folder = folder.trim_end_matches('/');
                names.iter().for_each(|name| self.include(&format!("{folder}/{name}"), by, depth));
            }
            Err(why) => self.complain(format!("{by} includes the folder {folder}, which is not read: {why}")),
        }
    }

    fn line<'t>(&mut self, line: &'t str, place: &mut Place<'t>) {
        if let Some(name) = line.strip_prefix('[') {
            (place.section, place.depth) = (name.split(']').next().unwrap_or_default().trim(), 0);
            return;
        }
        if line.starts_with('}') {
            place.depth = place.depth.saturating_sub(1);
            return;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
            return;
        };
        if value.starts_with('{') {
            place.realm = if place.depth == 0 { key } else { place.realm };
            place.depth += usize::from(!value.ends_with('}'));
            return;
        }
        let value = value.trim_matches('"');
        match (place.section, place.depth) {
            ("libdefaults", 0) => {
                self.defaults.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
            ("realms", 1) if key == "kdc" => self.conf.add_centres(place.realm, value),
            ("capaths", 1) => self.conf.add_way(place.realm, key, value),
            ("domain_realm", 0) => {
                self.conf.domains.entry(key.to_ascii_lowercase()).or_insert_with(|| value.to_owned());
            }
            _ => {}
        }
    }
}

enum Directive {
    File,
    Folder,
}

fn directive(line: &str) -> Option<(Directive, &str)> {
    let (word, name) = line.split_once([' ', '\t'])?;
    match word {
        "include" => Some((Directive::File, name.trim())),
        "includedir" => Some((Directive::Folder, name.trim())),
        _ => None,
    }
}

/// Backups of editors and packages are none.
fn is_included(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && (name.chars().all(is_plain) || (!name.starts_with('.') && name.ends_with(".conf")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files in memory; a folder is whatever stands before the last slash.
    struct Memory(Vec<(String, String)>);

    impl Memory {
        fn new(files: &[(&str, &str)]) -> Self {
            Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
        }

        fn find(&self, properties: &[(&str, &str)], variable: Option<&str>) -> FoundConf {
            let properties =
                properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let read = |path: &str, bytes_max: usize| {
                let (_, text) = self.0.iter().find(|(known, _)| known == path).ok_or("no such file")?;
                if text.len() > bytes_max { Err("too large".to_owned()) } else { Ok(text.clone()) }
            };
            let list = |folder: &str| {
                let of = |(path, _): &(String, String)| {
                    let (parent, name) = path.rsplit_once('/')?;
                    (parent == folder.trim_end_matches('/')).then(|| name.to_owned())
                };
                let names: Vec<String> = self.0.iter().filter_map(of).collect();
                if names.is_empty() { Err("no such folder".to_owned()) } else { Ok(names) }
            };
            Krb5Conf::find(&properties, variable, &ConfFiles { read: &read, list: &list })
        }
    }

    #[test]
    fn files_are_included() {
        let files = Memory::new(&[
            (
                "/etc/krb5.conf",
                "includedir /etc/krb5.conf.d/\n[realms]\nA = {\n kdc = one\ninclude /srv/more\n kdc = two\n}\n",
            ),
            ("/etc/krb5.conf.d/20-b", "[libdefaults]\ndefault_realm = B\nclockskew = 7"),
            ("/etc/krb5.conf.d/10-a.conf", "[libdefaults]\ndefault_realm = A"),
            ("/etc/krb5.conf.d/.hidden.conf", "[libdefaults]\nclockskew = 1"),
            ("/etc/krb5.conf.d/10-a.conf~", "[libdefaults]\nclockskew = 2"),
            ("/srv/more", "kdc = nowhere\n[domain_realm]\n.x = A"),
        ]);
        let found = files.find(&[], None);
        assert_eq!((found.path.as_str(), found.unread), ("/etc/krb5.conf", None));
        assert_eq!(found.complaints, Vec::<String>::new());
        let conf = found.conf;
        assert_eq!((conf.default_realm.as_str(), conf.clock_skew_s), ("A", 7), "in the order of their names");
        let centres: Vec<String> = conf.centres("A").iter().map(ToString::to_string).collect();
        assert_eq!(centres, ["one:88", "two:88"], "what is included begins outside of every section");
        assert_eq!(conf.realm_of("h.x"), Some("A"));
    }

    #[test]
    fn what_cannot_be_included_is_told_and_has_an_end() {
        let complaints = |text: &str| Memory::new(&[("/etc/krb5.conf", text)]).find(&[], None).complaints;
        let check = |text: &str, expect: &str| {
            let found = complaints(text);
            assert!(found.len() == 1 && found[0].contains(expect), "{found:?}");
        };
        check("include /nowhere", "/etc/krb5.conf includes /nowhere, which is not read: no such file");
        check("includedir /nowhere", "includes the folder /nowhere, which is not read: no such folder");
        check("include krb5.conf", "must begin with a slash");
        check("includedir .", "must begin with a slash");
        check("include /etc/krb5.conf", "more than 10 deep");
        assert_eq!(complaints("included = 1\ninclude\nmodule a:b"), Vec::<String>::new());
        let twice = complaints(&"include /etc/krb5.conf\n".repeat(3));
        assert!(twice.len() <= COMPLAINTS_MAX, "{twice:?}");
        let large = "#".repeat(BYTES_MAX / 2);
        let text = "[libdefaults]\ndefault_realm = A\ninclude /large\ninclude /large\ninclude /small";
        let files =
            [("/etc/krb5.conf", text), ("/large", &large), ("/small", "[libdefaults]\nclockskew = 9")];
        let found = Memory::new(&files).find(&[], None);
        assert_eq!((found.conf.default_realm.as_str(), found.conf.clock_skew_s), ("A", 9));
        assert!(found.complaints.len() == 1 && found.complaints[0].contains("too large"), "{found:?}");
    }

    #[test]
    fn the_file_is_the_one_that_is_named() {
        let realm = |name: &str| format!("[libdefaults]\ndefault_realm = {name}");
        let (system, java, mine) = (realm("SYSTEM"), realm("JAVA"), realm("MINE"));
        let files = Memory::new(&[("/etc/krb5.conf", &system), ("/java", &java), ("/mine", &mine)]);
        let check = |properties: &[(&str, &str)], variable: Option<&str>, path: &str, realm: &str| {
            let found = files.find(properties, variable);
            assert_eq!((found.path.as_str(), found.conf.default_realm.as_str()), (path, realm));
        };
        check(&[], None, "/etc/krb5.conf", "SYSTEM");
        check(&[], Some("/none:/mine:/java"), "/mine", "MINE");
        check(&[], Some(""), "/etc/krb5.conf", "SYSTEM");
        check(&[("java.security.krb5.conf", "/java")], Some("/mine"), "/java", "JAVA");
        check(&[("java.security.krb5.conf", "/none")], Some("/mine"), "/none", "");
        assert!(files.find(&[("java.security.krb5.conf", "/none")], None).unread.is_some());
        let named = [("java.security.krb5.realm", "R"), ("java.security.krb5.kdc", "a:b")];
        check(&named, None, "/etc/krb5.conf", "R");
        assert_eq!(files.find(&named, None).conf.centres("R").len(), 2);
    }
}
