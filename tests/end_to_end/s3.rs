//! The same path from a bucket to a lake in a bucket, against a real S3 server.

use bolus_storage::{Location, open_store_for_writing};

use crate::support::{Run, abdomen, bolus, files_below};

#[tokio::test]
async fn a_bucket_is_labelled_into_a_lake_in_a_bucket() {
    let (Ok(endpoint), Ok(bucket)) = (std::env::var("BOLUS_TEST_S3_ENDPOINT"), std::env::var("BOLUS_TEST_S3_BUCKET"))
    else {
        println!("S3 test skipped: BOLUS_TEST_S3_ENDPOINT and BOLUS_TEST_S3_BUCKET are not set");
        return;
    };
    let prefix = format!("end-to-end-{}", std::process::id());
    let source = format!("s3://{bucket}/{prefix}/in coming/ü+1");
    upload(&source).await;
    let lake = format!("s3://{bucket}/{prefix}/lake");
    let run = |args: &[&str]| {
        let output = bolus().args(args).args(["--lake", &lake]).env("AWS_ENDPOINT_URL", &endpoint).output().unwrap();
        Run::of(&output)
    };
    let first = run(&["label", &source, "--json", "--device", "cpu"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!((first.count("files_seen"), first.count("series_labelled")), (20, 1));
    assert_eq!(first.of_type("series")[0]["predicted_class"], "enhanced");
    let second = run(&["label", &source, "--json", "--device", "cpu"]);
    assert_eq!((second.count("series_labelled"), second.count("series_skipped")), (0, 1));
    let count = run(&["sql", "--format", "json", "SELECT count(*) AS n FROM series_labels"]);
    assert_eq!(count.lines[0]["n"], 1);
}

async fn upload(target: &str) {
    use object_store::ObjectStoreExt;
    let opened = open_store_for_writing(&Location::parse(target).unwrap()).await.unwrap();
    let store = opened.rooted();
    for path in files_below(&abdomen()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        store.put(&object_store::path::Path::from(name), std::fs::read(&path).unwrap().into()).await.unwrap();
    }
}
