//! Writes a calibration into a `bundle.toml`, whose comments and order stay.

use bolus_evaluation::calibration::Fit;
use bolus_inference::Manifest;
use toml_edit::{Array, DocumentMut, Item, TableLike, TomlError, Value};

/// The reason that a manifest cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The old manifest is no TOML.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// The old manifest has no such table.
    #[error("it has no table [{0}]")]
    NoTable(String),
    /// The new manifest cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The number after a version is not known.
    #[error("the version {0:?} does not end in a number: name the new one with --version")]
    Version(String),
}

/// Decimals of the numbers that are written.
const DECIMALS: i32 = 6;

/// What is to be written.
pub struct Change<'a> {
    /// The calibration.
    pub fit: &'a Fit,
    /// The indeterminate band.
    pub band: [f64; 2],
    /// The version.
    pub version: &'a str,
    /// What it was fitted on.
    pub fitted_on: &'a str,
}

/// The manifest with the change, which can be read.
///
/// # Errors
/// [`EditError`], save `Version`.
pub fn changed(old: &str, change: &Change) -> Result<String, EditError> {
    let mut document: DocumentMut = old.parse()?;
    upgrade(&mut document)?;
    set(document.as_table_mut(), "version", change.version);
    let band: Array = change.band.into_iter().map(rounded).collect();
    set(table(&mut document, "decision")?, "indeterminate", band);
    let calibration = table(&mut document, "calibration")?;
    for key in ["scale", "shift", "raw", "calibrated"] {
        let kept = match change.fit {
            Fit::Sigmoid { .. } => ["scale", "shift"],
            Fit::Knots { .. } => ["raw", "calibrated"],
        };
        if !kept.contains(&key) {
            calibration.remove(key);
        }
    }
    match change.fit {
        Fit::Sigmoid { scale, shift } => {
            set(calibration, "method", "platt");
            set(calibration, "scale", rounded(*scale));
            set(calibration, "shift", rounded(*shift));
        }
        Fit::Knots { raw, calibrated } => {
            let (raw, calibrated) = rising(raw, calibrated);
            set(calibration, "method", "isotonic");
            set(calibration, "raw", raw);
            set(calibration, "calibrated", calibrated);
        }
    }
    set(calibration, "fitted_on", change.fitted_on);
    let new = document.to_string();
    Manifest::parse(&new).map_err(EditError::Unreadable)?;
    Ok(new)
}

/// A manifest of format 1 as one of format 2: see `schemas/bundle.md`.
fn upgrade(document: &mut DocumentMut) -> Result<(), EditError> {
    if document.get("format").and_then(Item::as_integer) != Some(1) {
        return Ok(());
    }
    set(document.as_table_mut(), "format", 2_i64);
    let network = table(document, "network")?;
    let precision = network.get("dtype").and_then(Item::as_str).unwrap_or("float32").to_owned();
    set(network, "precision", precision);
    Ok(())
}

fn table<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut dyn TableLike, EditError> {
    let table = document.get_mut(name).and_then(Item::as_table_like_mut);
    table.ok_or_else(|| EditError::NoTable(name.to_owned()))
}

/// Sets a key; the comment behind it stays.
fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// A number with as many decimals as are written.
fn rounded(value: f64) -> f64 {
    let steps = 10_f64.powi(DECIMALS);
    (value * steps).round() / steps
}

/// Knots as they are written: of those that rounding makes one, the first.
fn rising(raw: &[f64], calibrated: &[f64]) -> (Array, Array) {
    let mut knots: Vec<(f64, f64)> =
        raw.iter().map(|raw| rounded(*raw)).zip(calibrated.iter().map(|p| rounded(*p))).collect();
    knots.dedup_by(|next, before| next.0 <= before.0);
    (knots.iter().map(|knot| knot.0).collect(), knots.iter().map(|knot| knot.1).collect())
}

/// The version after `version`: its last number plus one.
///
/// # Errors
/// [`EditError::Version`] where it does not end in a number, or in the largest.
pub fn bumped(version: &str) -> Result<String, EditError> {
    let (head, last) = version.rsplit_once('.').map_or(("", version), |(head, last)| (head, last));
    let next = last.parse::<u64>().ok().and_then(|number| number.checked_add(1));
    let next = next.ok_or_else(|| EditError::Version(version.to_owned()))?;
    Ok(if head.is_empty() { next.to_string() } else { format!("{head}.{next}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = include_str!("../../../tests/data/bundles/cheap/bundle.toml");

    #[test]
    fn comments_and_order_stay_and_the_manifest_can_be_read() {
        let commented = MANIFEST.replace("\n[decision]\n", "\n# The thresholds.\n[decision] # both\n");
        let platt = Fit::Sigmoid { scale: 1.234_567_89, shift: -0.5 };
        let change = |fit: &Fit| {
            changed(
                &commented,
                &Change { fit, band: [0.41, 0.62], version: "9.9.9", fitted_on: "split \"validation\"" },
            )
            .unwrap()
        };
        let new = change(&platt);
        assert!(new.contains("# The thresholds.\n[decision] # both\n"), "{new}");
        let manifest = Manifest::parse(&new).unwrap();
        assert_eq!((manifest.format, manifest.version.as_str()), (2, "9.9.9"));
        assert_eq!(manifest.decision.indeterminate, [0.41, 0.62]);
        assert_eq!(manifest.calibration.fitted_on(), "split \"validation\"");
        let fitted =
            |raw: f64, fit: &Fit| (manifest_of(&change(fit)).calibration.apply(raw) - fit.apply(raw)).abs() < 1e-5;
        let knots = Fit::Knots { raw: vec![0.1, 0.4, 0.9], calibrated: vec![0.05, 0.5, 0.97] };
        for raw in [0.0, 0.1, 0.3, 0.7, 1.0] {
            assert!(fitted(raw, &platt) && fitted(raw, &knots), "{raw}");
        }
        // And back: nothing of the other method is left.
        let again =
            changed(&change(&knots), &Change { fit: &platt, band: [0.4, 0.6], version: "1", fitted_on: "" }).unwrap();
        assert!(!again.contains("calibrated ="), "{again}");
    }

    fn manifest_of(text: &str) -> Manifest {
        Manifest::parse(text).unwrap()
    }

    #[test]
    fn versions_rise() {
        for (old, new) in [("0.1.0", "0.1.1"), ("1.9", "1.10"), ("7", "8")] {
            assert_eq!(bumped(old).unwrap(), new);
        }
        assert!(bumped("1.0-rc").unwrap_err().to_string().contains("--version"));
    }
}
