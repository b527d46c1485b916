//! The reading of descriptions: on real ones, on a list that was written before the rules saw it, and by properties.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;

use bolus_ct::{body_parts_of_words, evidence_of_words};
use bolus_study::Says;
use proptest::prelude::*;
use proptest::sample::select;

#[path = "words/measure.rs"]
mod measure;

use measure::{Score, declared, exceptions, rows};

/// The table of real descriptions.
fn table() -> Option<PathBuf> {
    bolus_testkit::shared("data/idc-descriptions/descriptions.csv")
}

#[test]
fn real_descriptions_are_read_as_the_goals_say() {
    let Some(path) = table() else { return };
    let rows = rows(&path);
    let exceptions = exceptions();
    let counted = rows.iter().filter(|row| !exceptions.iter().any(|one| one.is_for(row)));
    let score = Score::of(counted);
    println!("words {score}; {} exceptions", exceptions.len());
    assert!(score.recall(0) >= 0.98 && score.recall(1) >= 0.98, "{score}");
    assert!(score.precision(0) >= 0.995 && score.precision(1) >= 0.995, "{score}");
    assert!(score.body_exact() >= 0.97, "{score}");
    assert_eq!(score.opposite(), 0, "{score}");
}

#[test]
fn each_exception_is_one() {
    let Some(path) = table() else { return };
    let rows = rows(&path);
    for one in exceptions() {
        let name = (&one.study, &one.series);
        let found: Vec<_> = rows.iter().filter(|row| one.is_for(row)).collect();
        let read = |row: &&&measure::Row| declared(&row.study, &row.series) == one.verdict;
        assert!(found.iter().filter(read).any(|row| row.declared != one.verdict), "{name:?} is no exception any more");
    }
}

/// Descriptions with their reading by general knowledge of the languages.
struct Expected {
    attribute: &'static str,
    text: String,
    says: String,
    parts: String,
}

fn held_out() -> Vec<Expected> {
    let mut reader = csv::Reader::from_reader(include_str!("words/heldout.csv").as_bytes());
    let expected = |record: csv::StringRecord| Expected {
        attribute: if &record[1] == "study" { "StudyDescription" } else { "SeriesDescription" },
        text: record[2].to_owned(),
        says: record[3].to_owned(),
        parts: record[4].to_owned(),
    };
    reader.records().map(|record| expected(record.unwrap())).collect()
}

fn says(attribute: &str, text: &str) -> &'static str {
    match evidence_of_words(attribute, text).map(|evidence| evidence.says) {
        Some(Says::Enhanced) => "enhanced",
        Some(Says::Native) => "native",
        Some(Says::Undecided) => "undecided",
        None => "silent",
    }
}

fn parts(text: &str) -> String {
    body_parts_of_words(text).iter().map(|part| part.as_str()).collect::<Vec<_>>().join("+")
}

#[test]
fn descriptions_of_many_languages() {
    let expected = held_out();
    assert!(expected.len() >= 300);
    let wrong: Vec<String> = expected
        .iter()
        .filter(|one| says(one.attribute, &one.text) != one.says || parts(&one.text) != one.parts)
        .map(|one| format!("{} read {} of {}", one.text, says(one.attribute, &one.text), parts(&one.text)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn evidence_keeps_the_phrase_alone() {
    for (text, phrase) in [
        ("SMITH JOHN CT CHEST W/O CONTRAST", "W/O CONTRAST"),
        ("Müller, Erika: Thorax mit KM", "mit KM"),
        ("CT ABD W CONTRAST FOR MR JONES, PELVIS WO", "W CONTRAST … WO"),
        ("ARTERIAL PHASE (JONES)", "ARTERIAL"),
    ] {
        assert_eq!(evidence_of_words("SeriesDescription", text).unwrap().value, phrase);
    }
}

/// Texts that say something, without signs whose place matters.
fn plain_texts() -> Vec<Expected> {
    let is_word = |one: char| one.is_alphanumeric() || one == ' ';
    held_out().into_iter().filter(|one| one.text.chars().all(is_word) && one.text.is_ascii()).collect()
}

proptest! {
    #[test]
    fn case_does_not_matter(index in 0..held_out().len(), flips in proptest::collection::vec(any::<bool>(), 64)) {
        // Whole words are turned: where case turns inside a word, a new one begins.
        let one = &held_out()[index];
        let is_plain = !one.text.chars().any(|letter| letter == 'ı' || letter == 'İ' || letter == 'ß');
        prop_assume!(is_plain);
        let words = one.text.split(' ').zip(flips.iter().cycle());
        let turned: Vec<String> =
            words.map(|(word, up)| if *up { word.to_uppercase() } else { word.to_lowercase() }).collect();
        // What case parts is one word without it.
        let lower = one.text.to_lowercase();
        prop_assert_eq!(says(one.attribute, &turned.join(" ")), says(one.attribute, &lower), "{}", turned.join(" "));
    }

    #[test]
    fn separators_do_not_matter(
        index in 0..plain_texts().len(),
        separator in select(vec!["_", " ", "  ", "/", ".", ", ", "^", " - ", "__"]),
        padding in select(vec!["", " ", "_", "  ", "."]),
    ) {
        let one = &plain_texts()[index];
        let text = format!("{padding}{}{padding}", one.text.split(' ').collect::<Vec<_>>().join(separator));
        prop_assert_eq!(says(one.attribute, &text), &one.says, "{}", text);
    }

    #[test]
    fn width_does_not_matter(index in 0..plain_texts().len()) {
        let one = &plain_texts()[index];
        let wide = |letter: char| match letter {
            '!'..='~' => char::from_u32(letter as u32 + 0xfee0).unwrap(),
            other => other,
        };
        let text: String = one.text.chars().map(wide).collect();
        prop_assert_eq!(says(one.attribute, &text), &one.says, "{}", text);
    }

    #[test]
    fn an_unrelated_part_changes_nothing(
        index in 0..held_out().len(),
        part in select(vec!["CHEST", "LIVER", "KNEE", "SINUS", "THORAX", "ABDOMEN"]),
    ) {
        let one = &held_out()[index];
        let text = format!("{part} {}", one.text);
        prop_assert_eq!(says(one.attribute, &text), &one.says, "{}", text);
    }

    #[test]
    fn a_negation_is_never_passed_over(
        level in select(vec!["StudyDescription", "SeriesDescription"]),
        part in select(vec!["CT CHEST", "Abdomen", "TC TORAX", "TDM", "KT", "Kopf", ""]),
        medium in select(vec![
            "contrast", "contraste", "IV contrast", "kontrast", "KM", "MDC", "CM", "injection", "PDC", "kontrastu", "contrast IV",
            "Omnipaque 350", "IV and oral contrast", "enhancement", "contrast medium",
        ]),
        (with, without) in select(vec![
            ("with", "without"), ("w/", "w/o"), ("W", "WO"), ("mit", "ohne"), ("avec", "sans"), ("con", "sin"), ("con", "senza"),
            ("com", "sem"), ("met", "zonder"), ("z", "bez"), ("s", "bez"), ("med", "utan"), ("cu", "fara"), ("with", "no"), ("with", "non"),
            ("with", "not with"), ("with", "with no"), ("post", "pre"), ("after", "before"), ("nach", "vor"), ("apres", "avant"), ("po podaniu", "przed"),
        ]),
        ending in select(vec!["", " 5.0 B30f", " COR", " (Adult)", " 2mm"]),
    ) {
        let positive = format!("{part} {with} {medium}{ending}");
        let negative = format!("{part} {without} {medium}{ending}");
        prop_assert_eq!(says(level, &positive), "enhanced", "{}", positive);
        prop_assert_eq!(says(level, &negative), "native", "{}", negative);
        let both = format!("{part} {with} / {without} {medium}{ending}");
        prop_assert_ne!(says(level, &both), "enhanced", "{}", both);
    }

    #[test]
    fn a_negation_before_a_phase_leaves_no_enhanced(
        phase in select(vec!["arterial phase", "portal venous", "contrast", "IV", "enhanced", "angiography", "venous"]),
        no in select(vec!["no", "without", "w/o", "non"]),
    ) {
        let text = format!("{no} {phase}");
        prop_assert_ne!(says("SeriesDescription", &text), says("SeriesDescription", phase), "{}", text);
        prop_assert_ne!(says("StudyDescription", &text), "enhanced", "{}", text);
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,80}") {
        for attribute in ["StudyDescription", "SeriesDescription"] {
            if let Some(evidence) = evidence_of_words(attribute, &text) {
                prop_assert!(evidence.value.chars().count() <= 64);
            }
        }
        prop_assert!(body_parts_of_words(&text).len() <= 5);
    }

    #[test]
    fn evidence_is_cut_from_the_text(
        index in 0..held_out().len(),
        name in select(vec!["SMITH", "MUELLER", "NOWAK", "GARCIA", "TANAKA", "DUPONT", "IVANOVA", "ROSSI"]),
    ) {
        let one = &held_out()[index];
        let text = format!("{name} {}", one.text);
        let evidence = evidence_of_words(one.attribute, &text);
        for phrase in evidence.iter().flat_map(|evidence| evidence.value.split(" … ")) {
            prop_assert!(!one.text.is_ascii() || one.text.contains(phrase), "{} of {}", phrase, text);
        }
    }
}
