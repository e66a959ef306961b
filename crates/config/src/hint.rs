//! Which key was probably meant.

/// Longest key that is compared; nobody mistypes more.
const MAX_KEY_CHARS: usize = 80;

/// The known key that is closest to the unknown `key`, where one is close enough to be a slip: at most two edits, or
/// a quarter of its length for long keys; capitals do not count.
pub fn unknown_key_hint<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed: Vec<char> = key.to_lowercase().chars().collect();
    if typed.is_empty() || typed.len() > MAX_KEY_CHARS {
        return None;
    }
    known
        .into_iter()
        .filter_map(|candidate| {
            let chars: Vec<char> = candidate.to_lowercase().chars().collect();
            let limit = (chars.len() / 4).max(2).min(chars.len().saturating_sub(1));
            let edits = edit_distance(&typed, &chars);
            (edits <= limit).then_some((edits, candidate))
        })
        .min_by_key(|(edits, candidate)| (*edits, *candidate))
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["listenPort", "brokerIP1", "brokerIP2", "brokerName"];

    #[test]
    fn slips_find_their_key() {
        assert_eq!(unknown_key_hint("listenport", KNOWN), Some("listenPort"));
        assert_eq!(unknown_key_hint("lsitenPort", KNOWN), Some("listenPort"));
        assert_eq!(unknown_key_hint("brokerIp1", KNOWN), Some("brokerIP1"));
        assert_eq!(unknown_key_hint("borkerNam", KNOWN), Some("brokerName"));
    }

    #[test]
    fn far_keys_get_no_hint() {
        assert_eq!(unknown_key_hint("zzz", KNOWN), None);
        assert_eq!(unknown_key_hint("", KNOWN), None);
        assert_eq!(unknown_key_hint(&"b".repeat(10_000), KNOWN), None);
    }
}
