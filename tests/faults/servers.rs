//! The real broker and the real store, started by the scripts that every test uses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use object_store::aws::{AmazonS3, AmazonS3Builder};

use crate::plan::Node;
use crate::processes::repository;

/// Runs a script of `infra` and gives the variables that it prints as `export NAME=VALUE`.
fn infra(script: &str, args: &[&str]) -> Result<BTreeMap<String, String>> {
    let output = Command::new(repository().join("infra").join(script)).args(args).output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "infra/{script} {args:?} failed: {err}");
    let assignments = out.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    Ok(assignments.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect())
}

/// A Kafka cluster.
pub struct Kafka {
    folder: PathBuf,
    pub servers: String,
    pub nodes: usize,
    /// Nodes that were killed and not started again.
    down: Mutex<BTreeSet<usize>>,
}

impl Kafka {
    pub fn start(folder: &Path, nodes: usize) -> Result<Self> {
        let variables = infra("kafka-server", &["start", path(folder), "--nodes", &nodes.to_string()])?;
        let servers = variables.get("BOLUS_TEST_KAFKA_SERVERS").context("infra/kafka-server printed no servers")?;
        Ok(Self { folder: folder.to_owned(), servers: servers.clone(), nodes, down: Mutex::default() })
    }

    /// Does something to a node, counted from 1. Killing one that is down and starting one that runs change nothing.
    pub fn node(&self, node: usize, what: Node) -> Result<()> {
        // Held until it is done, so that nobody starts a node before it is down.
        let mut down = self.down.lock().unwrap();
        let command = match what {
            Node::Kill if down.insert(node) => "kill-node",
            Node::Start if down.remove(&node) => "start-node",
            Node::Freeze if !down.contains(&node) => return self.signal(node, "STOP"),
            Node::Thaw if !down.contains(&node) => return self.signal(node, "CONT"),
            _ => return Ok(()),
        };
        infra("kafka-server", &[command, path(&self.folder), &node.to_string()]).map(drop)
    }

    fn signal(&self, node: usize, name: &str) -> Result<()> {
        let pid = std::fs::read_to_string(self.folder.join(format!("node-{node}/pid")))?;
        let status = Command::new("kill").args([&format!("-{name}"), pid.trim()]).status()?;
        ensure!(status.success(), "signal {name} could not be sent to broker node {node}");
        Ok(())
    }
}

/// An S3 server.
pub struct Store {
    /// Where the server keeps the bucket: a folder with one file an object.
    pub files: PathBuf,
    pub address: SocketAddr,
    pub bucket: String,
    region: String,
    access_key: String,
    secret_key: String,
}

impl Store {
    pub fn start(folder: &Path) -> Result<Self> {
        let variables = infra("s3-server", &["start", path(folder)])?;
        let get = |name: &str| {
            variables.get(&format!("BOLUS_TEST_S3_{name}")).cloned().with_context(|| format!("no {name} was printed"))
        };
        let (endpoint, bucket) = (get("ENDPOINT")?, get("BUCKET")?);
        Ok(Self {
            files: folder.join("data").join(&bucket),
            address: endpoint.trim_start_matches("http://").parse()?,
            bucket,
            region: get("REGION")?,
            access_key: get("ACCESS_KEY")?,
            secret_key: get("SECRET_KEY")?,
        })
    }

    /// The variables with which a program uses the store at `endpoint`: the store's own URL or a proxy's.
    pub fn env(&self, endpoint: &str) -> BTreeMap<String, String> {
        [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_key),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of its own, past every proxy.
    pub fn client(&self) -> Result<AmazonS3> {
        Ok(AmazonS3Builder::new()
            .with_endpoint(self.url())
            .with_allow_http(true)
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key)
            .with_secret_access_key(&self.secret_key)
            .build()?)
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test folders have plain names")
}
