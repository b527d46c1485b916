//! `bolus export-tensors`: what training reads is what labelling gives to the network. `bolus explain`: what the network reads in it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use half::f16;

use crate::support::{Run, bolus, data, files_below, temp};

const CHEST: &str = "chest-noncontrast-every10th";
const ABDOMEN: &str = "totalsegmentator-abdomen-contrast";
/// A bundle that covers the abdomen.
const MODEL: &str = "chest-lite";

/// Series UIDs of the two real series, by folder; the program derives the one that its files lack.
fn uids() -> BTreeMap<&'static str, String> {
    let uid_of = |name: &'static str| {
        let output = bolus().arg("inspect").arg(data().join("series").join(name)).arg("--json").output().unwrap();
        (name, Run::of(&output).of_type("series")[0]["series_instance_uid"].as_str().unwrap().to_owned())
    };
    [CHEST, ABDOMEN].into_iter().map(uid_of).collect()
}

fn export(inputs: &[&Path], truth: &Path, out: &Path, more: &[&str]) -> Run {
    let mut command = bolus();
    command.arg("export-tensors").args(inputs).arg("--truth").arg(truth).arg("--out").arg(out).arg("--json").args(more);
    Run::of(&command.output().unwrap())
}

/// The values of all shards, one after the other.
fn values(out: &Path) -> Vec<f32> {
    let shards = files_below(out).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "npy"));
    let values = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes[128..].as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect::<Vec<_>>()
    };
    shards.flat_map(values).collect()
}

fn golden(name: &str) -> Vec<f32> {
    let file = std::fs::File::open(data().join("../golden").join(format!("{name}.u16.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes.as_chunks::<2>().0.iter().map(|pair| f32::from(u16::from_le_bytes(*pair)) / 65535.0).collect()
}

/// The preprocessing of the golden tensors, as a file.
fn spec(folder: &Path) -> PathBuf {
    let path = folder.join("published.toml");
    let text = "body_parts = [\"chest\"]\n[preprocessing]\nspacing_mm = [3.0, 1.0, 1.0]\nalignment = \"centre\"\n\
        crop = [140, 192, 192]\nkept_slices = [50, 119]\nshort_series = \"slide\"\nfill_hu = -1024.0\nfloor_hu = -1024.0\n\
        ceiling_hu = 700.0\nabove_ceiling_hu = 0.0\nclip_hu = [-200.0, 200.0]\nscale = \"min-max\"\n\
        gantry_tilt = \"shear-back\"\naxial_tolerance_deg = 20.0\nmin_slices = 8\nmax_slice_spacing_mm = 12.5\n\
        allow_derived = false\n";
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn exported_tensors_are_the_golden_ones_whatever_the_threads() {
    let folder = temp();
    let uids = uids();
    let truth = folder.path().join("truth.csv");
    let text = format!(
        "series_uid,contrast,patient,split\n{},native,p1,train\n{},yes,p2,test\n1.2.3,1,p3,test\n1.2.4,,p4,\n",
        uids[CHEST], uids[ABDOMEN]
    );
    std::fs::write(&truth, text).unwrap();
    let spec = spec(folder.path());
    let (series, spec) = (data().join("series"), spec.to_str().unwrap());
    let runs = [("1", "one"), ("2", "two")].map(|(threads, name)| {
        let out = folder.path().join(name);
        let more = ["--spec", spec, "--any-body-part", "--threads", threads, "--shard-slices", "32"];
        let run = export(&[&series], &truth, &out, &more);
        // One series of the labelled set is not there.
        assert_eq!(run.code, 3, "{}", run.stderr);
        (run, out)
    });
    let (run, out) = &runs[0];
    for (field, expected) in
        [("series_exported", 2), ("series_enhanced", 1), ("truth_not_found", 1), ("truth_unknown", 1)]
    {
        assert_eq!(run.count(field), expected, "{field}");
    }
    let bytes = |out: &Path| {
        let of = |path: PathBuf| (path.strip_prefix(out).unwrap().to_owned(), std::fs::read(&path).unwrap());
        files_below(out).into_iter().map(of).collect::<BTreeMap<_, _>>()
    };
    assert!(bytes(out) == bytes(&runs[1].1), "the number of threads changes the files");

    // Series come in the order of their UIDs.
    let mut named: Vec<(&String, &str)> = uids.iter().map(|(name, uid)| (uid, *name)).collect();
    named.sort();
    let expected: Vec<f32> = named.iter().flat_map(|(_, name)| golden(name)).collect();
    let found = values(out);
    assert_eq!(found.len(), expected.len());
    // The preprocessing's tolerance, and half a step of float16 below 1.
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-4 + 2.5e-4, "largest difference {worst}");
    index_and_statement(out, run, &named);
    numpy_reads(out, run.count("slices"));
}

/// Every slice stands in the index, with what the labelled set says of its series.
fn index_and_statement(out: &Path, run: &Run, named: &[(&String, &str)]) {
    let mut index = csv::Reader::from_path(out.join("index.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = index.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, run.count("slices"));
    assert_eq!(rows[33]["shard"].as_str(), "1");
    assert_eq!(rows[33]["row"].as_str(), "1");
    for (uid, name) in named {
        let row = rows.iter().find(|row| row["series_uid"] == **uid).unwrap();
        let expected = if *name == CHEST { ("0", "p1", "train", "chest") } else { ("1", "p2", "test", "abdomen") };
        assert_eq!(
            (row["contrast"].as_str(), row["patient"].as_str(), row["split"].as_str(), row["body_part"].as_str()),
            expected
        );
        let json = std::fs::read(data().join(format!("../golden/{name}.json"))).unwrap();
        let golden: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let z_mm: f64 = row["z_mm"].parse().unwrap();
        assert!((z_mm - golden["positions_mm"][0].as_f64().unwrap()).abs() < 1e-6);
    }
    let statement: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("export.json")).unwrap()).unwrap();
    assert_eq!(statement["slices"].as_u64().unwrap(), run.count("slices"));
    assert_eq!(statement["shards"][0]["slices"], 32);
    assert_eq!(statement["not_found"][0], "1.2.3");
    assert_eq!(statement["bundle"]["name"], "published");
}

fn numpy_reads(out: &Path, slices: u64) {
    let Some(python) = bolus_testkit::servers::python(&["numpy"]) else { return };
    let script = "import glob, sys, numpy\n\
        shards = [numpy.load(path, mmap_mode='r') for path in sorted(glob.glob(sys.argv[1] + '/shard-*.npy'))]\n\
        print({shard.dtype.str for shard in shards}, {shard.shape[1:] for shard in shards}, sum(map(len, shards)))";
    let output = Command::new(python).args(["-c", script]).arg(out).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), format!("{{'<f2'}} {{(192, 192)}} {slices}"));
}

#[test]
fn a_part_that_the_bundle_does_not_cover_is_refused_and_a_finished_export_is_kept() {
    let folder = temp();
    let truth = folder.path().join("truth.csv");
    std::fs::write(&truth, format!("series_uid,contrast\n{},1\n", uids()[ABDOMEN])).unwrap();
    let spec = spec(folder.path());
    let (series, out) = (data().join("series"), folder.path().join("out"));
    let run = export(&[&series], &truth, &out, &["--spec", spec.to_str().unwrap()]);
    assert_eq!((run.code, run.count("series_exported"), run.count("series_not_in_truth")), (1, 0, 1), "{}", run.stderr);
    assert_eq!(run.of_type("refused_series")[0]["code"], "body_part");
    let again = |more: &[&str]| export(&[&series], &truth, &out, &[&["--model", MODEL], more].concat());
    let kept = again(&[]);
    assert_eq!(kept.code, 1);
    assert!(kept.stderr.contains("--force"), "{}", kept.stderr);
    let forced = again(&["--force"]);
    assert_eq!((forced.code, forced.count("series_exported")), (0, 1), "{}", forced.stderr);
}

#[test]
fn an_explanation_has_a_picture_and_a_map_a_slice() {
    let folder = temp();
    let out = folder.path().join("out");
    let run = |out: &Path, stride: &str, more: &[&str]| {
        let mut command = bolus();
        command.arg("explain").arg(data().join("series")).arg("--out").arg(out).args(["--json", "--device", "cpu"]);
        command.args(["--slices", "1", "--patch-mm", "64", "--stride-mm", stride]).args(more);
        Run::of(&command.output().unwrap())
    };
    let uid = uids().remove(ABDOMEN).unwrap();
    let first = run(&out, "64", &["--series", &uid, "--model", MODEL, "--threads", "2"]);
    assert_eq!((first.code, first.count("series_explained")), (0, 1), "{}", first.stderr);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("explain.json")).unwrap()).unwrap();
    let series = &report["series"][0];
    assert_eq!(series["series_uid"], uid);
    assert_eq!(series["predicted_class"], "enhanced");
    let slices = series["slices"].as_array().unwrap();
    assert_eq!(series["slices"].as_array().unwrap().len(), 3);
    let probability = |slice: &serde_json::Value| slice["probability"].as_f64().unwrap();
    let of = |chosen: &str| slices.iter().find(|slice| slice["chosen"] == chosen).unwrap();
    assert!(probability(of("highest")) > probability(of("lowest")));
    // 192 pixels by 64: three by three patches, whose effects the map holds at their centres.
    assert_eq!(series["grid_rows"], serde_json::json!([31.5, 95.5, 159.5]));
    let bytes = std::fs::read(out.join(series["maps"].as_str().unwrap())).unwrap();
    assert_eq!(bytes.len(), 128 + 3 * 192 * 192 * 2);
    for (number, slice) in slices.iter().enumerate() {
        let drops = slice["drops"].as_array().unwrap();
        assert!(drops.len() == 3 && drops.iter().all(|line| line.as_array().unwrap().len() == 3));
        // Centres lie between two pixels: the map is as high there, but for one stride's slope over half a pixel.
        let place = 128 + 2 * ((number * 192 + 95) * 192 + 95);
        let middle = f16::from_le_bytes([bytes[place], bytes[place + 1]]).to_f64();
        let effects = drops.iter().flat_map(|line| line.as_array().unwrap()).map(|drop| drop.as_f64().unwrap_or(0.0));
        let slope = effects.fold(0.0, |most: f64, drop| most.max(drop.abs())) * 4.0 / 64.0;
        assert!((middle - drops[1][1].as_f64().unwrap()).abs() <= slope + 0.01);
        let picture = std::fs::read(out.join(slice["picture"].as_str().unwrap())).unwrap();
        assert_eq!(&picture[1..4], b"PNG");
    }
    assert!(out.join(series["montage"].as_str().unwrap()).is_file());
    // The maps do not depend on the threads.
    let again = folder.path().join("again");
    assert_eq!(run(&again, "64", &["--series", &uid, "--model", MODEL, "--threads", "1"]).code, 0);
    assert!(std::fs::read(again.join(series["maps"].as_str().unwrap())).unwrap() == bytes);

    assert_eq!(run(&again, "64", &["--series", "1.2.3", "--model", MODEL]).code, 1);
    let gaps = run(&again, "65", &["--model", MODEL]);
    assert!(gaps.code == 1 && gaps.stderr.contains("leaves gaps"), "{}", gaps.stderr);
}
