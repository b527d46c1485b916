//! `bolus model`: bundles made, listed, checked and fetched.

use std::path::{Path, PathBuf};

use bolus_testkit::SyntheticSeries;

use crate::s3::Server;
use crate::support::{Run, bolus, data, files_below, label, temp};

fn bundles() -> PathBuf {
    data().join("bundles")
}

/// Runs `bolus model ARGS` where the user's own folder is `home`.
fn model(home: &Path, args: &[&str]) -> Run {
    Run::of(&bolus().arg("model").args(args).env("XDG_DATA_HOME", home).current_dir(home).output().unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in files_below(from) {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Names in a folder: a bundle appears whole or not at all, and nothing else is left behind.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The manifest of `cheap-int8` as a draft of the name `packed`, without what is made from the network.
fn draft(folder: &Path) -> PathBuf {
    let manifest = std::fs::read_to_string(bundles().join("cheap-int8/bundle.toml")).unwrap();
    let made = ["sha256", "slices", "expected"].map(|key| format!("{key} = "));
    let kept = manifest.lines().filter(|line| !made.iter().any(|key| line.starts_with(key)));
    let path = folder.join("draft.toml");
    let text = kept.collect::<Vec<_>>().join("\n").replace("cheap-int8", "packed");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_packed_bundle_holds_is_shown_and_labels_a_series() {
    let folder = temp();
    let home = folder.path();
    let (draft, out) = (draft(home), home.join("made/packed"));
    let source = bundles().join("cheap-int8");
    let [network, reference, card] = ["model.onnx", "reference.u8", "card.md"].map(|file| source.join(file));
    let pack = |network: &Path, out: &Path, more: &[&str]| {
        let mut args = vec!["pack", "--json", "--network", text(network), "--manifest", text(&draft)];
        args.extend(["--reference", text(&reference), "--card", text(&card), "--out", text(out)]);
        model(home, &[&args, more].concat())
    };
    let packed = pack(&network, &out, &[]);
    assert_eq!(packed.code, 0, "{}", packed.stderr);
    assert_eq!(packed.lines[0]["type"], "packed");
    assert_eq!(names(&out), ["bundle.toml", "card.md", "model.onnx", "reference.u8"]);
    assert_eq!(names(&home.join("made")), ["packed"]);

    let verified = model(home, &["verify", "--json", text(&out)]);
    assert_eq!((verified.code, &verified.lines[0]["holds"]), (0, &true.into()), "{}", verified.stderr);
    assert_eq!(verified.lines[0]["deviation"], 0.0);
    assert_eq!(verified.lines[0]["digest"], packed.lines[0]["digest"]);
    let shown = model(home, &["show", "--json", "packed", "--models", text(&home.join("made"))]);
    assert_eq!(shown.lines[0]["manifest"]["network"]["precision"], "int8", "{}", shown.stderr);
    assert!(shown.lines[0]["weights"].as_u64().unwrap() >= 1024);

    let series = home.join("series");
    SyntheticSeries::tiny("1.2.3", 1).write(&series);
    let labelled = label(&[&series], &home.join("lake"), &["--model", text(&out)]);
    assert_eq!(labelled.count("series_labelled"), 1, "{}", labelled.stderr);

    let again = pack(&network, &out, &[]);
    assert!(again.code == 1 && again.stderr.contains("--force"), "{}", again.stderr);
    let replaced = pack(&network, &out, &["--force"]);
    assert_eq!(replaced.lines[0]["digest"], packed.lines[0]["digest"], "{}", replaced.stderr);
    let other_name = pack(&network, &home.join("made/other"), &[]);
    assert!(other_name.stderr.contains(r#"expected a folder called "packed""#), "{}", other_name.stderr);
    let dynamic = pack(&bundles().join("cheap-dynamic.onnx"), &out, &["--force"]);
    assert!(dynamic.code == 1 && dynamic.stderr.contains("in a batch"), "{}", dynamic.stderr);
    assert_eq!(names(&home.join("made")), ["packed"]);
}

#[test]
fn nothing_is_written_among_the_bundles_that_come_with_the_program() {
    let folder = temp();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let before = names(&own);
    let pulled = model(folder.path(), &["pull", text(&bundles().join("cheap")), "--to", text(&own)]);
    assert!(pulled.code == 1 && pulled.stderr.contains("come with the program"), "{}", pulled.stderr);
    // By another way to the same folder too.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&own, &link).unwrap();
    let pulled = model(folder.path(), &["pull", text(&bundles().join("cheap")), "--to", text(&link)]);
    assert!(pulled.code == 1 && pulled.stderr.contains("come with the program"), "{}", pulled.stderr);
    assert_eq!(names(&own), before);
}

#[test]
fn bundles_are_listed_and_what_was_tampered_with_is_told() {
    let folder = temp();
    let models = folder.path().join("bolus/models");
    for name in ["cheap", "cheap-int8"] {
        copy(&bundles().join(name), &models.join(name));
    }
    std::fs::create_dir(models.join("no-bundle")).unwrap();
    let listed = model(folder.path(), &["list", "--json", text(&models)]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let field = |run: &Run, name: &str| -> Vec<String> {
        run.lines.iter().map(|line| line[name].to_string().trim_matches('"').to_owned()).collect()
    };
    assert_eq!(field(&listed, "name"), ["cheap", "cheap-int8"]);
    assert_eq!(field(&listed, "precision"), ["float32", "int8"]);
    assert_eq!(field(&listed, "calibrated"), ["false", "false"]);
    let bytes: u64 = files_below(&models.join("cheap")).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(listed.lines[0]["bytes"], bytes);
    // The user's own folder is one of the model folders.
    assert!(field(&model(folder.path(), &["list", "--json"]), "name").contains(&"cheap-int8".to_owned()));

    let both = ["verify", "--json", "--models", text(&models), "cheap", "cheap-int8"];
    assert_eq!(model(folder.path(), &both).code, 0);
    let mut network = std::fs::read(models.join("cheap/model.onnx")).unwrap();
    network[2000] ^= 1;
    std::fs::write(models.join("cheap/model.onnx"), network).unwrap();
    std::fs::write(models.join("cheap-int8/reference.u8"), vec![128; 3 * 32 * 32]).unwrap();
    let verified = model(folder.path(), &both);
    assert_eq!((verified.code, field(&verified, "holds")), (3, vec!["false".to_owned(), "false".to_owned()]));
    assert!(verified.lines[0]["problem"].as_str().unwrap().contains("sha256"), "{}", verified.lines[0]);
    assert!(verified.lines[1]["problem"].as_str().unwrap().contains("reference input"), "{}", verified.lines[1]);
    let nowhere = model(folder.path(), &["verify", "no-such-bundle"]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("looked in"), "{}", nowhere.stderr);
}

#[test]
fn a_bundle_is_pulled_whole_or_not_at_all() {
    let folder = temp();
    let models = folder.path().join("bolus/models");
    let source = folder.path().join("source");
    copy(&bundles().join("cheap"), &source);
    let pull = |more: &[&str]| model(folder.path(), &[&["pull", "--json", text(&source)], more].concat());
    let pulled = pull(&[]);
    assert_eq!((pulled.code, &pulled.lines[0]["fetched"]), (0, &true.into()), "{}", pulled.stderr);
    assert_eq!(names(&models), ["cheap"]);
    for path in files_below(&source) {
        let copied = models.join("cheap").join(path.file_name().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(copied).unwrap());
    }
    let again = pull(&[]);
    assert_eq!((again.code, &again.lines[0]["fetched"]), (0, &false.into()), "{}", again.stderr);

    // What came down damaged does not appear, also not over what was there.
    let manifest = std::fs::read_to_string(source.join("bundle.toml")).unwrap();
    std::fs::write(source.join("bundle.toml"), manifest.replace("0.1.0", "0.2.0")).unwrap();
    let network = std::fs::read(source.join("model.onnx")).unwrap();
    std::fs::write(source.join("model.onnx"), &network[..3000]).unwrap();
    let other = pull(&[]);
    assert!(other.code == 1 && other.stderr.contains("--force"), "{}", other.stderr);
    let damaged = pull(&["--force"]);
    assert!(damaged.code == 1 && damaged.stderr.contains("sha256"), "{}", damaged.stderr);
    assert_eq!(names(&models), ["cheap"]);
    assert!(std::fs::read_to_string(models.join("cheap/bundle.toml")).unwrap().contains("0.1.0"));

    std::fs::write(source.join("model.onnx"), network).unwrap();
    let forced = pull(&["--force"]);
    assert_eq!((forced.code, &forced.lines[0]["version"]), (0, &"0.2.0".into()), "{}", forced.stderr);
    assert_eq!(names(&models), ["cheap"]);
    // The same manifest beside a damaged network is fetched anew.
    std::fs::write(models.join("cheap/model.onnx"), b"damaged").unwrap();
    assert_eq!(pull(&[]).lines[0]["fetched"], true);
    assert_eq!(model(folder.path(), &["verify", "--json", "cheap"]).code, 0);

    let many = model(folder.path(), &["pull", text(&bundles())]);
    assert!(many.code == 1 && many.stderr.contains("pull one of"), "{}", many.stderr);
    let none = model(folder.path(), &["pull", text(&folder.path().join("bolus"))]);
    assert!(none.code == 1 && none.stderr.contains("expected bundle.toml"), "{}", none.stderr);
}

#[tokio::test]
async fn bundles_are_listed_in_and_pulled_from_a_bucket() {
    let Some(server) = Server::find() else { return };
    let folder = temp();
    let prefix = format!("end-to-end-models-{}", std::process::id());
    for name in ["cheap", "cheap-int8"] {
        server.upload(&bundles().join(name), &format!("{prefix}/my models/{name}")).await;
    }
    let root = format!("s3://{}/{prefix}/my models", server.bucket());
    let listed = server.bolus(&["model", "list", "--json", &root]);
    assert_eq!((listed.code, listed.lines.len()), (0, 2), "{}", listed.stderr);
    assert_eq!(listed.lines[1]["place"], format!("{root}/cheap-int8"));
    let mut pull = bolus();
    pull.args(["model", "pull", "--json", &format!("{root}/cheap-int8"), "--to"]).arg(folder.path());
    let pulled = server.run(pull);
    assert_eq!((pulled.code, &pulled.lines[0]["digest"]), (0, &listed.lines[1]["digest"]), "{}", pulled.stderr);
    assert_eq!(names(folder.path()), ["cheap-int8"]);
    let verified = model(folder.path(), &["verify", "--json", text(&folder.path().join("cheap-int8"))]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}
