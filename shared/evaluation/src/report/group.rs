//! Parts of the series: by body part, site, codec and slice thickness.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judged::{Judged, scan_cases, slice_cases};
use super::level::Level;
use crate::statistics::Resampling;

/// What series are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The truth's body part, or the row's where the truth names none.
    BodyPart,
    /// The truth's site.
    Site,
    /// The transfer syntaxes of the files.
    Codec,
    /// Nominal slice thickness, in bands.
    SliceThickness,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 4] = [Self::BodyPart, Self::Site, Self::Codec, Self::SliceThickness];

    /// Its name for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BodyPart => "body part",
            Self::Site => "site",
            Self::Codec => "codec",
            Self::SliceThickness => "slice thickness",
        }
    }

    /// The group of a series; none where it is not known.
    fn group(self, judged: &Judged) -> Option<String> {
        match self {
            Self::BodyPart => judged.body_part(),
            Self::Site => judged.truth.site.clone(),
            Self::Codec => judged.scan.codec.clone(),
            Self::SliceThickness => judged.scan.slice_thickness_mm.map(|thickness| band(thickness).to_owned()),
        }
    }
}

/// The band of a slice thickness in millimetres. The names sort as they stand.
fn band(thickness: f64) -> &'static str {
    match thickness {
        thickness if thickness <= 1.5 => "0 to 1.5 mm",
        thickness if thickness <= 3.0 => "1.5 to 3 mm",
        thickness if thickness <= 5.0 => "3 to 5 mm",
        _ => "above 5 mm",
    }
}

/// The figures of a part of the series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subgroup {
    /// What the series are told apart by.
    pub by: Dimension,
    /// The group; `unknown` where a series does not tell.
    pub group: String,
    /// Scan level.
    pub scan: Level,
    /// Slice level.
    pub slice: Level,
}

/// All groups. A dimension in which no series tells anything is left out.
pub(super) fn all(judged: &[Judged], threshold: f32, resampling: Resampling) -> Vec<Subgroup> {
    let mut subgroups = Vec::new();
    for by in Dimension::ALL {
        let mut groups: BTreeMap<Option<String>, Vec<&Judged>> = BTreeMap::new();
        for judged in judged {
            groups.entry(by.group(judged)).or_default().push(judged);
        }
        if groups.keys().all(Option::is_none) {
            continue;
        }
        for (group, members) in groups {
            let members: Vec<Judged> = members.into_iter().copied().collect();
            subgroups.push(Subgroup {
                by,
                group: group.unwrap_or_else(|| "unknown".to_owned()),
                scan: Level::of(&scan_cases(&members), resampling),
                slice: Level::of(&slice_cases(&members, threshold), resampling),
            });
        }
    }
    subgroups
}
