//! What a user names: a path or a URL.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use bolus_study::is_bucket_name;
use url::Url;

use crate::StorageError;

/// A place that holds objects: a file, a folder, or a key or prefix of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// A file or folder, as an absolute path.
    Local(PathBuf),
    /// An object or prefix in S3.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The key or prefix as the store holds it (never percent-encoded), without a leading slash; may be empty.
        key: String,
    },
    /// An object or prefix in a store that lives in this process, for tests.
    Memory {
        /// The store's name: one name is one store for the life of the process.
        name: String,
        /// The key or prefix, without a leading slash; may be empty.
        key: String,
    },
}

impl Location {
    /// Reads a path, a `file://` URL, `s3://bucket/key` or `memory://name/key`. The disk is not looked at.
    ///
    /// A path is taken as it stands: `~` is the shell's to expand, `%20` in a path is three characters. In a
    /// `file://` URL escapes are decoded. In `s3://` they are not, as in the `aws` command line: a key may hold any.
    ///
    /// # Errors
    /// `Fatal` for an empty text, another scheme, a bucket without a name or a `file://` URL that names no path.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        if let Some((scheme, rest)) = split_scheme(text) {
            return match scheme.to_ascii_lowercase().as_str() {
                "s3" | "s3a" => {
                    let (bucket, key) = split_bucket(text, rest, is_bucket_name)?;
                    Ok(Self::S3 { bucket, key })
                }
                "memory" => {
                    let (name, key) = split_bucket(text, rest, is_store_name)?;
                    Ok(Self::Memory { name, key })
                }
                "file" => from_file_url(text),
                _ => Err(StorageError::fatal(text, format!("unknown scheme {scheme}://, expected s3:// or file://"))),
            };
        }
        Self::from_path(Path::new(text))
    }

    /// Takes a path, which need not be UTF-8, relative to the current folder.
    ///
    /// # Errors
    /// `Fatal` for an empty path, or for a path with `..` whose parent does not exist.
    pub fn from_path(path: &Path) -> Result<Self, StorageError> {
        let name = || path.to_string_lossy().into_owned();
        let absolute =
            std::path::absolute(path).map_err(|e| StorageError::fatal(name(), "not a path").with_source(e))?;
        // `a/../b` is `b` only where `a` is no link, so the system resolves it.
        if absolute.components().any(|part| part == Component::ParentDir) {
            let resolved = absolute
                .canonicalize()
                .map_err(|e| StorageError::fatal(name(), "no such file or folder").with_source(e))?;
            return Ok(Self::Local(resolved));
        }
        Ok(Self::Local(absolute))
    }

    /// The URL of a lake here. A key may hold any character, so its parts are escaped; a local location's URI is escaped already.
    ///
    /// # Errors
    /// `Fatal` where the name holds a percent sign, which the table's library would unescape twice.
    pub fn lake_url(&self) -> Result<Url, StorageError> {
        let uri = self.uri();
        let no_url = |e| StorageError::fatal(&uri, "not a URL").with_source(e);
        let name = match self {
            Self::Local(path) => path.to_string_lossy(),
            Self::S3 { key, .. } | Self::Memory { key, .. } => key.into(),
        };
        if name.contains('%') {
            return Err(StorageError::fatal(&uri, "the name of a lake must not hold a percent sign"));
        }
        let Self::S3 { bucket, key } = self else { return Url::parse(&uri).map_err(no_url) };
        let mut url = Url::parse(&format!("s3://{bucket}")).map_err(no_url)?;
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.extend(key.split('/').filter(|part| !part.is_empty()));
        }
        Ok(url)
    }

    /// The location as a URI, the form in which objects below it are named.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Local(path) => file_uri(path),
            Self::S3 { bucket, key } => format!("s3://{bucket}/{key}"),
            Self::Memory { name, key } => format!("memory://{name}/{key}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            _ => f.write_str(&self.uri()),
        }
    }
}

impl FromStr for Location {
    type Err = StorageError;
    fn from_str(text: &str) -> Result<Self, StorageError> {
        Self::parse(text)
    }
}

/// The `file://` URI of an absolute path. Every path has one of its own, also a path that is not UTF-8.
pub(crate) fn file_uri(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| format!("file:{}", path.display()), String::from)
}

/// Splits `scheme://rest`, where the scheme is one by RFC 3986 section 3.1. `./a://b` remains a path.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    legal.then_some((scheme, rest))
}

fn split_bucket(text: &str, rest: &str, is_name: fn(&str) -> bool) -> Result<(String, String), StorageError> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_name(bucket) {
        let expected = "up to 63 lower-case letters, digits, hyphens and dots";
        return Err(StorageError::fatal(text, format!("expected a bucket after ://, {expected}, found {bucket:?}")));
    }
    Ok((bucket.to_owned(), key.to_owned()))
}

/// Whether `name` may be that of a store in memory.
fn is_store_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

fn from_file_url(text: &str) -> Result<Location, StorageError> {
    let wrong = || StorageError::fatal(text, "expected file:///absolute/path");
    let url = Url::parse(text).map_err(|e| wrong().with_source(e))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(StorageError::fatal(text, "a file URL holds ? as %3F and # as %23"));
    }
    url.to_file_path().map(Location::Local).map_err(|()| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn s3(bucket: &str, key: &str) -> Location {
        Location::S3 { bucket: bucket.into(), key: key.into() }
    }

    #[test]
    fn urls_and_paths_are_told_apart() {
        assert_eq!(Location::parse("s3://b").unwrap(), s3("b", ""));
        assert_eq!(Location::parse("S3://b/a b%20c+d/#1/").unwrap(), s3("b", "a b%20c+d/#1/"));
        assert_eq!(Location::parse("file:///tmp/a%20b").unwrap(), Location::Local("/tmp/a b".into()));
        assert_eq!(Location::parse("/tmp/a%20b").unwrap(), Location::Local("/tmp/a%20b".into()));
        let here = std::env::current_dir().unwrap();
        assert_eq!(Location::parse("~/x").unwrap(), Location::Local(here.join("~/x")));
        assert_eq!(Location::parse("./s3://b").unwrap(), Location::Local(here.join("s3:/b")));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "s3://",
            "s3:///key",
            "http://x/y",
            "file://relative/x",
            "file:///a?b",
            "file:///a#b",
            "s3://B/x",
            "s3://a?b/x",
            "s3://a#b",
            "s3://u@h/x",
            "s3://../x",
            "s3://a..b/x",
            "s3://10.0.0.1/x",
            "s3://a\n/x",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind, crate::ErrorKind::Fatal, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_path_survives_its_uri(bytes in proptest::collection::vec(1_u8..=255, 1..40)) {
            let name = Path::new("/r").join(OsStr::from_bytes(&bytes).to_string_lossy().replace('/', "_"));
            let odd = Path::new("/r").join(OsStr::from_bytes(&bytes.iter().map(|&b| if b == b'/' { b'_' } else { b }).collect::<Vec<_>>()));
            for path in [name, odd] {
                if path.components().any(|c| !matches!(c, Component::Normal(_) | Component::RootDir)) { continue; }
                let Location::Local(back) = Location::parse(&file_uri(&path)).unwrap() else { panic!("not local") };
                proptest::prop_assert_eq!(back, path);
            }
        }
    }
}
