//! AES in CBC mode with ciphertext stealing (RFC 3962 section 5): as long as the text, the last two blocks always exchanged, and the
//! initial vector always zero.

use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use aes::{Aes128, Aes256};

use super::BLOCK;

type Block = [u8; BLOCK];

/// AES with a key of 16 or 32 bytes.
pub(super) enum Aes {
    Short(Aes128),
    Long(Aes256),
}

impl Aes {
    /// `None` for keys of another length.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::Short),
            32 => Aes256::new_from_slice(key).ok().map(Self::Long),
            _ => None,
        }
    }

    pub(super) fn encrypt_block(&self, block: Block) -> Block {
        let mut block = block.into();
        match self {
            Self::Short(aes) => aes.encrypt_block(&mut block),
            Self::Long(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }

    fn decrypt_block(&self, block: Block) -> Block {
        let mut block = block.into();
        match self {
            Self::Short(aes) => aes.decrypt_block(&mut block),
            Self::Long(aes) => aes.decrypt_block(&mut block),
        }
        block.into()
    }

    /// `None` for less than a block.
    pub(super) fn encrypt_cts(&self, text: &[u8]) -> Option<Vec<u8>> {
        if text.len() < BLOCK {
            return None;
        }
        let mut last = [0; BLOCK];
        let mut blocks: Vec<Block> = Vec::with_capacity(text.len().div_ceil(BLOCK));
        for part in text.chunks(BLOCK) {
            last = self.encrypt_block(xor(last, padded(part)));
            blocks.push(last);
        }
        if let [.., before, last] = blocks.as_mut_slice() {
            std::mem::swap(before, last);
        }
        let mut out = blocks.concat();
        out.truncate(text.len());
        Some(out)
    }

    /// `None` for less than a block.
    pub(super) fn decrypt_cts(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        if cipher.len() < BLOCK {
            return None;
        }
        let (chunks, rest) = cipher.as_chunks::<BLOCK>();
        let mut out = Vec::with_capacity(cipher.len() + BLOCK);
        // The last two blocks are exchanged; what is stolen stands in front of the short one.
        let (front, swapped, short) = match (chunks, rest.is_empty()) {
            ([only], true) => return Some(self.decrypt_block(*only).to_vec()),
            ([front @ .., swapped, short], true) => (front, swapped, short.as_slice()),
            ([front @ .., swapped], false) => (front, swapped, rest),
            _ => return None,
        };
        let mut last = [0; BLOCK];
        for block in front {
            out.extend_from_slice(&xor(last, self.decrypt_block(*block)));
            last = *block;
        }
        let tail = self.decrypt_block(*swapped);
        let mut stolen = tail;
        stolen.iter_mut().zip(short).for_each(|(stolen, byte)| *stolen = *byte);
        out.extend_from_slice(&xor(last, self.decrypt_block(stolen)));
        out.extend(tail.iter().zip(short).map(|(a, b)| a ^ b));
        Some(out)
    }
}

fn padded(part: &[u8]) -> Block {
    let mut block = [0; BLOCK];
    block.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
    block
}

fn xor(a: Block, b: Block) -> Block {
    let mut out = a;
    out.iter_mut().zip(b).for_each(|(out, b)| *out ^= b);
    out
}
