//! The common prefix of names.

/// The longest folder that all `uris` lie in, without a trailing slash; the URI itself where there is one only.
/// Empty where they share nothing.
///
/// ```
/// let names = ["s3://b/a/1.dcm", "s3://b/a/2.dcm"];
/// assert_eq!(bolus_storage::common_prefix(names), "s3://b/a");
/// ```
pub fn common_prefix<'a>(uris: impl IntoIterator<Item = &'a str>) -> String {
    let mut uris = uris.into_iter();
    let Some(first) = uris.next() else { return String::new() };
    let mut common = first.len();
    let mut differ = false;
    for uri in uris.filter(|uri| *uri != first) {
        differ = true;
        let same = first.bytes().zip(uri.bytes()).take_while(|(a, b)| a == b).count();
        common = common.min(same);
    }
    if !differ {
        return first.to_owned();
    }
    // The cut at an ASCII slash is a character boundary also where `common` is none.
    let slash = first.as_bytes().iter().take(common).rposition(|&byte| byte == b'/').unwrap_or(0);
    let folder = first.get(..slash).unwrap_or_default();
    // Two names that share no more than `s3://` share nothing.
    if folder.ends_with(":/") || folder.ends_with("://") {
        String::new()
    } else {
        folder.trim_end_matches('!').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::common_prefix;

    #[test]
    fn folders_are_shared_not_letters() {
        assert_eq!(common_prefix([]), "");
        assert_eq!(common_prefix(["s3://b/a"]), "s3://b/a");
        assert_eq!(common_prefix(["s3://b/a", "s3://b/a"]), "s3://b/a");
        assert_eq!(common_prefix(["s3://b/ab1", "s3://b/ab2"]), "s3://b");
        assert_eq!(common_prefix(["s3://b/x", "s3://c/x"]), "");
        assert_eq!(common_prefix(["file:///ü/a", "file:///û/a"]), "");
        assert_eq!(common_prefix(["file:///z.zip!/a", "file:///z.zip!/b"]), "file:///z.zip");
        assert_eq!(common_prefix(["file:///d/a/b", "file:///d/a"]), "file:///d");
    }
}
