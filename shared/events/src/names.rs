//! Names that say of an object, or of a folder, that it is no part of a study.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// A name, or a name that begins or ends with `*`, which stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum NamePattern {
    /// This name.
    Exact(String),
    /// Names that end so.
    Ends(String),
    /// Names that begin so.
    Begins(String),
}

impl TryFrom<String> for NamePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("expected a file's name, with * at most at its beginning or its end, found \"{text}\"");
        let pattern = match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => Self::Ends(end.to_owned()),
            (None, Some(start)) => Self::Begins(start.to_owned()),
            (None, None) => Self::Exact(text.clone()),
        };
        let (Self::Exact(rest) | Self::Ends(rest) | Self::Begins(rest)) = &pattern;
        if rest.is_empty() || rest.contains(['*', '/']) { Err(wrong()) } else { Ok(pattern) }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => write!(f, "{exact}"),
            Self::Ends(end) => write!(f, "*{end}"),
            Self::Begins(start) => write!(f, "{start}*"),
        }
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl NamePattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Ends(end) => name.ends_with(end.as_str()),
            Self::Begins(start) => name.starts_with(start.as_str()),
        }
    }
}

/// Names, as a list in configuration and with commas in between on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Names(Vec<NamePattern>);

impl Names {
    /// What a lake's own objects and folders are called. A lake that lies among the studies would otherwise be labelled itself,
    /// and each label would lead to more.
    #[must_use]
    pub fn of_lakes() -> Self {
        let exact = |name: &str| NamePattern::Exact(name.to_owned());
        Self(vec![exact("_delta_log"), exact("_bolus_probe"), NamePattern::Ends(".parquet".into())])
    }

    /// What objects are called that say that their folder is complete.
    #[must_use]
    pub fn of_markers() -> Self {
        let exact = |name: &str| NamePattern::Exact(name.to_owned());
        Self(vec![exact("_SUCCESS"), exact("manifest.json"), NamePattern::Ends(".done".into())])
    }

    /// Whether the object at `key` has one of the names.
    #[must_use]
    pub fn are_of_object(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name_of(key)))
    }

    /// Whether the object at `key`, or a folder that it lies in, has one of the names.
    #[must_use]
    pub fn are_along(&self, key: &str) -> bool {
        key.split('/').any(|part| self.0.iter().any(|pattern| pattern.matches(part)))
    }
}

/// The last part of a key; empty for the objects that stand for folders.
#[must_use]
pub fn name_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| NamePattern::try_from(name.to_owned())).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for names in [Names::of_lakes(), Names::of_markers()] {
            assert_eq!(names.to_string().parse(), Ok(names));
        }
        assert_eq!("".parse::<Names>().unwrap().to_string(), "");
        for wrong in ["*", "a*b", "a/b", "**"] {
            assert!(wrong.parse::<Names>().unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_lake_is_known_by_its_folders_and_files_wherever_they_lie() {
        let lake = Names::of_lakes();
        for key in
            ["_delta_log/0.json", "a/lake/labels/_delta_log/x/0.json", "l/_bolus_probe", "l/part-0.snappy.parquet"]
        {
            assert!(lake.are_along(key), "{key}");
        }
        for key in ["a/delta_log/1.dcm", "lake/1.dcm", "parquet", "a/x.parquet.dcm"] {
            assert!(!lake.are_along(key), "{key}");
        }
        let markers = Names::of_markers();
        assert!(markers.are_of_object("a/_SUCCESS") && markers.are_of_object("x.done"));
        assert!(!markers.are_of_object("x.done/1.dcm"));
        assert_eq!((name_of("a/b/"), name_of("a")), ("", "a"));
    }
}
