//! The Range header of RFC 9110, as far as players use it.

use std::ops::Range;

/// What part of a body was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All of it: no range, or one this server may ignore (another unit, several at once, nonsense).
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// None of it is there.
    Beyond,
}

/// Reads `header` for a body of `size` bytes.
#[must_use]
pub fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = header.and_then(|h| h.strip_prefix("bytes=")).and_then(|h| h.split_once('-')) else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        // The last so many bytes.
        return match last.parse::<u64>() {
            Ok(0) => Asked::Beyond,
            Ok(_) if size == 0 => Asked::Beyond,
            Ok(count) => Asked::Part(size.saturating_sub(count)..size),
            Err(_) => Asked::Whole,
        };
    }
    let Ok(first) = first.parse::<u64>() else { return Asked::Whole };
    let end = match last.parse::<u64>() {
        Ok(last) if last < first => return Asked::Whole,
        Ok(last) => size.min(last.saturating_add(1)),
        Err(_) if last.is_empty() => size,
        Err(_) => return Asked::Whole,
    };
    if first >= size { Asked::Beyond } else { Asked::Part(first..end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_players_send_them() {
        let case = |header| asked(Some(header), 100);
        assert_eq!(asked(None, 100), Asked::Whole);
        assert_eq!(case("bytes=0-"), Asked::Part(0..100));
        assert_eq!(case("bytes=10-19"), Asked::Part(10..20));
        assert_eq!(case("bytes=90-1000"), Asked::Part(90..100));
        assert_eq!(case("bytes=-10"), Asked::Part(90..100));
        assert_eq!(case("bytes=-1000"), Asked::Part(0..100));
        assert_eq!(case("bytes=100-"), Asked::Beyond);
        assert_eq!(case("bytes=-0"), Asked::Beyond);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Beyond);
        for odd in ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1"] {
            assert_eq!(case(odd), Asked::Whole, "{odd}");
        }
        assert_eq!(case("bytes=0-18446744073709551615"), Asked::Part(0..100));
    }
}
