//! Compressed bodies: how they are made, and how they are read with a bound.

use std::io::{self, Read, Write};

use eruca_message::sys_flag;

/// Most bytes that a compressed body may unfold to: 64 MiB, far above what a broker takes, so that a hostile body
/// cannot fill the memory.
pub const MAX_DECOMPRESSED_BYTES: usize = 64 * 1024 * 1024;

/// How large bodies are compressed before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// zlib, which clients of every age can read.
    #[default]
    Zlib,
    /// LZ4 frame, for consumers of version 5.
    Lz4,
    /// Zstandard, for consumers of version 5.
    Zstd,
}

/// Why a compressed body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The bits of the compression type mean nothing that we know.
    #[error("compression type {bits:#x} of sysFlag is unknown; known are LZ4 0x100, ZSTD 0x200, ZLIB 0x300")]
    UnknownType {
        /// The bits.
        bits: i32,
    },
    /// It unfolds to too much.
    #[error("the body unfolds to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Its bytes are damaged.
    #[error("the compressed body is damaged: {0}")]
    Damaged(#[from] io::Error),
}

impl Compression {
    /// The bits of `sysFlag` that say so.
    pub(crate) fn sys_flag(self) -> i32 {
        sys_flag::COMPRESSED
            | match self {
                Compression::Zlib => sys_flag::COMPRESSION_ZLIB,
                Compression::Lz4 => sys_flag::COMPRESSION_LZ4,
                Compression::Zstd => sys_flag::COMPRESSION_ZSTD,
            }
    }

    /// `body`, compressed with effort `level` (0 to 9; LZ4 has no levels).
    pub(crate) fn compress(self, body: &[u8], level: u32) -> io::Result<Vec<u8>> {
        match self {
            Compression::Zlib => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level.min(9)));
                encoder.write_all(body)?;
                encoder.finish()
            }
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(body)?;
                encoder.finish().map_err(io::Error::other)
            }
            Compression::Zstd => zstd::bulk::compress(body, level.min(9) as i32),
        }
    }
}

/// The body of a message whose `sysFlag` is `flags`; `None` where it is not compressed.
pub(crate) fn decompress(body: &[u8], flags: i32) -> Result<Option<Vec<u8>>, DecompressError> {
    if flags & sys_flag::COMPRESSED == 0 {
        return Ok(None);
    }
    let bits = flags & sys_flag::COMPRESSION_MASK;
    let plain = match bits {
        0 | sys_flag::COMPRESSION_ZLIB => read_bounded(flate2::read::ZlibDecoder::new(body))?,
        sys_flag::COMPRESSION_LZ4 => read_bounded(lz4_flex::frame::FrameDecoder::new(body))?,
        sys_flag::COMPRESSION_ZSTD => read_bounded(zstd::stream::read::Decoder::new(body)?)?,
        _ => return Err(DecompressError::UnknownType { bits }),
    };
    Ok(Some(plain))
}

fn read_bounded(reader: impl Read) -> Result<Vec<u8>, DecompressError> {
    let mut plain = Vec::new();
    reader.take(MAX_DECOMPRESSED_BYTES as u64 + 1).read_to_end(&mut plain)?;
    if plain.len() > MAX_DECOMPRESSED_BYTES {
        return Err(DecompressError::TooLarge { limit: MAX_DECOMPRESSED_BYTES });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 3] = [Compression::Zlib, Compression::Lz4, Compression::Zstd];

    #[test]
    fn what_is_compressed_is_read_back() {
        let body = b"the same again and again, ".repeat(500);
        for kind in ALL {
            let packed = kind.compress(&body, 5).unwrap();
            assert!(packed.len() < body.len() / 4, "{kind:?}");
            assert_eq!(decompress(&packed, kind.sys_flag()).unwrap().unwrap(), body);
        }
        assert!(decompress(&body, 0).unwrap().is_none());
    }

    #[test]
    fn flag_without_type_is_zlib_as_old_clients_send_it() {
        let packed = Compression::Zlib.compress(b"body", 5).unwrap();
        assert_eq!(decompress(&packed, sys_flag::COMPRESSED).unwrap().unwrap(), b"body");
    }

    #[test]
    fn damaged_and_unknown_are_errors() {
        for kind in ALL {
            assert!(decompress(b"no such bytes", kind.sys_flag()).is_err(), "{kind:?}");
        }
        assert!(matches!(decompress(b"", 0x701), Err(DecompressError::UnknownType { bits: 0x700 })));
    }

    #[test]
    fn a_bomb_is_refused() {
        let zeros = vec![0; MAX_DECOMPRESSED_BYTES + 1];
        let bomb = Compression::Zlib.compress(&zeros, 9).unwrap();
        assert!(bomb.len() < 100_000);
        assert!(matches!(decompress(&bomb, sys_flag::COMPRESSED), Err(DecompressError::TooLarge { .. })));
    }
}
