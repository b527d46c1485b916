//! What others lay in our way: spool folders that the dead leave, names that are no buckets, pipes, links, networks without end.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bolus_testkit::SyntheticSeries;
use zip::write::SimpleFileOptions;

use crate::support::{Run, bolus, data, edited_bundle, label, program, temp};

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Spool folders in `folder`.
fn spools(folder: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("bolus-spool-")).collect()
}

/// An archive of so many files that what is told of them fills a pipe that nobody reads.
fn archive(folder: &Path) -> PathBuf {
    let path = folder.join("study.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for index in 0..8 {
        archive.start_file(format!("{index}.dcm"), SimpleFileOptions::default()).unwrap();
        archive.write_all(&SyntheticSeries::tiny("1.2.3", 1).file(index)).unwrap();
    }
    for index in 0..2_000 {
        archive.start_file(format!("no-image-{index}-{}", "x".repeat(100)), SimpleFileOptions::default()).unwrap();
    }
    archive.finish().unwrap();
    path
}

/// A run that has an archive spooled below `spool`, and keeps it there: it waits for somebody to read on.
fn spooling(archive: &Path, spool: &Path) -> Child {
    let mut child = program()
        .args(["inspect", "--json"])
        .arg(archive)
        .env("TMPDIR", spool)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::with_capacity(1, child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with('{'), "{line}");
    child.stdout = Some(output.into_inner());
    child
}

#[test]
fn a_killed_run_leaves_its_spool_to_the_next_one_and_a_live_one_keeps_its_own() {
    let (folder, spool) = (temp(), temp());
    let archive = archive(folder.path());
    let [mut killed, mut alive] = [spooling(&archive, spool.path()), spooling(&archive, spool.path())];
    let held = spools(spool.path());
    assert_eq!(held.len(), 2);
    for path in &held {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path), 0o700);
        let files: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 2_000 && files.iter().all(|file| mode(file) == 0o600));
    }
    let another =
        || Run::of(&bolus().args(["inspect", "--json"]).arg(&archive).env("TMPDIR", spool.path()).output().unwrap());
    another();
    assert_eq!(spools(spool.path()).len(), 2, "what lives was removed");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(spools(spool.path()).len(), 2);
    another();
    assert_eq!(spools(spool.path()).len(), 1, "what a killed run left stays");
    alive.kill().unwrap();
    alive.wait().unwrap();
    another();
    assert!(spools(spool.path()).is_empty());
}

#[test]
fn a_name_that_is_no_buckets_reaches_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let inspect = |input: &str| {
        let mut command = program();
        command
            .args(["inspect", "--json", input])
            .env("AWS_ENDPOINT_URL", format!("http://{}", listener.local_addr().unwrap()));
        command.envs([
            ("AWS_REGION", "x"),
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        command
    };
    for bucket in ["a#b", "a?b", "a@b", "..", "a..b", "A", "10.0.0.1", "a\nb", "a%2fb", "-a"] {
        let run = inspect(&format!("s3://{bucket}/x")).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.code() == Some(1) && said.contains("expected a bucket"), "{bucket:?}: {said}");
    }
    for key in ["/x", "a/../x", "a//x"] {
        assert_eq!(inspect(&format!("s3://bucket/{key}")).output().unwrap().status.code(), Some(1), "{key}");
    }
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    // The listener is where requests would have come.
    listener.set_nonblocking(false).unwrap();
    let mut asking = inspect("s3://bucket/x").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (sender, asked) = std::sync::mpsc::channel();
    let waiting = listener.try_clone().unwrap();
    std::thread::spawn(move || sender.send(waiting.accept().is_ok()));
    assert!(asked.recv_timeout(Duration::from_secs(60)).expect("a request in time"));
    asking.kill().unwrap();
    asking.wait().unwrap();
}

#[test]
fn pipes_and_links_in_a_folder_cost_themselves_alone() {
    let (folder, elsewhere, out) = (temp(), temp(), temp());
    SyntheticSeries::tiny("1.2.3", 1).write(folder.path());
    SyntheticSeries::tiny("1.2.4", 2).write(elsewhere.path());
    make_pipe(&folder.path().join("slice.dcm"));
    make_pipe(&folder.path().join("study.zip"));
    symlink("/dev/zero", folder.path().join("zero.dcm")).unwrap();
    symlink("/", folder.path().join("root")).unwrap();
    symlink(elsewhere.path(), folder.path().join("elsewhere")).unwrap();
    symlink(folder.path(), folder.path().join("loop")).unwrap();
    let model = data().join("bundles/cheap");
    let run = label(&[folder.path()], &out.path().join("lake"), &["--model", model.to_str().unwrap()]);
    run.assert_accounted();
    assert_eq!((run.code, run.count("series_labelled")), (3, 1), "{}", run.stderr);
    assert_eq!(run.summary()["files_refused"]["unreadable"], 5, "{}", run.summary());
}

/// The bundle `cheap` at `to`, with another network.
fn with_network(to: &Path, network: &[u8]) {
    let cheap = data().join("bundles/cheap");
    let old = hex_digest(&std::fs::read(cheap.join("model.onnx")).unwrap());
    let new = hex_digest(network);
    edited_bundle(&cheap, to, |manifest| manifest.replace(&old, &new));
    std::fs::write(to.join("model.onnx"), network).unwrap();
}

fn hex_digest(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn verified(bundle: &Path, timeout: &str) -> (i32, String) {
    let run = Run::of(&bolus().args(["model", "verify", "--json", "--timeout", timeout]).arg(bundle).output().unwrap());
    (run.code, run.lines[0]["problem"].as_str().unwrap_or("holds").to_owned())
}

#[test]
fn a_network_without_end_is_given_up() {
    let folder = temp();
    let bundle = folder.path().join("cheap");
    with_network(&bundle, &std::fs::read(data().join("bundles/endless.onnx")).unwrap());
    let (code, problem) = verified(&bundle, "2s");
    assert!(code == 3 && problem.contains("within 2 s"), "{code}: {problem}");
    assert_eq!(verified(&data().join("bundles/cheap"), "1m"), (0, "holds".to_owned()));
}

#[test]
fn a_network_with_tensors_elsewhere_is_refused() {
    let folder = temp();
    let bundle = folder.path().join("cheap");
    // ModelProto.graph, GraphProto.initializer, TensorProto.data_location = EXTERNAL, in the encoding of protobuf.
    let outside = [0x3a, 0x04, 0x2a, 0x02, 0x70, 0x01];
    let whole = std::fs::read(data().join("bundles/cheap/model.onnx")).unwrap();
    with_network(&bundle, &[whole, outside.to_vec()].concat());
    let (code, problem) = verified(&bundle, "1m");
    assert!(code == 3 && problem.contains("external data"), "{code}: {problem}");
}

#[test]
fn a_pipe_in_a_bundle_is_refused_and_never_waited_for() {
    for file in ["model.onnx", "reference.u8"] {
        let folder = temp();
        let bundle = folder.path().join("cheap");
        edited_bundle(&data().join("bundles/cheap"), &bundle, |manifest| manifest);
        std::fs::remove_file(bundle.join(file)).unwrap();
        make_pipe(&bundle.join(file));
        let (code, problem) = verified(&bundle, "1m");
        assert!(code == 3 && problem.contains("not a regular file"), "{code}: {problem}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for arguments in [&["completions", "bash"][..], &["model", "list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bolus().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{arguments:?}: {told}");
    }
}
