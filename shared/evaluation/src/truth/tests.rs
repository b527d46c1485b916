use bolus_study::SeriesUid;

use super::*;

fn read(text: &str) -> Result<LabelledSet, String> {
    LabelledSet::from_csv("truth.csv", text.as_bytes()).map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    read(text).unwrap_err()
}

#[test]
fn every_way_to_say_it_is_understood() {
    let text = "\u{feff}Note,Series_UID,contrast,patient,split,body_part,site\n\
        a,1.1,1,p1,train,Chest,A\nb,1.2,no,p2,Validation,,\n\"c, d\",1.3,ENHANCED,,test,,\ne,1.4,without,,,,\n\
        f,1.5,,,,,\ng,1.6,unknown,,,,\nh,1.1,true,,,,A\ni,1.7,1.0,,,,\n";
    let set = read(text).unwrap();
    let known: Vec<(&str, bool)> = set.iter().map(|series| (series.series.as_str(), series.contrast)).collect();
    assert_eq!(known, [("1.1", true), ("1.2", false), ("1.3", true), ("1.4", false), ("1.7", true)]);
    assert_eq!((set.unknown(), set.repeated()), (2, 1));
    let first = set.get(&SeriesUid::new("1.1").unwrap(), None).unwrap();
    let said = (first.patient.as_deref(), first.body_part.as_deref(), first.split, first.site.as_deref());
    assert_eq!(said, (Some("p1"), Some("chest"), Some(Split::Train), Some("A")));
    assert_eq!(set.of_split(Split::Test).len(), 1);
}

#[test]
fn a_table_says_the_same_as_csv() {
    let columns = ["contrast", "series_uid"].map(str::to_owned);
    let rows = [["true", "1.1"], ["false", "1.2"], ["", "1.3"]].map(|row| row.map(str::to_owned).to_vec());
    let set = LabelledSet::from_table("truth.parquet", &columns, &rows).unwrap();
    assert_eq!(set, read("series_uid,contrast\n1.1,1\n1.2,0\n1.3,\n").unwrap());
}

#[test]
fn errors_name_file_line_column_and_what_would_be_right() {
    for (text, words) in [
        ("", "truth file truth.csv: it is empty"),
        ("series_uid,contrast\n", "it is empty"),
        ("uid,contrast\n1.1,1\n", "no column `series_uid`: its columns are uid, contrast"),
        ("series_uid;contrast\n1.1;1\n", "no column `series_uid`: its columns are series_uid;contrast"),
        ("series_uid,contrast,Contrast\n1.1,1,1\n", "two columns `contrast`"),
        (
            "series_uid,contrast\n1.1,1\n1.2,maybe\n",
            "line 3, column `contrast`: \"maybe\" is not understood; expected 1/0",
        ),
        ("series_uid,contrast\n,1\n", "line 2, column `series_uid`: \"\""),
        ("series_uid,contrast,split\n1.1,1,dev\n", "line 2, column `split`: \"dev\""),
        ("series_uid,contrast\n1.1,1\n1.2\n", "line 3: it has 1 fields, the header has 2"),
        (
            "series_uid,contrast\n1.1,1\n1.2,0\n1.1,0\n",
            "line 4, column `contrast`: series 1.1 was said to be something else in line 2",
        ),
        ("series_uid,contrast,split\n1.1,1,test\n1.1,1,train\n", "line 3, column `split`"),
        ("series_uid,contrast\n1.1,\n1.2,unknown\n", "none of its 2 rows"),
    ] {
        let found = refused(text);
        assert!(found.contains(words), "{text:?}: {found}");
    }
    let latin = LabelledSet::from_csv("t.csv", b"series_uid,contrast,site\n1.1,1,Z\xfcrich\n").unwrap_err();
    assert!(latin.to_string().contains("line 2: it is not UTF-8"), "{latin}");
}

#[test]
fn a_patient_in_two_splits_is_found() {
    let text = "series_uid,contrast,patient,split\n1.1,1,a,train\n1.2,1,a,test\n1.3,0,b,test\n1.4,0,b,test\n";
    assert_eq!(read(text).unwrap().patients_in_several_splits(), ["a"]);
}
