//! Archives are read like folders, and hostile ones cost nothing else.

use std::fs::File;
use std::io::Write;

use zip::write::SimpleFileOptions;

use crate::support::{abdomen, files_below, label, temp};

#[test]
fn archives_give_the_label_of_the_folder_and_hostile_members_are_refused() {
    let (folder, out) = (temp(), temp());
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut archive = zip::ZipWriter::new(File::create(folder.path().join("study.zip")).unwrap());
    for path in files_below(&abdomen()) {
        let name = format!("a/b/{}", path.file_name().unwrap().to_string_lossy());
        archive.start_file(name, options).unwrap();
        archive.write_all(&std::fs::read(path).unwrap()).unwrap();
    }
    archive.start_file("../../escaped.dcm", options).unwrap();
    archive.write_all(b"out").unwrap();
    archive.start_file("inner.dcm", options).unwrap();
    archive.write_all(b"PK\x03\x04 a zip inside a zip, whatever its name").unwrap();
    archive.finish().unwrap();

    let tarball = File::create(folder.path().join("study.tar.gz")).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(tarball, flate2::Compression::fast()));
    tar.append_dir_all("series", abdomen()).unwrap();
    tar.into_inner().unwrap().finish().unwrap();

    let run = label(&[folder.path()], &out.path().join("lake"), &[]);
    let plain = label(&[&abdomen()], &out.path().join("plain"), &[]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    run.assert_accounted();
    assert_eq!(run.count("files_used"), 40);
    assert_eq!(run.summary()["files_refused"]["archive"], 2);
    assert!(!folder.path().parent().unwrap().join("escaped.dcm").exists());
    let expected = &plain.of_type("series")[0]["probability"];
    let found: Vec<_> = run.of_type("series").iter().map(|line| line["probability"].clone()).collect();
    assert_eq!(found, [expected.clone(), expected.clone()]);
}
