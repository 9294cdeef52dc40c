//! Records of TLS 1.3 (RFC 8446, 5.1 and 5.2), where they stand: sealed in the buffer they are sent from, opened in the one that
//! frames are cut from.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{AlertDescription, ConnectionTrafficSecrets};

/// What stands before a record: its outer type, a version of old, the length of what follows.
pub(super) const HEADER: usize = 5;
/// A record with as much plaintext as it can have.
pub(super) const FULL_RECORD: usize = HEADER + PLAIN_MAX + TRAILER;
/// The most plaintext of a record.
pub(super) const PLAIN_MAX: usize = 1 << 14;
/// The most that follows a header: 256 bytes may be added to the plaintext.
const SEALED_MAX: usize = PLAIN_MAX + 256;
/// The seal, which is the same with all suites.
const TAG: usize = 16;
/// What stands behind the plaintext: the inner type and the seal.
pub(super) const TRAILER: usize = 1 + TAG;

/// Types of records.
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const DATA: u8 = 23;

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// Not sealed by the other side, or changed on its way.
    #[error("a record cannot be decrypted")]
    Decrypt,
    /// Longer than any may be.
    #[error("a record is longer than TLS allows")]
    Oversized,
    /// What has no place here.
    #[error("{0} came after the handshake")]
    Unexpected(&'static str),
    /// The other side says so.
    #[error("the client says {0:?}")]
    Told(AlertDescription),
    /// Secrets or numbers are used up.
    #[error("{0}")]
    Secrets(#[from] rustls::Error),
}

impl RecordError {
    /// What the other side is told; nothing to one who told us.
    pub(super) fn alert(&self) -> Option<AlertDescription> {
        match self {
            RecordError::Decrypt => Some(AlertDescription::BadRecordMac),
            RecordError::Oversized => Some(AlertDescription::RecordOverflow),
            RecordError::Unexpected(_) => Some(AlertDescription::UnexpectedMessage),
            RecordError::Told(_) => None,
            RecordError::Secrets(_) => Some(AlertDescription::InternalError),
        }
    }
}

/// Length of what follows the header at the front of `bytes`; `None` while the header is incomplete.
///
/// # Errors
/// When it is not the header of an encrypted record: those are all that may come once a handshake is done.
pub(super) fn sealed_len(bytes: &[u8]) -> Result<Option<usize>, RecordError> {
    let Some(&[kind, _, _, high, low]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if kind != DATA {
        return Err(RecordError::Unexpected("a record that is not encrypted"));
    }
    if len > SEALED_MAX { Err(RecordError::Oversized) } else { Ok(Some(len)) }
}

/// Where the plaintext of a record stands.
pub(super) fn plaintext(record: &mut [u8]) -> &mut [u8] {
    let end = record.len().saturating_sub(TRAILER);
    record.get_mut(HEADER..end).unwrap_or_default()
}

const SEALING: RecordError = RecordError::Secrets(rustls::Error::EncryptError);

/// The protection of one direction until its key changes.
pub(super) struct Protection {
    key: LessSafeKey,
    /// What a record's number is mixed with (RFC 8446, 5.3).
    iv: [u8; 12],
    /// Number of the next record.
    sequence: u64,
}

impl Protection {
    /// The number of the next record, and what its direction is protected with.
    pub(super) fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, RecordError> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(SEALING),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| SEALING)?;
        let iv = iv.as_ref().try_into().map_err(|_| SEALING)?;
        Ok(Protection { key: LessSafeKey::new(key), iv, sequence })
    }

    /// Records that were protected by this key.
    pub(super) fn records(&self) -> u64 {
        self.sequence
    }

    /// No number is used twice with a key: it only grows, and long before its end the key is another.
    fn nonce(&mut self) -> Result<Nonce, RecordError> {
        let mut nonce = self.iv;
        for (byte, of_number) in nonce.iter_mut().skip(4).zip(self.sequence.to_be_bytes()) {
            *byte ^= of_number;
        }
        self.sequence = self.sequence.checked_add(1).ok_or(SEALING)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Makes a record of `record`, whose plaintext stands between [`HEADER`] and [`TRAILER`] bytes of room.
    pub(super) fn seal(&mut self, kind: u8, record: &mut [u8]) -> Result<(), RecordError> {
        let (header, sealed) = record.split_first_chunk_mut::<HEADER>().ok_or(SEALING)?;
        let [high, low] = u16::try_from(sealed.len()).map_err(|_| SEALING)?.to_be_bytes();
        *header = [DATA, 3, 3, high, low];
        let (inner, tag) = sealed.split_last_chunk_mut::<TAG>().ok_or(SEALING)?;
        *inner.last_mut().ok_or(SEALING)? = kind;
        let nonce = self.nonce()?;
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(*header), inner);
        tag.copy_from_slice(sealed.map_err(|_| SEALING)?.as_ref());
        Ok(())
    }

    /// Opens the record that ends `bytes` and begins, with its header, at `at`. Its plaintext then stands at the front of
    /// `bytes`: what lay between is overwritten, which costs no copy. Its inner type, and the plaintext's length.
    pub(super) fn open(&mut self, bytes: &mut [u8], at: usize) -> Result<(u8, usize), RecordError> {
        let header = bytes.get(at..).and_then(|record| record.first_chunk::<HEADER>());
        let header = *header.ok_or(RecordError::Decrypt)?;
        let nonce = self.nonce()?;
        let inner = self.key.open_within(nonce, Aad::from(header), bytes, at + HEADER..);
        let inner = inner.map_err(|_| RecordError::Decrypt)?;
        // Zeros may follow, to hide how much there was.
        let end = inner.iter().rposition(|byte| *byte != 0);
        let kind = end.and_then(|end| Some((*inner.get(end)?, end)));
        let (kind, len) = kind.ok_or_else(|| RecordError::Unexpected("a record without a type"))?;
        if len > PLAIN_MAX { Err(RecordError::Oversized) } else { Ok((kind, len)) }
    }
}
