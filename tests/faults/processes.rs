//! Processes that are killed, frozen and started again, and the janitor that ends them whatever happens to the harness.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A process that outlives the harness just long enough to end everything that the harness started.
#[derive(Clone)]
pub struct Janitor(Arc<Mutex<Inner>>);

struct Inner {
    process: Child,
    input: Option<ChildStdin>,
}

impl Janitor {
    /// Starts the janitor of the servers under `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut process = Command::new(repository().join("tests/faults/janitor"))
            .arg(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("janitor.log"))?)
            .spawn()
            .context("the janitor cannot be started")?;
        let input = process.stdin.take();
        Ok(Self(Arc::new(Mutex::new(Inner { process, input }))))
    }

    fn tell(&self, what: &str, group: u32) {
        let mut inner = self.0.lock().unwrap();
        if let Some(input) = inner.input.as_mut() {
            writeln!(input, "{what} {group}").expect("the janitor listens");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.input.take());
        let _status = self.process.wait();
    }
}

/// A program that is started again and again, one process at a time.
pub struct Service {
    program: PathBuf,
    log: PathBuf,
    env: BTreeMap<String, String>,
    janitor: Janitor,
    process: Option<Child>,
}

impl Service {
    /// A service that has not been started; everything that its processes print goes to `log`.
    pub fn new(program: &Path, log: PathBuf, env: BTreeMap<String, String>, janitor: &Janitor) -> Self {
        Self { program: program.to_owned(), log, env, janitor: janitor.clone(), process: None }
    }

    /// Starts a process with `args` and, beside the service's own variables, `more`; nothing to do where one runs.
    pub fn start(&mut self, args: &[String], more: &[(&str, String)]) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        writeln!(log, "--- started with {args:?} {more:?}")?;
        let process = Command::new(&self.program)
            .args(args)
            .envs(&self.env)
            .envs(more.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program.display()))?;
        self.janitor.tell("group", process.id());
        self.process = Some(process);
        Ok(())
    }

    /// Sends a signal to the process, if there is one.
    pub fn signal(&self, name: &str) -> Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        let status =
            Command::new("kill").args([format!("-{name}"), "--".into(), format!("-{}", process.id())]).status()?;
        ensure!(status.success(), "signal {name} could not be sent to {}", self.log.display());
        Ok(())
    }

    /// Whether a process runs, as far as is known.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// How the process ended, if it has since the last look.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let Some(status) = process.try_wait()? else { return Ok(None) };
        self.janitor.tell("gone", process.id());
        self.process = None;
        writeln!(OpenOptions::new().append(true).open(&self.log)?, "--- ended: {status}")?;
        Ok(Some(status))
    }

    /// Kills the process, if there is one, frozen or not.
    pub fn kill(&mut self) -> Result<()> {
        if self.ended()?.is_some() || !self.runs() {
            return Ok(());
        }
        self.signal("KILL")?;
        if let Some(process) = &mut self.process {
            process.wait()?;
        }
        self.ended()?;
        Ok(())
    }

    /// The name of its log.
    pub fn name(&self) -> String {
        self.log.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Everything that its processes printed.
    pub fn printed(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}
