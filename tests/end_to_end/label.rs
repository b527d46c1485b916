//! The main path on the real series.

use std::process::Command;

use crate::support::{abdomen, bolus, chest, data, edited_bundle, files_below, label, sql, temp};

#[test]
fn real_series_get_the_right_class_once_and_sql_and_duckdb_agree() {
    let folder = temp();
    let lake = folder.path().join("lake");
    let sheets = folder.path().join("sheets");
    let first = label(&[&data().join("series")], &lake, &["--sheets", sheets.to_str().unwrap()]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    first.assert_accounted();
    assert_eq!(first.count("files_seen"), 48);
    assert_eq!(first.count("files_used"), 48);
    let class_of = |part: &str| {
        let line = first.of_type("series").into_iter().find(|line| line["source_uri"].as_str().unwrap().contains(part));
        line.unwrap()["predicted_class"].as_str().unwrap().to_owned()
    };
    assert_eq!(class_of("chest-noncontrast"), "native");
    assert_eq!(class_of("totalsegmentator"), "enhanced");
    // Two sheets and the overview.
    assert_eq!(files_below(&sheets).len(), 3);

    let second = label(&[&data().join("series")], &lake, &[]);
    assert_eq!((second.code, second.count("series_labelled"), second.count("series_skipped")), (0, 0, 2));
    second.assert_accounted();

    let classes = sql(&lake, "SELECT predicted_class, count(*) AS n FROM series_labels GROUP BY 1 ORDER BY 1");
    assert_eq!(classes.len(), 2);
    assert!(classes.iter().all(|row| row["n"] == 1), "{classes:?}");
    let scores =
        sql(&lake, "SELECT count(*) AS n, min(probability) AS low, max(probability) AS high FROM slice_scores");
    duckdb_agrees(&lake, scores[0]["n"].as_u64().unwrap());
}

/// DuckDB over `bolus lake files` finds the same rows and slices.
fn duckdb_agrees(lake: &std::path::Path, slices: u64) {
    let Some(python) = bolus_testkit::servers::python(&["duckdb"]) else { return };
    let files = bolus().args(["lake", "files", "--lake"]).arg(lake).output().unwrap();
    assert!(files.status.success());
    let script = "import duckdb, sys\n\
        files = sys.stdin.read().split('\\n')[:-1]\n\
        print(*duckdb.sql('SELECT count(*), count(DISTINCT row_key), sum(len(slices)) FROM read_parquet($f)', params={'f': files}).fetchall()[0])";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &files.stdout).unwrap();
    let answer = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(answer.trim(), format!("2 2 {slices}"));
}

#[test]
fn every_file_of_a_mixed_folder_is_accounted_for() {
    let folder = temp();
    let lake = folder.path().join("lake");
    let run = label(&[&data()], &lake, &[]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    run.assert_accounted();
    assert_eq!(run.count("files_seen"), files_below(&data()).len() as u64);
    for reason in ["not_dicom", "modality", "localizer", "truncated", "not_axial"] {
        assert!(run.summary()["files_refused"][reason].as_u64().unwrap_or(0) > 0, "{reason}: {}", run.summary());
    }
    // Refused series and unreadable files are rows with reasons; nothing is there twice.
    let keys = sql(&lake, "SELECT count(*) AS n, count(DISTINCT row_key) AS keys FROM labels");
    assert_eq!(keys[0]["n"], keys[0]["keys"]);
    let failures = sql(&lake, "SELECT count(*) AS n FROM failures WHERE reason_code IS NULL");
    assert_eq!(failures[0]["n"], 0);
    let again = label(&[&data()], &lake, &[]);
    assert_eq!(again.summary()["files_refused"], run.summary()["files_refused"]);
    assert_eq!(again.count("series_labelled"), 0);
    assert_eq!(sql(&lake, "SELECT count(*) AS n FROM labels")[0]["n"], keys[0]["n"]);
}

#[test]
fn shuffled_names_and_duplicates_change_nothing_but_the_count() {
    let folder = temp();
    let mixed = folder.path().join("in/put with space/ü%41");
    std::fs::create_dir_all(&mixed).unwrap();
    for (index, path) in files_below(&abdomen()).iter().enumerate() {
        // Names run against the slices, without an extension.
        std::fs::copy(path, mixed.join(format!("IM{:03}", 500 - index * 7))).unwrap();
        if index < 3 {
            std::fs::copy(path, mixed.join(format!("copy {index}"))).unwrap();
        }
    }
    std::fs::write(mixed.join("empty.dcm"), b"").unwrap();
    std::fs::write(mixed.join("notes.txt"), b"read me").unwrap();
    // The lake lies inside the input: its own files are not looked at, now or later.
    let lake = folder.path().join("in/lake");
    let run = label(&[&folder.path().join("in")], &lake, &[]);
    run.assert_accounted();
    assert_eq!(run.code, 3);
    assert_eq!(label(&[&folder.path().join("in")], &lake, &[]).count("files_seen"), run.count("files_seen"));
    let refused = &run.summary()["files_refused"];
    assert_eq!(
        (&refused["duplicate_instance"], &refused["empty_file"], &refused["not_dicom"]),
        (&3.into(), &1.into(), &1.into())
    );
    let plain = label(&[&abdomen()], &folder.path().join("plain"), &[]);
    assert_eq!(run.of_type("series")[0]["probability"], plain.of_type("series")[0]["probability"]);
}

#[test]
fn a_label_has_the_same_bits_alone_and_in_company() {
    let folder = temp();
    let scores = |lake: &str| {
        sql(
            &folder.path().join(lake),
            "SELECT sop_instance_uid, z_mm, probability FROM slice_scores ORDER BY sop_instance_uid, z_mm",
        )
    };
    for (lake, input, more) in [
        ("alone-abdomen", abdomen(), ["--batch", "16", "--threads", "2"]),
        ("alone-chest", chest(), ["--batch", "7", "--threads", "1"]),
        ("together", data().join("series"), ["--batch", "32", "--threads", "2"]),
    ] {
        assert_eq!(label(&[&input], &folder.path().join(lake), &more).code, 0);
    }
    let mut alone = scores("alone-abdomen");
    alone.extend(scores("alone-chest"));
    let mut together = scores("together");
    let by_name = |row: &serde_json::Value| (row["sop_instance_uid"].to_string(), row["z_mm"].to_string());
    alone.sort_by_key(by_name);
    together.sort_by_key(by_name);
    assert!(alone.len() > 40, "{} scores", alone.len());
    assert_eq!(alone, together);
}

#[test]
fn devices_bundles_and_inputs_that_are_not_there_end_with_a_clear_error() {
    let folder = temp();
    let fail = |args: &[&str]| {
        let output = bolus().arg("label").args(args).arg("--lake").arg(folder.path().join("lake")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let chest = chest().display().to_string();
    if !std::path::Path::new("/dev/nvidia0").exists() {
        assert!(fail(&[&chest, "--device", "cuda"]).contains("libcuda.so.1"));
    }
    assert!(fail(&[&chest, "--model", "nonesuch"]).contains("no bundle \"nonesuch\""));
    assert!(fail(&["/nonesuch"]).contains("/nonesuch"));
    let odd = bolus().arg("label").arg(&chest).arg("--lake").arg(folder.path().join("a%41")).output().unwrap();
    assert!(String::from_utf8(odd.stderr).unwrap().contains("percent sign"));
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(fail(&[empty.to_str().unwrap()]).contains("no files found"));
}

#[test]
fn a_bundle_that_was_changed_is_refused() {
    let folder = temp();
    let bundle = folder.path().join("chest-lite");
    edited_bundle(&data().join("../../models/chest-lite"), &bundle, |text| text);
    let refused = |what: &str| {
        let run = bolus()
            .arg("label")
            .arg(chest())
            .arg("--model")
            .arg(&bundle)
            .arg("--lake")
            .arg(folder.path().join("lake"))
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(1));
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert!(stderr.contains(what), "{stderr}");
    };
    let manifest = std::fs::read_to_string(bundle.join("bundle.toml")).unwrap();
    let reference = std::fs::read(bundle.join("reference.u8")).unwrap();
    std::fs::write(bundle.join("reference.u8"), vec![128; reference.len()]).unwrap();
    refused("for the reference input");
    std::fs::write(bundle.join("reference.u8"), reference).unwrap();
    std::fs::write(bundle.join("bundle.toml"), manifest.replace("[decision]", "[decision]\nsurprise = 1")).unwrap();
    refused("surprise");
    std::fs::write(bundle.join("bundle.toml"), manifest).unwrap();
    let mut network = std::fs::read(bundle.join("model.onnx")).unwrap();
    let middle = network.len() / 2;
    network[middle] ^= 1;
    std::fs::write(bundle.join("model.onnx"), network).unwrap();
    refused("sha256");
}

/// ONNX Runtime reports to its maker where nobody forbids it, and keeps an identifier and what it could not send in the user's folders.
#[test]
fn nothing_is_left_in_the_users_folders_and_nothing_reported() {
    let folder = temp();
    let [home, scratch] = ["home", "scratch"].map(|name| folder.path().join(name));
    // Looked for where the program does, since HOME is another one below.
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
    let cache = cache.unwrap_or_else(|| std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    let libraries = files_below(&cache.join("bolus/onnxruntime"));
    let library = libraries.iter().find(|path| path.ends_with("libonnxruntime.so")).unwrap();
    for path in [&home, &scratch] {
        std::fs::create_dir(path).unwrap();
    }
    let mut command = bolus();
    command.arg("label").arg(abdomen()).arg("--lake").arg(folder.path().join("lake")).args(["--device", "cpu"]);
    // Services that build and test are excused from reporting: that would hide it.
    for name in ["CI", "TF_BUILD", "GITHUB_ACTIONS", "XDG_CACHE_HOME"] {
        command.env_remove(name);
    }
    let output = command.env("HOME", &home).env("TMPDIR", &scratch).env("ORT_DYLIB_PATH", library).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!([files_below(&home), files_below(&scratch)], [Vec::<std::path::PathBuf>::new(), Vec::new()]);
}
