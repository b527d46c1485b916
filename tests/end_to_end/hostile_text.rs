//! Text from files never reaches a terminal, a log or a spreadsheet in a form that these would obey.

use std::io::Write;
use std::path::Path;

use bolus_testkit::SyntheticSeries;
use zip::write::SimpleFileOptions;

use crate::support::{bolus, data, temp};

/// Whether a terminal would do something other than print it. Line breaks end lines.
fn is_obeyed(character: char) -> bool {
    let direction =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\n') || direction
}

/// Runs `bolus ARGS` and gives what it printed on both outputs, of which nothing may be obeyed.
fn printed(args: &[&str]) -> String {
    let output = bolus().args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("only text is printed");
    let obeyed: Vec<char> = text.chars().filter(|character| is_obeyed(*character)).collect();
    assert!(obeyed.is_empty(), "{args:?} prints {obeyed:?} in {text:?}");
    text
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `file` with the value of the first element of this tag and VR replaced; explicit VR, little endian, of short length.
fn with_value(mut file: Vec<u8>, tag: [u8; 4], vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let head = [&tag[..], vr].concat();
    let at = file.windows(head.len()).position(|window| window == head).unwrap() + head.len();
    let old = usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let new = [&u16::try_from(value.len()).unwrap().to_le_bytes()[..], value].concat();
    file.splice(at..at + 2 + old, new);
    file
}

const MODALITY: [u8; 4] = [0x08, 0, 0x60, 0];
const SOP_INSTANCE: [u8; 4] = [0x08, 0, 0x18, 0];
const BODY_PART: [u8; 4] = [0x18, 0, 0x15, 0];
const TRANSFER_SYNTAX: [u8; 4] = [0x02, 0, 0x10, 0];

/// Series whose every text is hostile, in an archive whose names are.
fn hostile(folder: &Path) -> std::path::PathBuf {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let path = folder.join("study.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("{evil}/{name}"), SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    };
    let slice = |uid: &str| SyntheticSeries::tiny(uid, 1).file(0);
    add("modality", &with_value(slice("1.2.1"), MODALITY, b"CS", b"\x1b[31mMR\n"));
    add("class", &with_value(slice("1.2.2"), MODALITY, b"CS", b"CT\x1b[2J "));
    add("uid", &with_value(slice("1.2.3"), SOP_INSTANCE, b"UI", b"1.2\x1b[2J\x07"));
    add("part", &with_value(slice("1.2.4"), BODY_PART, b"CS", b"\x1b[7mHEAD "));
    // As long as it was, or the length of its group would be another.
    add("syntax", &with_value(slice("1.2.5"), TRANSFER_SYNTAX, b"UI", b"1.2.840\x1b[2J\x1b[31mX.\0\0"));
    add("cut\u{2066}", &slice("1.2.6")[..900]);
    add("note.txt", b"no image");
    archive.finish().unwrap();
    path
}

#[test]
fn names_and_values_from_files_are_escaped_wherever_they_are_printed() {
    let folder = temp();
    let (input, lake) = (hostile(folder.path()), folder.path().join("lake"));
    let (input, lake) = (text(&input), text(&lake));
    let model = data().join("bundles/cheap");
    let model = ["--model", text(&model)];
    for json in [&[][..], &["--json"]] {
        printed(&[&["inspect", input][..], &model, json].concat());
    }
    for more in [&["--relabel"][..], &["--json", "--relabel"], &["--log", "debug", "--relabel"]] {
        let all = printed(&[&["label", input, "--lake", lake, "--device", "cpu"][..], &model, more].concat());
        assert!(all.contains("file"), "{all}");
    }
    let everything = "SELECT * FROM labels";
    for format in ["table", "json"] {
        let all = printed(&["sql", everything, "--lake", lake, "--format", format]);
        assert!(all.contains("202e"), "nothing hostile was stored: {all}");
    }
    for json in [&[][..], &["--json"]] {
        printed(&[&["failures", "list", "--lake", lake][..], json].concat());
    }
    printed(&["lake", "files", "--lake", lake]);
}

#[test]
fn errors_say_what_was_wrong_without_obeying_it() {
    for input in ["s3://\u{1b}[2J/x", "nothing\u{202e}here", "\u{9b}31m://x"] {
        let said = printed(&["inspect", input]);
        assert!(said.starts_with("error: "), "{said}");
    }
    printed(&["sql", "SELECT '\u{1b}[2J' FROM nowhere", "--lake", "no\u{1b}[2Jlake"]);
}

/// A lake with one row, so that there is something to ask.
fn small_lake(folder: &Path) -> std::path::PathBuf {
    let (series, lake) = (folder.join("series"), folder.join("lake"));
    SyntheticSeries::tiny("1.2.3", 1).write(&series);
    let model = data().join("bundles/cheap");
    printed(&["label", text(&series), "--lake", text(&lake), "--device", "cpu", "--model", text(&model)]);
    lake
}

const HOSTILE_QUERY: &str =
    "SELECT '=1+1' AS a, -1 AS b, -0.5 AS c, '-2' AS d, chr(27) || '[2J' || chr(8238) AS e, 'x=1' AS f";

#[test]
fn a_spreadsheet_gets_texts_and_numbers_but_no_formulas() {
    let folder = temp();
    let lake = small_lake(folder.path());
    let csv = |more: &[&str]| {
        let args = [&["sql", HOSTILE_QUERY, "--lake", text(&lake), "--format", "csv"][..], more].concat();
        let output = bolus().args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(csv(&[]), "a,b,c,d,e,f\n'=1+1,-1,-0.5,'-2,\u{1b}[2J\u{202e},x=1\n");
    assert_eq!(csv(&["--raw"]), "a,b,c,d,e,f\n=1+1,-1,-0.5,-2,\u{1b}[2J\u{202e},x=1\n");
    let table = printed(&["sql", HOSTILE_QUERY, "--lake", text(&lake)]);
    assert!(table.contains(" \\u{1b}[2J\\u{202e} ") && table.contains(" =1+1 "), "{table}");
    let refused = bolus().args(["sql", HOSTILE_QUERY, "--lake", text(&lake), "--raw"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
}

/// What is written for programs is made safe where a person looks at it.
#[test]
fn a_terminal_gets_csv_and_paths_escaped() {
    let folder = temp();
    // A control character in the name of a lake is refused by the table's library.
    let evil = folder.path().join("lake\u{202e}");
    std::fs::rename(small_lake(folder.path()), &evil).unwrap();
    let on_a_terminal = |args: &[&str]| {
        let quoted: Vec<String> = args.iter().map(|arg| format!("'{}'", arg.replace('\'', r"'\''"))).collect();
        let command = format!("'{}' {}", env!("CARGO_BIN_EXE_bolus"), quoted.join(" "));
        // `script` gives the program a terminal.
        let output = std::process::Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
        assert!(output.status.success(), "{text}");
        assert!(!text.contains(is_obeyed), "{args:?} prints {text:?}");
        text
    };
    let csv = on_a_terminal(&["sql", HOSTILE_QUERY, "--lake", text(&evil), "--format", "csv"]);
    assert_eq!(csv, "a,b,c,d,e,f\n'=1+1,-1,-0.5,'-2,\\u{1b}[2J\\u{202e},x=1\n");
    assert!(on_a_terminal(&["lake", "files", "--lake", text(&evil)]).contains("parquet"));
}
