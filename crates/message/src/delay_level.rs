//! The delay levels: `messageDelayLevel`, by default `1s 5s 10s … 2h`.

/// Why a `messageDelayLevel` text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "messageDelayLevel: '{part}' is not a delay: write a number and s, m, h or d, separated by blanks, e.g. '1s 5s 10m 2h'"
)]
pub struct DelayLevelsError {
    /// The part that cannot be read.
    pub part: String,
}

/// The table from delay level (1 and up) to milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayLevels(Vec<i64>);

impl Default for DelayLevels {
    fn default() -> Self {
        const SECONDS: [i64; 18] =
            [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200];
        DelayLevels(SECONDS.iter().map(|s| s * 1000).collect())
    }
}

impl DelayLevels {
    /// Reads the value of `messageDelayLevel`.
    pub fn parse(text: &str) -> Result<Self, DelayLevelsError> {
        let levels = text
            .split_whitespace()
            .map(|part| parse_delay_ms(part).ok_or_else(|| DelayLevelsError { part: part.to_owned() }))
            .collect::<Result<Vec<_>, _>>()?;
        if levels.is_empty() {
            return Err(DelayLevelsError { part: text.to_owned() });
        }
        Ok(DelayLevels(levels))
    }

    /// The highest level.
    pub fn max_level(&self) -> i32 {
        i32::try_from(self.0.len()).unwrap_or(i32::MAX)
    }

    /// The delay of `level` (clamped to 1..=max), in milliseconds.
    pub fn delay_ms(&self, level: i32) -> i64 {
        let index = usize::try_from(level.clamp(1, self.max_level()) - 1).unwrap_or(0);
        self.0.get(index).copied().unwrap_or(0)
    }
}

fn parse_delay_ms(part: &str) -> Option<i64> {
    let unit = part.chars().last()?;
    let number: i64 = part.strip_suffix(unit)?.parse().ok()?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    (number >= 0).then(|| number.checked_mul(unit_ms)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_javas() {
        let text = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";
        assert_eq!(DelayLevels::parse(text), Ok(DelayLevels::default()));
        assert_eq!(DelayLevels::default().max_level(), 18);
        assert_eq!(DelayLevels::default().delay_ms(99), 7_200_000);
    }

    #[test]
    fn a_wrong_part_is_named() {
        assert_eq!(DelayLevels::parse("1s x").unwrap_err().part, "x");
        assert!(DelayLevels::parse("").is_err());
        assert!(DelayLevels::parse("99999999999999999d").is_err());
    }
}
