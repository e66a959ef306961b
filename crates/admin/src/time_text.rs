//! Points in time as people read and type them, in the machine's time zone.

use eruca_message::Timestamp;
use jiff::{civil, fmt::strtime, tz::TimeZone};

/// What may be typed for a point in time.
pub(crate) const EXPECTED: &str = "milliseconds since 1970 or a local time as yyyy-MM-dd#HH:mm:ss:SSS";

fn local(at: Timestamp) -> Option<jiff::ZonedDateTime> {
    jiff::Timestamp::from_millisecond(at.0).ok().map(|at| at.to_zoned_datetime(TimeZone::system()))
}

/// Year to milliseconds: `2026-11-23 06:28:44,053`.
pub(crate) fn to_millis(at: Timestamp) -> String {
    match local(at) {
        Some(at) => format!("{},{:03}", at.strftime("%Y-%m-%d %H:%M:%S"), at.millisecond()),
        None => at.0.to_string(),
    }
}

/// Year to seconds: `2026-11-23 06:28:44`.
pub(crate) fn to_seconds(at: Timestamp) -> String {
    match local(at) {
        Some(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => at.0.to_string(),
    }
}

/// Year to milliseconds without separators: `20261123062844053`.
pub(crate) fn to_compact_millis(at: Timestamp) -> String {
    match local(at) {
        Some(at) => format!("{}{:03}", at.strftime("%Y%m%d%H%M%S"), at.millisecond()),
        None => at.0.to_string(),
    }
}

/// Year to seconds in China's time, which some logs are kept in wherever they are written.
pub(crate) fn to_seconds_in_china(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => {
            let zone = TimeZone::fixed(jiff::tz::offset(8));
            at.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        Err(_) => at.0.to_string(),
    }
}

/// Reads milliseconds since 1970, or a local time as `yyyy-MM-dd#HH:mm:ss:SSS`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(Timestamp(ms));
    }
    let (text, millis) = text.rsplit_once(':')?;
    let millis: i16 = millis.parse().ok().filter(|ms| (0..1000).contains(ms))?;
    let at: civil::DateTime = strtime::parse("%Y-%m-%d#%H:%M:%S", text).ok()?.to_datetime().ok()?;
    let at = at.to_zoned_datetime(TimeZone::system()).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond() + i64::from(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_again() {
        let at = Timestamp(1_795_415_324_053);
        let typed = to_millis(at).replace(' ', "#").replace(',', ":");
        assert_eq!(parse(&typed), Some(at));
        assert_eq!(to_millis(at), format!("{},053", to_seconds(at)));
    }

    #[test]
    fn milliseconds_are_read_and_nonsense_is_not() {
        assert_eq!(parse("1795415324053"), Some(Timestamp(1_795_415_324_053)));
        assert_eq!(parse("-1"), Some(Timestamp(-1)));
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23#06:28:44",
            "2026-13-23#06:28:44:053",
            "2026-11-23#06:28:44:5000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
