//! Names of index files: the local time at which they were created, `yyyyMMddHHmmssSSS`.

use eruca_message::Timestamp;

const NAME_LEN: usize = 17;
const DAY_MS: i64 = 86_400_000;

/// The number that is the name of a file created at `now`; greater than that of the newest file, so that the order
/// of the names is the order of the files even where the clock was set back.
pub(crate) fn next_number(now: Timestamp, utc_offset_s: i32, newest: Option<u64>) -> u64 {
    let number = number_at(now.add_ms(i64::from(utc_offset_s) * 1000));
    match newest {
        // No time of the calendar, perhaps, but a name like any other.
        Some(newest) if number <= newest => newest + 1,
        _ => number,
    }
}

/// `yyyyMMddHHmmssSSS` of a local time as one number.
fn number_at(local: Timestamp) -> u64 {
    // Seventeen digits hold the years up to 9999.
    let ms = local.0.clamp(0, 253_402_300_799_999);
    let (year, month, day) = civil_date(ms / DAY_MS);
    let of_day = ms % DAY_MS;
    let fields = [(month, 100), (day, 100), (of_day / 3_600_000, 100), (of_day / 60_000 % 60, 100)];
    let minutes = fields.iter().fold(year, |number, (field, digits)| number * digits + field);
    let number = (minutes * 100 + of_day / 1000 % 60) * 1000 + of_day % 1000;
    number.unsigned_abs()
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar: counted in years that begin in
/// March, so that the leap day is the last of its year.
fn civil_date(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let since_march_0000 = days + 719_468;
    let (era, day_of_era) = (since_march_0000.div_euclid(ERA_DAYS), since_march_0000.rem_euclid(ERA_DAYS));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The name of a file.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:017}")
}

/// The number that a name says; `None` where it is no such name.
pub(crate) fn parse_file_name(name: &str) -> Option<u64> {
    (name.len() == NAME_LEN && name.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| name.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_local_times() {
        // Beside the one that a 5.5.0 broker gave (2026-11-23 06:28:44.293 UTC).
        for (ms, offset_s, name) in [
            (1_795_415_324_293, 0, "20261123062844293"),
            (1_795_415_324_293, -7 * 3600, "20261122232844293"),
            (951_782_399_999, 0, "20000228235959999"),
            (951_782_400_000, 0, "20000229000000000"),
            (0, 3600, "19700101010000000"),
        ] {
            assert_eq!(file_name(next_number(Timestamp(ms), offset_s, None)), name);
        }
        assert_eq!(parse_file_name("20261123062844293"), Some(20_261_123_062_844_293));
        for name in ["2026112306284429", "2026112306284429x", "202611230628442933", ""] {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_change_the_order() {
        let first = next_number(Timestamp(1_795_415_324_293), 0, None);
        let second = next_number(Timestamp(1_000), 0, Some(first));
        assert!(second > first);
        assert!(next_number(Timestamp(i64::MAX), i32::MAX, Some(second)) > second);
        assert!(next_number(Timestamp(i64::MIN), i32::MIN, None) > 0);
    }
}
