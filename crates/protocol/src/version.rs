//! Names of the versions that peers say they are.

/// The first regular version: from here on every release has two numbers, its snapshot and itself.
const FIRST_REGULAR: i32 = 16;
/// Releases per minor version: 3.0.1 to 3.0.15, then ten each up to 3.2.9; from 3.3 to 3.9 nine each (1 to 9), from
/// 4.0 on ten each (0 to 9).
const V3_1_0: i32 = 46;
const V3_3_1: i32 = 86;
const V4_0_0: i32 = 212;
/// Numbers from here on are no version that the Java system knows.
const HIGHER: i32 = 612;

/// Versions before 3.0.1, whose names follow no rule.
const FIRST: [&str; 16] = [
    "V3_0_0_SNAPSHOT",
    "V3_0_0_ALPHA1",
    "V3_0_0_BETA1",
    "V3_0_0_BETA2",
    "V3_0_0_BETA3",
    "V3_0_0_BETA4",
    "V3_0_0_BETA5",
    "V3_0_0_BETA6_SNAPSHOT",
    "V3_0_0_BETA6",
    "V3_0_0_BETA7_SNAPSHOT",
    "V3_0_0_BETA7",
    "V3_0_0_BETA8_SNAPSHOT",
    "V3_0_0_BETA8",
    "V3_0_0_BETA9_SNAPSHOT",
    "V3_0_0_BETA9",
    "V3_0_0_FINAL",
];

/// The name of `version`, an ordinal in Java's list of versions: `V5_5_0` for 513.
pub fn version_name(version: i32) -> String {
    let (major, minor, patch) = match version {
        ..FIRST_REGULAR => {
            let index = usize::try_from(version).unwrap_or_default();
            return FIRST.get(index).copied().unwrap_or_default().to_owned();
        }
        FIRST_REGULAR..V3_1_0 => (3, 0, (version - FIRST_REGULAR) / 2 + 1),
        V3_1_0..V3_3_1 => (3, 1 + (version - V3_1_0) / 20, (version - V3_1_0) / 2 % 10),
        V3_3_1..V4_0_0 => (3, 3 + (version - V3_3_1) / 18, (version - V3_3_1) / 2 % 9 + 1),
        V4_0_0..HIGHER => {
            let release = (version - V4_0_0) / 2;
            (4 + release / 100, release / 10 % 10, release % 10)
        }
        HIGHER.. => return "HIGHER_VERSION".to_owned(),
    };
    // Snapshots have the even numbers.
    let snapshot = if version % 2 == 0 { "_SNAPSHOT" } else { "" };
    format!("V{major}_{minor}_{patch}{snapshot}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_names_that_java_gives_them() {
        for (version, name) in [
            (0, "V3_0_0_SNAPSHOT"),
            (15, "V3_0_0_FINAL"),
            (16, "V3_0_1_SNAPSHOT"),
            (45, "V3_0_15"),
            (47, "V3_1_0"),
            (85, "V3_2_9"),
            (87, "V3_3_1"),
            (211, "V3_9_9"),
            (213, "V4_0_0"),
            (409, "V4_9_8"),
            (413, "V5_0_0"),
            (512, "V5_5_0_SNAPSHOT"),
            (513, "V5_5_0"),
            (611, "V5_9_9"),
            (612, "HIGHER_VERSION"),
            (i32::MAX, "HIGHER_VERSION"),
            (-1, "V3_0_0_SNAPSHOT"),
        ] {
            assert_eq!(version_name(version), name, "{version}");
        }
    }
}
