//! The machine's time zone: hours of the day in the configuration (`deleteWhen`) are those of its clocks.

use eruca_message::Timestamp;
use jiff::tz::TimeZone;

/// What the machine's clocks are ahead of UTC at `now`, in seconds: by the environment variable `TZ`, else the
/// system's setting, else 0.
pub(crate) fn utc_offset_s(now: Timestamp) -> i32 {
    utc_offset_in(&TimeZone::system(), now)
}

/// 0 for a time that no calendar has.
fn utc_offset_in(zone: &TimeZone, now: Timestamp) -> i32 {
    jiff::Timestamp::from_millisecond(now.0).map_or(0, |now| zone.to_offset(now).seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    const WINTER: Timestamp = Timestamp(1_767_225_600_000);
    /// 2026-07-01T00:00:00Z.
    const SUMMER: Timestamp = Timestamp(1_782_864_000_000);

    #[test]
    fn the_offset_is_that_of_the_zone_at_that_time_of_the_year() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!((utc_offset_in(&berlin, WINTER), utc_offset_in(&berlin, SUMMER)), (3600, 7200));
        let china = TimeZone::posix("CST-8").unwrap();
        assert_eq!(utc_offset_in(&china, SUMMER), 28_800);
        let newfoundland = TimeZone::posix("NST3:30").unwrap();
        assert_eq!(utc_offset_in(&newfoundland, WINTER), -12_600);
        assert_eq!(utc_offset_in(&TimeZone::UTC, WINTER), 0);
        assert_eq!(utc_offset_in(&china, Timestamp(i64::MAX)), 0, "no such time");
    }
}
