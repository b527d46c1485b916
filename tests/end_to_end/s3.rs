//! The same path from a bucket to a lake in a bucket, against a real S3 server.

use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;

use crate::support::{Run, abdomen, bolus, files_below};

/// The server that `infra/test` starts.
pub struct Server {
    endpoint: String,
    pub bucket: String,
    region: String,
    access_key: String,
    secret_key: String,
}

impl Server {
    pub fn from_environment() -> Option<Self> {
        let get = |name: &str| std::env::var(format!("BOLUS_TEST_S3_{name}")).ok();
        Some(Self {
            endpoint: get("ENDPOINT")?,
            bucket: get("BUCKET")?,
            region: get("REGION")?,
            access_key: get("ACCESS_KEY")?,
            secret_key: get("SECRET_KEY")?,
        })
    }

    /// Runs the program with the standard variables set, as a user would.
    pub fn bolus(&self, args: &[&str]) -> Run {
        let mut command = bolus();
        command.args(args);
        self.run(command)
    }

    /// Runs `command` with the standard variables set.
    pub fn run(&self, mut command: std::process::Command) -> Run {
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", &self.region);
        command.env("AWS_ACCESS_KEY_ID", &self.access_key).env("AWS_SECRET_ACCESS_KEY", &self.secret_key);
        Run::of(&command.output().unwrap())
    }

    /// Uploads the files of a folder below `prefix`.
    pub async fn upload(&self, folder: &std::path::Path, prefix: &str) {
        let store = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key)
            .with_secret_access_key(&self.secret_key)
            .build()
            .unwrap();
        for path in files_below(folder) {
            let key = Path::parse(format!("{prefix}/{}", path.file_name().unwrap().to_string_lossy())).unwrap();
            store.put(&key, std::fs::read(&path).unwrap().into()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_bucket_is_labelled_into_a_lake_in_a_bucket() {
    let Some(server) = Server::from_environment() else {
        println!("S3 test skipped: BOLUS_TEST_S3_ENDPOINT and its companions are not set");
        return;
    };
    let prefix = format!("end-to-end-{}", std::process::id());
    server.upload(&abdomen(), &format!("{prefix}/in coming/ü+1")).await;
    let source = format!("s3://{}/{prefix}/in coming", server.bucket);
    let lake = format!("s3://{}/{prefix}/a lake+ü#1", server.bucket);
    let label = ["label", &source, "--json", "--device", "cpu", "--lake", &lake];
    let first = server.bolus(&label);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!((first.count("files_seen"), first.count("series_labelled")), (20, 1));
    assert_eq!(first.of_type("series")[0]["predicted_class"], "enhanced");
    let second = server.bolus(&label);
    assert_eq!((second.count("series_labelled"), second.count("series_skipped")), (0, 1));
    let count = server.bolus(&["sql", "--format", "json", "SELECT count(*) AS n FROM series_labels", "--lake", &lake]);
    assert_eq!(count.lines[0]["n"], 1, "{}", count.stderr);
}
