//! The bits of a message's `sysFlag` (stable: they are on disk and on the wire).

/// Body is compressed.
pub const COMPRESSED: i32 = 0x1;
/// Several tags (legacy).
pub const MULTI_TAGS: i32 = 0x2;
/// Mask of the two transaction bits.
pub const TRANSACTION_MASK: i32 = 0xC;
/// Half message.
pub const TRANSACTION_PREPARED: i32 = 0x4;
/// Committed message of a transaction.
pub const TRANSACTION_COMMIT: i32 = 0x8;
/// Rolled back.
pub const TRANSACTION_ROLLBACK: i32 = 0xC;
/// `bornHost` is an IPv6 address (20 bytes instead of 8).
pub const BORN_HOST_V6: i32 = 0x10;
/// `storeHost` is an IPv6 address (20 bytes instead of 8).
pub const STORE_HOST_V6: i32 = 0x20;
/// Inner batch that must be split for the client.
pub const NEED_UNWRAP: i32 = 0x40;
/// The record is an inner batch.
pub const INNER_BATCH: i32 = 0x80;
/// Mask of the compression type.
pub const COMPRESSION_MASK: i32 = 0x700;
/// LZ4 frame.
pub const COMPRESSION_LZ4: i32 = 0x100;
/// Zstandard.
pub const COMPRESSION_ZSTD: i32 = 0x200;
/// zlib (RFC 1950); 0 with [`COMPRESSED`] means zlib, too.
pub const COMPRESSION_ZLIB: i32 = 0x300;

/// The transaction state of a message: one of the `TRANSACTION_*` values, or 0 for none.
pub fn transaction(sys_flag: i32) -> i32 {
    sys_flag & TRANSACTION_MASK
}
