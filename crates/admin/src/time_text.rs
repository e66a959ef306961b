//! Points in time as people read and type them.

use eruca_message::Timestamp;
use jiff::{
    ZonedDateTime, civil,
    fmt::strtime,
    tz::{TimeZone, offset},
};

/// What may be typed for a point in time.
pub(crate) const EXPECTED: &str = "milliseconds since 1970 or a local time as yyyy-MM-dd#HH:mm:ss:SSS";

const SECONDS: &str = "%Y-%m-%d %H:%M:%S";

/// Time as the clocks of one zone show it.
#[derive(Debug, Clone)]
pub struct LocalTime(TimeZone);

impl LocalTime {
    /// The machine's zone: the environment variable `TZ`, else the system's setting.
    pub fn of_this_machine() -> Self {
        LocalTime(TimeZone::system())
    }

    /// Universal time.
    pub fn utc() -> Self {
        LocalTime(TimeZone::UTC)
    }

    /// China's time, which some logs are kept in wherever they are written.
    pub(crate) fn of_china() -> Self {
        LocalTime(TimeZone::fixed(offset(8)))
    }

    /// `at` in this zone; as a number where no calendar has it.
    fn text(&self, at: Timestamp, write: impl FnOnce(ZonedDateTime) -> String) -> String {
        match jiff::Timestamp::from_millisecond(at.0) {
            Ok(instant) => write(instant.to_zoned_datetime(self.0.clone())),
            Err(_) => at.0.to_string(),
        }
    }

    /// Year to milliseconds: `2026-11-23 06:28:44,053`.
    pub fn to_millis(&self, at: Timestamp) -> String {
        self.text(at, |at| format!("{},{:03}", at.strftime(SECONDS), at.millisecond()))
    }

    /// Year to seconds: `2026-11-23 06:28:44`.
    pub fn to_seconds(&self, at: Timestamp) -> String {
        self.text(at, |at| at.strftime(SECONDS).to_string())
    }

    /// Year to milliseconds without separators: `20261123062844053`.
    pub(crate) fn to_compact_millis(&self, at: Timestamp) -> String {
        self.text(at, |at| format!("{}{:03}", at.strftime("%Y%m%d%H%M%S"), at.millisecond()))
    }

    /// Reads milliseconds since 1970, or a local time as `yyyy-MM-dd#HH:mm:ss:SSS`.
    pub(crate) fn parse(&self, text: &str) -> Option<Timestamp> {
        if let Ok(ms) = text.parse::<i64>() {
            return Some(Timestamp(ms));
        }
        let (text, millis) = text.rsplit_once(':')?;
        let millis: i16 = millis.parse().ok().filter(|ms| (0..1000).contains(ms))?;
        let at: civil::DateTime = strtime::parse("%Y-%m-%d#%H:%M:%S", text).ok()?.to_datetime().ok()?;
        let at = at.to_zoned_datetime(self.0.clone()).ok()?;
        Some(Timestamp(at.timestamp().as_millisecond() + i64::from(millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_again() {
        let at = Timestamp(1_795_415_324_053);
        for time in [LocalTime::utc(), LocalTime::of_china(), LocalTime::of_this_machine()] {
            let typed = time.to_millis(at).replace(' ', "#").replace(',', ":");
            assert_eq!(time.parse(&typed), Some(at));
            assert_eq!(time.to_millis(at), format!("{},053", time.to_seconds(at)));
        }
        assert_eq!(LocalTime::utc().to_compact_millis(at), "20261123062844053");
        assert_eq!(LocalTime::of_china().to_seconds(at), "2026-11-23 14:28:44");
    }

    #[test]
    fn milliseconds_are_read_and_nonsense_is_not() {
        let time = LocalTime::utc();
        assert_eq!(time.parse("1795415324053"), Some(Timestamp(1_795_415_324_053)));
        assert_eq!(time.parse("-1"), Some(Timestamp(-1)));
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23#06:28:44",
            "2026-13-23#06:28:44:053",
            "2026-11-23#06:28:44:5000",
        ] {
            assert_eq!(time.parse(text), None, "{text}");
        }
    }
}
