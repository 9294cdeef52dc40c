//! Keytabs and caches of tickets, read away from the threads that serve connections.

use std::fmt::Display;
use std::path::Path;

use ottla_http::files;
use ottla_security::sasl::gssapi::{CredentialCache, Keytab, ccache, keytab};

use super::NoTicket;

pub(super) async fn read_keytab(path: &Path) -> Result<Keytab, NoTicket> {
    let bytes =
        files::read_aside(path, keytab::BYTES_MAX).await.map_err(|why| failed("keytab", path, &why))?;
    Keytab::read(&bytes).map_err(|why| failed("keytab", path, &why))
}

pub(super) async fn read_cache(path: &Path) -> Result<CredentialCache, NoTicket> {
    const WHAT: &str = "ticket cache";
    let bytes = files::read_aside(path, ccache::BYTES_MAX).await.map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => {
            let path = path.display();
            NoTicket::Refused(format!(
                "there is no ticket cache {path}: run kinit, with -c FILE:{path} where it has another default"
            ))
        }
        _ => failed(WHAT, path, &why),
    })?;
    CredentialCache::read(&bytes).map_err(|why| failed(WHAT, path, &why))
}

fn failed(what: &str, path: &Path, why: &dyn Display) -> NoTicket {
    NoTicket::Refused(format!("the {what} {} can't be used: {why}", path.display()))
}
