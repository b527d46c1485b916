//! What `inspect` digests is what `label` and `export-tensors` give to the network, in every transfer syntax.
//!
//! Each file is compared with its twin: the same header around the whole frame's values, uncompressed. `inspect` decodes whole frames, the
//! way to the network only the window that it needs.

use std::path::Path;

use bolus_ct::pixel::stored_values;
use bolus_ct::{HeaderRead, read_header};
use bolus_testkit::{SyntheticSeries, with_own_meta};
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::meta::FileMetaTableBuilder;
use dicom_object::{FileDicomObject, InMemDicomObject};

use crate::support::{Run, bolus, data, files_below, label, temp};

/// Drawn pictures are no patients, and JPEG of 8 bits leaves few values of a real one.
const ALLOW: &str = "not_hounsfield,not_a_patient";

/// It needs a window of 192 mm: less than any picture here has.
const MODEL: &str = "chest-lite";

/// What is compared of a file: its digests, what is exported of it, and its series' probability as text.
type Told = (Vec<String>, Vec<u8>, String);

fn told(file: &Path) -> Told {
    let json = |command: &mut std::process::Command| {
        let run = Run::of(&command.output().unwrap());
        assert_eq!(run.code, 0, "{}: {} {:?}", file.display(), run.stderr, run.lines);
        run
    };
    let inspected = json(bolus().args(["inspect", "--json", "--allow", ALLOW]).arg(file));
    let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap().to_owned();
    let digests = inspected.of_type("file").into_iter().map(|line| text(line, "pixel_sha256")).collect();

    let folder = temp();
    let [truth, out] = ["truth.csv", "out"].map(|name| folder.path().join(name));
    let uid = text(inspected.of_type("series")[0], "series_instance_uid");
    std::fs::write(&truth, format!("series_uid,contrast\n{uid},0\n")).unwrap();
    let mut export = bolus();
    export.arg("export-tensors").arg(file).arg("--truth").arg(truth).arg("--out").arg(&out);
    let exported = json(export.args(["--model", MODEL, "--json", "--any-body-part", "--allow", ALLOW]));
    assert_eq!(exported.count("series_exported"), 1, "{}: {:?}", file.display(), exported.lines);
    let shard = files_below(&out).into_iter().find(|path| path.extension().is_some_and(|end| end == "npy"));

    let lake = folder.path().join("lake");
    let labelled = label(&[file], &lake, &["--model", MODEL, "--allow", ALLOW]);
    assert_eq!(labelled.code, 0, "{}: {} {:?}", file.display(), labelled.stderr, labelled.lines);
    let probability = labelled.of_type("series")[0]["probability"].to_string();
    (digests, std::fs::read(shard.unwrap()).unwrap(), probability)
}

type Object = FileDicomObject<InMemDicomObject>;

fn written(object: Object, transfer_syntax: &str) -> Vec<u8> {
    let meta = FileMetaTableBuilder::new().transfer_syntax(transfer_syntax);
    let mut bytes = Vec::new();
    object.into_inner().with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    bytes
}

/// The same header around the values of whole frames, uncompressed.
fn twin(bytes: &[u8]) -> Vec<u8> {
    let HeaderRead::Instance(instance) = read_header(bytes, bytes.len() as u64).unwrap() else {
        panic!("asked for more than the whole file")
    };
    let pixels = stored_values(bytes, &instance).unwrap();
    // All encapsulated ones read alike, and dicom-object does not know each of them.
    let uid = instance.transfer_syntax_uid.as_str();
    let known = if uid.starts_with("1.2.840.10008.1.2.4.") { uids::JPEG_BASELINE8_BIT } else { uid };
    let mut object: Object = dicom_object::from_reader(with_own_meta(bytes, known).unwrap().as_slice()).unwrap();
    let cells = match pixels.dtype {
        "uint8" => DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.bytes.into())),
        "uint16" | "int16" => {
            let cells = pixels.bytes.as_chunks().0.iter().map(|cell| u16::from_le_bytes(*cell));
            DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(cells.collect()))
        }
        other => panic!("unexpected {other}"),
    };
    object.put(cells);
    written(object, uids::EXPLICIT_VR_LITTLE_ENDIAN)
}

fn compare(name: &str, file: &[u8]) {
    let folder = temp();
    let [coded, native] = ["coded.dcm", "native.dcm"].map(|end| folder.path().join(format!("{name}-{end}")));
    std::fs::write(&coded, file).unwrap();
    std::fs::write(&native, twin(file)).unwrap();
    let (one, other) = (told(&coded), told(&native));
    assert_eq!(one.0, other.0, "{name}: what is digested");
    let differing = one.1.iter().zip(&other.1).filter(|(one, other)| one != other).count();
    assert!(one.1.len() == other.1.len() && differing == 0, "{name}: {differing} bytes of what is exported differ");
    // A picture that says something: more than one value, neither black nor white alone.
    let values: std::collections::BTreeSet<&[u8]> = one.1[128..].chunks(2).collect();
    assert!(values.len() > 100, "{name}: {} values", values.len());
    assert_eq!(one.2, other.2, "{name}: the label's probability");
}

#[test]
fn a_real_slice_in_each_transfer_syntax_is_labelled_from_what_is_digested() {
    let files = files_below(&data().join("transfer-syntaxes/ctimage"));
    assert_eq!(files.len(), 16);
    for file in files {
        compare(file.file_name().unwrap().to_str().unwrap(), &std::fs::read(&file).unwrap());
    }
}

#[test]
fn pictures_in_high_throughput_jpeg_2000_jpeg_xl_and_jpeg_2000_are_labelled_from_what_is_digested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ct/tests/vectors");
    let mut compared = 0;
    for path in files_below(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let lossy = name.contains("lossy");
        let syntax = match path.extension().unwrap().to_str().unwrap() {
            "jph" if lossy => "1.2.840.10008.1.2.4.203",
            "jph" => "1.2.840.10008.1.2.4.201",
            "jxl" if lossy => "1.2.840.10008.1.2.4.112",
            "jxl" => "1.2.840.10008.1.2.4.110",
            "j2k" if lossy => uids::JPEG2000,
            "j2k" => uids::JPEG2000_LOSSLESS,
            _ => continue,
        };
        compare(name, &picture(name, syntax, std::fs::read(&path).unwrap()));
        compared += 1;
    }
    assert!(compared >= 30, "{compared}");
}

/// A slice around a coded picture, whose name tells rows, columns, bits and sign. Its values reach from −200 to 200 HU.
fn picture(name: &str, syntax: &str, coded: Vec<u8>) -> Vec<u8> {
    let number = |text: &str| text.parse::<u16>().unwrap();
    let mut parts = name.split(['x', '-', '.']);
    let [rows, columns] = [0; 2].map(|_| number(parts.next().unwrap()));
    let depth = parts.next().unwrap();
    let (bits, signed) = (number(depth.trim_end_matches('s')), depth.ends_with('s'));
    let slope = 400.0 / f64::from((1_u32 << bits) - 1);
    let intercept = if signed { 0.0 } else { -200.0 };
    let spacing = 230.0 / f64::from(rows.min(columns));

    let slice = SyntheticSeries::chest("1.2.3", 1).file(0);
    let mut object: Object = dicom_object::from_reader(slice.as_slice()).unwrap();
    let text = |tag: Tag, value: String| DataElement::new(tag, VR::DS, PrimitiveValue::from(value));
    for (tag, value) in [
        (tags::ROWS, rows),
        (tags::COLUMNS, columns),
        (tags::BITS_ALLOCATED, if bits > 8 { 16 } else { 8 }),
        (tags::BITS_STORED, bits),
        (tags::HIGH_BIT, bits - 1),
        (tags::PIXEL_REPRESENTATION, signed.into()),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    object.put(text(tags::RESCALE_SLOPE, format!("{slope:.10}")));
    object.put(text(tags::RESCALE_INTERCEPT, intercept.to_string()));
    object.put(text(tags::PIXEL_SPACING, format!("{spacing:.6}\\{spacing:.6}")));
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PixelFragmentSequence::new(Vec::<u32>::new(), vec![coded])));
    written(object, syntax)
}
