//! The places of a group in Java's bloom filter, which its `consumerFilter.json` carries.
//!
//! A Java broker with `enableCalcFilterBitMap` marks in a message which groups' expressions it matches: for each group some
//! bits of a map. Eruca evaluates expressions when it reads, and has no such maps. But a Java broker leaves the whole
//! file unread where one group's places are not those that it expects, so they are written.
//!
//! Source: Java's `BloomFilter`, version 5.5. Places are taken from `MurmurHash3_x64_128` (Austin Appleby, public domain).

use serde::{Deserialize, Serialize};

/// The bits of one group (Java: `BloomFilterData`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BloomFilterData {
    /// Bits of a map.
    pub(super) bit_num: i32,
    /// Those that are the group's.
    pub(super) bit_pos: Vec<i32>,
}

/// How many bits, and how many of them a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bloom {
    per_group: i32,
    bit_num: i32,
}

impl Bloom {
    /// For a rate of errors in percent and a number of groups.
    pub(super) fn new(error_rate_percent: i32, groups: i32) -> Bloom {
        let rate = f64::from(error_rate_percent.clamp(1, 99)) / 100.0;
        // Java: by the natural logarithm, whose rounding shows in no setting of a whole percent.
        let log = |base: f64, of: f64| of.ln() / base.ln();
        let per_group = log(0.5, rate).ceil() as i32;
        let bits = (f64::from(groups.max(1)) * log(2.0, 1.0 / rate) * log(2.0, std::f64::consts::E)).ceil();
        Bloom { per_group, bit_num: ((bits / 8.0).ceil() * 8.0) as i32 }
    }

    /// The bits of a group for a topic.
    pub(super) fn bits(&self, group: &str, topic: &str) -> BloomFilterData {
        let hash = murmur3_low64(format!("{group}#{topic}").as_bytes());
        let (low, high) = (hash as i32, (hash >> 32) as i32);
        let place = |n: i32| {
            let combined = low.wrapping_add(n.wrapping_mul(high));
            let positive = if combined < 0 { !combined } else { combined };
            positive % self.bit_num
        };
        BloomFilterData { bit_num: self.bit_num, bit_pos: (1..=self.per_group).map(place).collect() }
    }
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The first 64 bits of `MurmurHash3_x64_128` with the seed 0.
fn murmur3_low64(bytes: &[u8]) -> u64 {
    let (mut h1, mut h2) = (0u64, 0u64);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ mix1(k1)).rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(k2)).rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (k1, k2) = halves(blocks.remainder());
    h1 ^= mix1(k1);
    h2 ^= mix2(k2);
    let len = bytes.len() as u64;
    (h1, h2) = (h1 ^ len, h2 ^ len);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    final_mix(h1).wrapping_add(final_mix(h2))
}

/// Up to 16 bytes as two numbers, little-endian, with zeros for those that are missing.
fn halves(bytes: &[u8]) -> (u64, u64) {
    let mut whole = [0u8; 16];
    for (place, byte) in whole.iter_mut().zip(bytes) {
        *place = *byte;
    }
    let both = u128::from_le_bytes(whole);
    (both as u64, (both >> 64) as u64)
}

fn mix1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn final_mix(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Java 5.5.0 makes them.
    #[test]
    fn places_are_javas() {
        for (rate, groups, key, bit_num, bit_pos) in [
            (20, 32, ("g", "T"), 112, &[90, 68, 28][..]),
            (20, 32, ("consumer_group_of_some_length", "Topic_of_some_length"), 112, &[40, 62, 90]),
            (20, 32, ("0123456", "01234567"), 112, &[29, 57, 58]),
            (20, 32, ("0123456", "012345678"), 112, &[36, 60, 45]),
            (20, 64, ("g", "T"), 216, &[162, 52, 132]),
            (1, 7, ("a", "b"), 72, &[61, 39, 43, 57, 25, 3, 7]),
            (10, 128, ("g", "T"), 616, &[202, 292, 140, 261]),
        ] {
            let expected = BloomFilterData { bit_num, bit_pos: bit_pos.to_vec() };
            assert_eq!(Bloom::new(rate, groups).bits(key.0, key.1), expected);
        }
    }
}
