//! The container format of the table's files, as far as it is checked here.
//!
//! The crate `sfa`, below `lsm-tree`, ends each file with a table of contents and a trailer. It
//! allocates by a number in the contents before it compares their checksum, so one flipped
//! bit could end the process instead of giving an error. Hence they are compared here first.
//!
//! ```text
//! sections | contents: "TOC!" count u32, then per section pos u64 len u64 name length u16 name
//! trailer: "SFA!" version u8 = 1 checksum type u8 = 0 xxh3 u128 of the contents, pos u64, len u64
//! ```
//! Numbers are little-endian.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

const TRAILER_BYTES: u64 = 38;

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("its table of contents is damaged")]
    Damaged,
}

/// Checks trailer and table of contents of a file; returns the contents.
pub(super) fn check_contents(path: &Path) -> Result<Vec<u8>, ArchiveError> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let trailer_at = length
        .checked_sub(TRAILER_BYTES)
        .ok_or(ArchiveError::Damaged)?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let mut fields = Little(&trailer);
    let start = fields.bytes(6)?;
    let checksum = fields.u128()?;
    let position = fields.u64()?;
    let contents_bytes = fields.u64()?;
    if start != b"SFA!\x01\x00" || position.checked_add(contents_bytes) != Some(trailer_at) {
        return Err(ArchiveError::Damaged);
    }
    let mut contents = vec![0; contents_bytes as usize];
    file.read_exact_at(&mut contents, position)?;
    if xxh3_128(&contents) != checksum {
        return Err(ArchiveError::Damaged);
    }
    Ok(contents)
}

/// The bytes of a section of `archive`, whose contents were checked.
pub(super) fn section<'a>(
    archive: &'a [u8],
    contents: &[u8],
    wanted: &[u8],
) -> Result<&'a [u8], ArchiveError> {
    let mut fields = Little(contents);
    fields.bytes(4)?;
    for _ in 0..fields.u32()? {
        let (position, length) = (fields.u64()? as usize, fields.u64()? as usize);
        let name_length = usize::from(fields.u16()?);
        if fields.bytes(name_length)? == wanted {
            let section = archive.get(position..).and_then(|rest| rest.get(..length));
            return section.ok_or(ArchiveError::Damaged);
        }
    }
    Err(ArchiveError::Damaged)
}

/// Takes little-endian fields off the front of bytes.
pub(super) struct Little<'a>(pub(super) &'a [u8]);

impl<'a> Little<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], ArchiveError> {
        let split = self.0.split_at_checked(length);
        let (field, rest) = split.ok_or(ArchiveError::Damaged)?;
        self.0 = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let bytes = self.bytes(N)?;
        Ok(std::array::from_fn(|index| bytes[index]))
    }

    pub(super) fn u8(&mut self) -> Result<u8, ArchiveError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, ArchiveError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ArchiveError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ArchiveError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Result<u128, ArchiveError> {
        self.array().map(u128::from_le_bytes)
    }
}
