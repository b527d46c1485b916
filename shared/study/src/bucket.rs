//! Names of buckets, wherever they come from: a command line, an event, a configuration.

/// Whether `name` may be the name of a bucket: 1 to 63 lower-case letters, digits, hyphens and dots, with a letter or a digit at both
/// ends, no two dots together, and not in the form of an IPv4 address.
///
/// Whatever else stands in a bucket's place could change the host or the path of a request. S3 asks for three characters at least;
/// other servers do not, and a short name does no harm.
///
/// Source: Amazon S3 user guide, *General purpose bucket naming rules*.
#[must_use]
pub fn is_bucket_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(is_plain) && name.bytes().next_back().is_some_and(is_plain);
    let is_address = || name.split('.').count() == 4 && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    ends && name.len() <= 63
        && name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'.'))
        && !name.contains("..")
        && !is_address()
}

#[cfg(test)]
mod tests {
    use super::is_bucket_name;

    #[test]
    fn names_that_could_change_a_request_are_none() {
        for good in ["b", "ct-archive", "my.bucket.2", "a1", "1.2.3", "1.2.3.4x", "x--usw2-az1--x-s3", &"a".repeat(63)]
        {
            assert!(is_bucket_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-",
            "a/b",
            "a\\b",
            "a#b",
            "a?b",
            "a@b",
            "a:80",
            "a b",
            "a%2fb",
            "a\n",
            "a\0",
            "Bucket",
            "a_b",
            "ü",
            "1.2.3.4",
            "[::1]",
            &"a".repeat(64),
        ] {
            assert!(!is_bucket_name(bad), "{bad:?}");
        }
    }
}
