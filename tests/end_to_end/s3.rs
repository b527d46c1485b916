//! The same path from a bucket to a lake in a bucket, against a real S3 server.

use bolus_testkit::servers::{self, S3};
use object_store::ObjectStoreExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;

use crate::support::{Run, abdomen, bolus, files_below};

/// The server that `infra/test` starts.
pub struct Server(S3);

impl Server {
    /// None where there is no server: see [`servers`].
    pub fn find() -> Option<Self> {
        servers::s3().map(Self)
    }

    pub fn bucket(&self) -> &str {
        &self.0.bucket
    }

    /// Runs the program with the standard variables set, as a user would.
    pub fn bolus(&self, args: &[&str]) -> Run {
        let mut command = bolus();
        command.args(args);
        self.run(command)
    }

    /// Runs `command` with the standard variables set.
    pub fn run(&self, mut command: std::process::Command) -> Run {
        command.envs(self.0.variables());
        Run::of(&command.output().unwrap())
    }

    /// Uploads the files of a folder below `prefix`.
    pub async fn upload(&self, folder: &std::path::Path, prefix: &str) {
        let store = client(&self.0);
        for path in files_below(folder) {
            let key = Path::parse(format!("{prefix}/{}", path.file_name().unwrap().to_string_lossy())).unwrap();
            store.put(&key, std::fs::read(&path).unwrap().into()).await.unwrap();
        }
    }
}

/// A client of the bucket.
pub fn client(server: &S3) -> AmazonS3 {
    let settings = server.options().into_iter().map(|(name, value)| (name.parse().unwrap(), value));
    settings.fold(AmazonS3Builder::new(), |builder, (name, value)| builder.with_config(name, value)).build().unwrap()
}

#[tokio::test]
async fn a_bucket_is_labelled_into_a_lake_in_a_bucket() {
    let Some(server) = Server::find() else { return };
    let prefix = format!("end-to-end-{}", std::process::id());
    server.upload(&abdomen(), &format!("{prefix}/in coming/ü+1")).await;
    let source = format!("s3://{}/{prefix}/in coming", server.bucket());
    let lake = format!("s3://{}/{prefix}/a lake+ü#1", server.bucket());
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
