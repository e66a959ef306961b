//! The two ids of a message: where the broker put it, and what the producer called it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{LogOffset, Timestamp};

/// Longest text of an [`OffsetMessageId`].
pub const OFFSET_ID_LEN_MAX: usize = 56;

/// Address of the storing broker and position in its log, as 32 (IPv4) or 56 (IPv6) upper-case hex digits:
/// IP, port (4 bytes), log offset (8 bytes). Java: `offsetMsgId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetMessageId {
    /// The broker that stored it.
    pub store_host: SocketAddr,
    /// Where in its log.
    pub log_offset: LogOffset,
}

/// Why a text is not an [`OffsetMessageId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not an offset message id: it has 32 or 56 hexadecimal digits (address of the broker and position in its log)"
)]
pub struct MessageIdError {
    /// The text.
    pub text: String,
}

impl fmt::Display for OffsetMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; OFFSET_ID_LEN_MAX]))
    }
}

impl OffsetMessageId {
    /// The id as text in `buffer`: every answer to a send has one, which the formatting of numbers would make slow.
    pub fn text<'b>(&self, buffer: &'b mut [u8; OFFSET_ID_LEN_MAX]) -> &'b str {
        let len = match self.store_host.ip() {
            IpAddr::V4(ip) => put_hex(buffer, 0, &ip.octets()),
            IpAddr::V6(ip) => put_hex(buffer, 0, &ip.octets()),
        };
        let len = put_hex(buffer, len, &u32::from(self.store_host.port()).to_be_bytes());
        let len = put_hex(buffer, len, &self.log_offset.0.to_be_bytes());
        // Hexadecimal digits are ASCII.
        buffer.get(..len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// Puts `bytes` at `at` as hexadecimal digits; where they end.
fn put_hex(buffer: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    let end = at + 2 * bytes.len();
    let (pairs, _) = buffer.get_mut(at..end).unwrap_or_default().as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xF)]];
    }
    end
}

impl FromStr for OffsetMessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        parse_offset_id(text).ok_or_else(|| MessageIdError { text: text.chars().take(64).collect() })
    }
}

fn parse_offset_id(text: &str) -> Option<OffsetMessageId> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (ip, rest) = match text.len() {
        32 => (IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(text.get(..8)?, 16).ok()?)), text.get(8..)?),
        56 => (IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(text.get(..32)?, 16).ok()?)), text.get(32..)?),
        _ => return None,
    };
    let port = u16::try_from(u32::from_str_radix(rest.get(..8)?, 16).ok()?).ok()?;
    let log_offset = LogOffset(u64::from_str_radix(rest.get(8..)?, 16).ok()?);
    Some(OffsetMessageId { store_host: SocketAddr::new(ip, port), log_offset })
}

/// Makes the unique ids of a producer (`UNIQ_KEY`): IP, pid (2 bytes), a random number (4), milliseconds since
/// the start of the month (4), counter (2), in upper-case hex. The broker does not look inside.
#[derive(Debug)]
pub struct UniqueIdGenerator {
    prefix: String,
    counter: AtomicU32,
}

impl UniqueIdGenerator {
    /// A generator for a process on host `ip` with process id `pid`; `salt` tells generators of one process apart.
    pub fn new(ip: IpAddr, pid: u32, salt: u32) -> Self {
        let ip = match ip {
            IpAddr::V4(ip) => format!("{:08X}", u32::from(ip)),
            IpAddr::V6(ip) => format!("{:032X}", u128::from(ip)),
        };
        UniqueIdGenerator {
            prefix: format!("{ip}{:04X}{salt:08X}", pid & 0xFFFF),
            counter: AtomicU32::new(0),
        }
    }

    /// The next id.
    pub fn next_id(&self, now: Timestamp) -> String {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) & 0xFFFF;
        let since_month = now.ms_since(month_start(now)) as u32;
        format!("{}{since_month:08X}{counter:04X}", self.prefix)
    }
}

/// When the id was made, in this month's reckoning; `None` where `id` is not a unique id.
pub fn unique_id_timestamp(id: &str, now: Timestamp) -> Option<Timestamp> {
    let at = match id.len() {
        32 => 20,
        56 => 44,
        _ => return None,
    };
    let since_month = i64::from(u32::from_str_radix(id.get(at..at + 8)?, 16).ok()?);
    Some(month_start(now).add_ms(since_month))
}

/// The start (UTC) of the month of `now`.
fn month_start(now: Timestamp) -> Timestamp {
    const DAY_MS: i64 = 86_400_000;
    let days = now.0.div_euclid(DAY_MS);
    // Day of month from days since 1970-01-01, by the proleptic Gregorian calendar (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let shifted = days + 719_468;
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5;
    Timestamp((days - day_of_month) * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_offset_id_both_ways() {
        let id: OffsetMessageId = "0A00000200002A9F0000000000000009".parse().unwrap();
        assert_eq!(id.store_host, "10.0.0.2:10911".parse().unwrap());
        assert_eq!(id.log_offset, LogOffset(9));
        assert_eq!(id.to_string(), "0A00000200002A9F0000000000000009");
        let v6 = OffsetMessageId { store_host: "[fd00::2]:80".parse().unwrap(), log_offset: LogOffset(1) };
        assert_eq!(v6.to_string().len(), 56);
        assert_eq!(v6.to_string().parse(), Ok(v6));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "0A", &"G".repeat(32), &"F".repeat(32), &"é".repeat(16)] {
            assert!(text.parse::<OffsetMessageId>().is_err(), "{text}");
        }
    }

    #[test]
    fn unique_ids_differ_and_tell_their_time() {
        let now = Timestamp(1_795_415_324_053);
        let generator = UniqueIdGenerator::new("127.0.0.1".parse().unwrap(), 70_000, 7);
        let (a, b) = (generator.next_id(now), generator.next_id(now));
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
        assert_eq!(unique_id_timestamp(&a, now), Some(now));
    }

    #[test]
    fn months_start_where_the_calendar_says() {
        // 2026-11-23T06:28:44Z is in the month that starts on 2026-11-01T00:00:00Z.
        assert_eq!(month_start(Timestamp(1_795_415_324_053)), Timestamp(1_793_491_200_000));
        // 2024-02-29 is in February.
        assert_eq!(month_start(Timestamp(1_709_164_800_000)), Timestamp(1_706_745_600_000));
    }
}
