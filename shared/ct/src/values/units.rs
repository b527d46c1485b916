//! Units of the values: Rescale Type, and the units that a real world value mapping gives.

use bolus_study::{Reason, ReasonCode};

/// Letters of what writers state for Hounsfield units, beside words that begin with "Houn".
const HOUNSFIELD: [&str; 6] = ["HU", "HUS", "HUNIT", "HUNITS", "HUUNIT", "HUUNITS"];

/// Rescale Type (PS3.3 section C.11.1.1.2): `HU` and what writers make of it (`Hounsfield`, `Houndsfield Unit`, `HU*`) are taken.
pub(super) fn rescale_judgement(unit: Option<&str>) -> Option<Reason> {
    let unit = unit?;
    let upper = unit.trim().to_ascii_uppercase();
    match upper.as_str() {
        "" => None,
        "HU_MOD" => Some(Reason::judgement(
            ReasonCode::MaterialMap,
            "rescale type HU_MOD: Hounsfield units that were changed, for example by taking a material out",
        )),
        "MGML" | "Z_EFF" | "ED" | "EDW" | "PCT" => {
            Some(Reason::judgement(ReasonCode::MaterialMap, format!("rescale type {upper}, HU expected")))
        }
        other if is_hounsfield(other) => None,
        _ => Some(Reason::judgement(
            ReasonCode::NotHounsfield,
            format!("rescale type {}, HU expected", unit.escape_debug()),
        )),
    }
}

/// Whether a unit is Hounsfield's: `HU`, `Hounsfield`, or `[hnsf'U]` of UCUM. Shares and ratios (`HU%`, `HUPCT`) are not.
pub(super) fn is_hounsfield(unit: &str) -> bool {
    let letters: String = unit.to_ascii_uppercase().chars().filter(char::is_ascii_alphabetic).collect();
    let plain = !unit.contains(['%', '/']) && !unit.contains(|sign: char| sign.is_ascii_digit());
    plain && (HOUNSFIELD.contains(&letters.as_str()) || ["HOUN", "HNSF"].iter().any(|start| letters.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescale_types_are_told() {
        let code = |unit: &str| rescale_judgement(Some(unit)).map(|reason| reason.code);
        for unit in ["HU", "hu ", "Hounsfield", "Houndsfield Unit", "", "HU*", "Hounsfield units", "H.U."] {
            assert_eq!(code(unit), None, "{unit}");
        }
        for unit in ["MGML", "Z_EFF", "ED", "EDW", "PCT", "HU_MOD"] {
            assert_eq!(code(unit), Some(ReasonCode::MaterialMap), "{unit}");
        }
        for unit in ["US", "UNSPECIFIED", "OD", "NORM", "mg/ml", "G_ML", "HUPCT", "HU%", "HU/s", "HU2", "HUE"] {
            assert_eq!(code(unit), Some(ReasonCode::NotHounsfield), "{unit}");
        }
        assert!(rescale_judgement(Some("US")).is_some_and(|reason| reason.detail.contains("--allow not_hounsfield")));
    }

    #[test]
    fn units_of_mappings_are_told() {
        assert!(["[hnsf'U]", "Hounsfield unit", "HU", "{HU}"].into_iter().all(is_hounsfield));
        assert!(!["mg/mL", "ml/100ml/s", "1", "", "{Z_eff}"].into_iter().any(is_hounsfield));
    }
}
