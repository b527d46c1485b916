use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bolus_evaluation::report::{BundleId, BundleRows, Options, ScoredSeries, Thresholds, TruthSummary, evaluate};
use bolus_evaluation::statistics::Resampling;
use bolus_evaluation::truth::LabelledSet;
use bolus_study::{PredictedClass, SeriesUid};

use super::*;

/// What would be markup wherever it stood: between tags, in an attribute of either quotes, in a style.
const HOSTILE: &str = "</style><script>alert('1')</script>\"' onload=\"x&lt;";
const SECTIONS: [&str; 9] = [
    "Scans",
    "Slices",
    "Curves",
    "Confusion of scans",
    "Parts of the series",
    "Bundle against bundle",
    "What was counted",
    "Farthest from the truth",
    "How the figures are made",
];

fn scan(number: usize, shift: f64, words: &str) -> ScoredSeries {
    let probability = (number as f64 * 0.083 + shift).fract();
    let class = match probability {
        p if p > 0.6 => PredictedClass::Enhanced,
        p if p < 0.4 => PredictedClass::Native,
        _ => PredictedClass::Indeterminate,
    };
    ScoredSeries {
        series: SeriesUid::new(&format!("1.{number}")).unwrap(),
        stack: number.is_multiple_of(3).then_some(2),
        row_key: format!("key-{number}-of-it"),
        probability,
        raw_probability: probability,
        class,
        slices: (0..5).map(|slice| ((probability + f64::from(slice) * 0.07) as f32).min(1.0)).collect(),
        slices_planned: number.is_multiple_of(2).then_some(6),
        body_part: Some(format!("chest{words}")),
        codec: number.is_multiple_of(2).then(|| format!("JPEG 2000{words}")),
        slice_thickness_mm: (number % 4 != 1).then_some(1.25),
        source_uri: format!("file:///data/{number}{words}"),
    }
}

fn rows(name: &str, words: &str, shift: f64) -> BundleRows {
    let mut unlabelled = BTreeMap::new();
    unlabelled.insert((SeriesUid::new("1.21").unwrap(), None), ("refused".to_owned(), format!("spacing{words}")));
    unlabelled.insert((SeriesUid::new("1.22").unwrap(), None), ("failed".to_owned(), format!("pixel_data{words}")));
    let band = (shift > 0.0).then_some([0.4, 0.6]);
    BundleRows {
        bundle: BundleId {
            name: format!("{name}{words}"),
            version: format!("1.0{words}"),
            digest: format!("{words}{name}-digest"),
        },
        thresholds: Thresholds { slice: 0.5, scan: band.map(|_| 0.5), indeterminate: band },
        scans: (1..=20).map(|number| scan(number, shift, words)).collect(),
        without_truth: 1,
        unlabelled,
        ambiguous: BTreeSet::new(),
    }
}

/// Three bundles on twenty-four series of two sites, with `words` in every text that comes from outside.
fn evaluation(words: &str) -> Evaluation {
    let site = words.replace('"', "\"\"");
    let mut truth = "series_uid,contrast,patient,site,split\n".to_owned();
    for number in 1..=24 {
        let enhanced = number * 83 % 1000 > 450 || number % 7 == 0;
        truth += &format!("1.{number},{},p{},\"site {}{site}\",test\n", u8::from(enhanced), number / 2, number % 2);
    }
    let truth = LabelledSet::from_csv("truth.csv", truth.as_bytes()).unwrap();
    let rows = [rows("one", words, 0.0), rows("two", words, 0.11), rows("three", words, 0.0)];
    let options = Options { resampling: Resampling { replicates: 50, seed: 1 }, worst: 4 };
    evaluate(&truth, TruthSummary::of(&truth, &truth, None), &rows, &options)
}

fn page(evaluation: &Evaluation, words: &str, sheets: Option<&Path>) -> String {
    let (truth_file, lake, notes) = (format!("truth{words}.csv"), format!("lake{words}"), [format!("a note{words}")]);
    EvaluationPage { evaluation, truth_file: &truth_file, lake: &lake, notes: &notes, sheets }.to_html()
}

/// The names of the tags of a page in their order, those that end an element with their stroke. Nothing may stand open.
fn tags(page: &str) -> Vec<String> {
    let style = page.find("<style>").unwrap()..page.find("</style>").unwrap();
    let page = format!("{}{}", &page[..style.start + "<style>".len()], &page[style.end..]);
    let mut names = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("every tag ends");
        assert!(!text.contains('>'), "{text:?} holds an unescaped >");
        names.push(tag.split_whitespace().next().unwrap().to_owned());
    }
    names
}

#[test]
fn nothing_of_the_outside_becomes_markup() {
    let (plain, hostile) = (page(&evaluation(""), "", None), page(&evaluation(HOSTILE), HOSTILE, None));
    // The same elements in the same order: whatever the names say, none of it is an element, nor the end of one.
    assert_eq!(tags(&plain), tags(&hostile));
    // And none is an attribute: within tags, it is there with its quotes escaped.
    assert!(!hostile.contains("<script") && !hostile.contains("\" onload") && !hostile.contains("' onload=\""));
    let escaped = "&lt;/style&gt;&lt;script&gt;alert('1')&lt;/script&gt;&quot;' onload=&quot;x&amp;lt;";
    for of in ["truth", "lake", "a note", "one", "1.0", "chest", "JPEG 2000", "file:///data/6", "spacing", "site 1"] {
        assert!(hostile.contains(&format!("{of}{escaped}")), "{of} is missing");
    }
}

#[test]
fn a_page_holds_every_section_and_a_line_for_each_bundle() {
    let page = page(&evaluation(""), "", None);
    let titles: Vec<&str> =
        page.split("<h2>").skip(1).map(|rest| rest.split("</h2>").next().unwrap_or_default()).collect();
    assert_eq!(titles, SECTIONS);
    assert_eq!(
        page.matches("<figure class=\"chart\">").count(),
        8,
        "ROC, its corner, precision, reliability; two levels"
    );
    for (bundle, index) in [("one", 0), ("two", 1), ("three", 2)] {
        let line = format!("<g class=\"s{index} d0\"><title>{bundle}</title><polyline points=\"");
        assert_eq!(page.matches(&line).count(), 8, "{bundle}");
    }
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
    for outside in ["<script", "http://", "https://", ">NaN", "url(\""] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
}

#[test]
fn an_element_of_a_drawing_ends_before_the_next_begins() {
    // HTML knows no end of an element of SVG but its own: what follows an open one would be within it, and not be drawn.
    let tags = tags(&page(&evaluation(""), "", None));
    for name in ["line", "rect", "circle", "polyline"] {
        let starts: Vec<usize> = (0..tags.len()).filter(|place| tags[*place] == name).collect();
        assert!(!starts.is_empty(), "{name}");
        for start in starts {
            let title = usize::from(tags[start + 1] == "title") * 2;
            assert_eq!(tags[start + 1 + title], format!("/{name}"));
        }
    }
}

#[test]
fn contact_sheets_are_scaled_into_the_page_and_what_is_no_picture_is_left_out() {
    let (folder, evaluation) = (tempfile::tempdir().unwrap(), evaluation(""));
    let worst: Vec<_> = evaluation.bundles[0].worst.iter().collect();
    let sheet =
        |place: usize| folder.path().join(crate::sheet_name(worst[place].series.as_str(), &worst[place].row_key));
    image::RgbImage::new(1440, 100).save(sheet(0)).unwrap();
    std::fs::write(sheet(1), "no picture").unwrap();
    let page = page(&evaluation, "", Some(folder.path()));
    let name = crate::stacked(worst[0].series.as_str(), worst[0].stack);
    let start = format!("<img alt=\"contact sheet of series {name}\" src=\"data:image/png;base64,");
    let code = page.split(&start).nth(1).unwrap().split('"').next().unwrap();
    let png = BASE64.decode(code).unwrap();
    let small = image::load_from_memory(&png).unwrap();
    assert_eq!((small.width(), small.height()), (720, 50));
    let other = crate::stacked(worst[1].series.as_str(), worst[1].stack);
    assert!(!page.contains(&format!("contact sheet of series {other}\"")));
}
