//! Which start of the machine this is.
//!
//! What a process has written is in the page cache, and stays the file's content when the process is killed; only the
//! end of the machine can take it away. Linux names each start of the kernel, so that a file can say under which it was
//! written.

/// File that holds the name of the running kernel's start.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// The name of one start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub u128);

impl BootId {
    /// That of the running machine; none where the system does not tell.
    pub fn current() -> Option<Self> {
        Self::parse(&std::fs::read_to_string(BOOT_ID_FILE).ok()?)
    }

    /// Reads a UUID; one that is all zeros names nothing.
    fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let is_uuid = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let id = u128::from_str_radix(&digits, 16).ok().filter(|id| is_uuid && *id != 0)?;
        Some(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_is_one() {
        let id = BootId::parse("01234567-89ab-cdef-0123-456789abcdef\n");
        assert_eq!(id, Some(BootId(0x0123456789abcdef0123456789abcdef)));
        for text in [
            "",
            "x",
            "00000000-0000-0000-0000-000000000000",
            "01234567",
            "+1234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert_eq!(BootId::parse(text), None, "{text}");
        }
        assert_eq!(BootId::current(), BootId::current());
    }
}
