//! The programs under test, each behind a proxy of its own, and the carrying out of a plan on them.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::plan::{Step, Timed, WORKERS};
use crate::processes::{Janitor, Service, repository};
use crate::proxy::FaultProxy;
use crate::rng::Rng;
use crate::servers::{Kafka, Store};
use crate::settings;

/// How often the programs are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a program that was told to end may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// The signal by which a process ends that aborts, as at a failpoint.
const SIGABRT: i32 = 6;
/// Where Debian's package `libfaketime` lies, below the folder of a machine's libraries.
const FAKETIME: &str = "faketime/libfaketime.so.1";

struct Member {
    service: Service,
    proxy: FaultProxy,
    /// Whether it should run: if it does not, it is started again.
    wanted: bool,
    /// Whether its end was asked for: a kill, a signal, a failpoint.
    doomed: bool,
}

/// Three workers, room for a fourth, and an assembler.
pub struct Fleet {
    workers: Vec<Member>,
    assembler: Member,
    folder: PathBuf,
    static_members: bool,
    /// Ends that nobody asked for.
    pub exits: Vec<String>,
    /// Ends at a failpoint.
    pub fired: BTreeMap<&'static str, u64>,
    armed: Vec<Option<&'static str>>,
    kafka: Arc<Kafka>,
    /// What takes seconds while everything else goes on.
    chores: JoinSet<Result<()>>,
}

impl Fleet {
    /// Writes the configuration and starts everything.
    pub async fn start(folder: &Path, kafka: &Arc<Kafka>, store: &Store, seed: u64, janitor: &Janitor) -> Result<Self> {
        std::fs::write(folder.join("worker.toml"), settings::worker(kafka, store))?;
        std::fs::write(folder.join("assembler.toml"), settings::assembler(kafka))?;
        std::fs::write(folder.join("clock"), "+0s")?;
        let mut workers = Vec::new();
        for number in 0..=WORKERS {
            let name = format!("worker-{number}");
            workers.push(member(&name, "bolus-worker", folder, store, seed, janitor).await?);
        }
        let mut assembler = member("assembler", "bolus-assembler", folder, store, seed, janitor).await?;
        assembler.wanted = true;
        let armed = vec![None; workers.len()];
        let mut fleet = Self {
            workers,
            assembler,
            folder: folder.to_owned(),
            static_members: true,
            exits: Vec::new(),
            fired: BTreeMap::new(),
            armed,
            kafka: Arc::clone(kafka),
            chores: JoinSet::new(),
        };
        for number in 0..WORKERS {
            fleet.start_worker(number, None)?;
        }
        fleet.start_assembler()?;
        Ok(fleet)
    }

    /// Starts a worker where none runs; one that is to end at a failpoint takes the place of one that runs.
    fn start_worker(&mut self, number: usize, failpoint: Option<&'static str>) -> Result<()> {
        let args = ["--config".to_owned(), self.folder.join("worker.toml").display().to_string()];
        let mut env = settings::worker_env(number, self.static_members);
        env.extend(failpoint.map(|name| ("FAILPOINTS", settings::failpoint(name))));
        let worker = &mut self.workers[number];
        if failpoint.is_some() {
            worker.service.kill()?;
        }
        worker.wanted = true;
        if !worker.service.runs() {
            worker.doomed = false;
            self.armed[number] = failpoint;
            worker.service.start(&args, &env)?;
        }
        Ok(())
    }

    fn start_assembler(&mut self) -> Result<()> {
        let args = ["--config".to_owned(), self.folder.join("assembler.toml").display().to_string()];
        let clock = self.folder.join("clock").display().to_string();
        // Only the wall clock is moved, as a person or NTP does; monotone clocks cannot jump.
        let env = [
            ("LD_PRELOAD", faketime()?.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", clock),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        self.assembler.wanted = true;
        self.assembler.doomed = false;
        self.assembler.service.start(&args, &env)
    }

    /// Carries out a plan, and starts again what ends.
    pub async fn suffer(&mut self, plan: Vec<Timed>) -> Result<()> {
        let start = Instant::now();
        for (at, step) in plan {
            while start.elapsed() < at {
                self.look_after()?;
                tokio::time::sleep(LOOK.min(at.saturating_sub(start.elapsed()))).await;
            }
            eprintln!("faults: {:6.2} s  {step:?}", start.elapsed().as_secs_f64());
            self.apply(step)?;
        }
        while let Some(chore) = self.chores.join_next().await {
            chore??;
        }
        Ok(())
    }

    fn apply(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Kill(worker) => self.workers[worker].end("KILL"),
            Step::Terminate(worker) => self.workers[worker].end("TERM"),
            Step::Start(worker, failpoint) => self.start_worker(worker, failpoint),
            Step::Freeze(worker) => self.workers[worker].service.signal("STOP"),
            Step::Thaw(worker) => self.workers[worker].service.signal("CONT"),
            Step::Strike(victim, rule, time) => {
                for (number, member) in self.workers.iter().enumerate() {
                    if victim.is_none_or(|victim| victim == number) {
                        member.proxy.strike(rule, time);
                    }
                }
                if victim.is_none() {
                    self.assembler.proxy.strike(rule, time);
                }
                Ok(())
            }
            Step::KillAssembler => self.assembler.end("KILL"),
            Step::TerminateAssembler => self.assembler.end("TERM"),
            Step::StartAssembler => self.start_assembler(),
            Step::Clock(by) => Ok(std::fs::write(self.folder.join("clock"), format!("{by:+}s"))?),
            Step::Rebalances => {
                self.static_members = false;
                // They come back as soon as they have ended, without an instance id.
                self.workers[..WORKERS].iter_mut().try_for_each(|worker| {
                    worker.end("TERM")?;
                    worker.wanted = true;
                    Ok(())
                })
            }
            Step::Node(node, what) => {
                let kafka = Arc::clone(&self.kafka);
                self.chores.spawn_blocking(move || kafka.node(node, what));
                Ok(())
            }
        }
    }

    /// Notes who ended and starts again who should run.
    pub fn look_after(&mut self) -> Result<()> {
        for number in 0..self.workers.len() {
            let Some(status) = self.workers[number].service.ended()? else {
                if self.workers[number].wanted && !self.workers[number].service.runs() {
                    self.start_worker(number, None)?;
                }
                continue;
            };
            match self.armed[number].take() {
                Some(failpoint) if status.signal() == Some(SIGABRT) => {
                    eprintln!("faults: worker {number} ended at {failpoint}");
                    *self.fired.entry(failpoint).or_default() += 1;
                }
                _ if !self.workers[number].doomed => {
                    self.exits.push(format!("worker {number} ended by itself: {status}"))
                }
                _ => {}
            }
        }
        if let Some(status) = self.assembler.service.ended()?
            && !self.assembler.doomed
        {
            self.exits.push(format!("the assembler ended by itself: {status}"));
        }
        if self.assembler.wanted && !self.assembler.service.runs() {
            self.start_assembler()?;
        }
        Ok(())
    }

    /// Ends the mischief: everything runs, nothing is armed, every answer arrives.
    pub fn calm(&mut self) -> Result<()> {
        std::fs::write(self.folder.join("clock"), "+0s")?;
        for (number, worker) in self.workers.iter_mut().enumerate() {
            worker.proxy.calm();
            worker.service.signal("CONT")?;
            worker.wanted = number < WORKERS;
            if self.armed[number].take().is_some() || !worker.wanted {
                worker.service.kill()?;
            }
        }
        self.assembler.proxy.calm();
        self.assembler.wanted = true;
        self.look_after()
    }

    /// Tells everything to end and waits for it; says in words who did not end well.
    pub async fn stop(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let members = self.workers.iter_mut().chain([&mut self.assembler]);
        let deadline = Instant::now() + PATIENCE;
        let mut running: Vec<&mut Member> = members.filter(|member| member.service.runs()).collect();
        for member in &mut running {
            member.end("TERM")?;
        }
        for member in running {
            let status = loop {
                match member.service.ended()? {
                    Some(status) => break Some(status),
                    None if Instant::now() > deadline => break None,
                    None => tokio::time::sleep(LOOK).await,
                }
            };
            match status {
                Some(status) if status.success() => {}
                Some(status) => wrong.push(format!("{} ended on SIGTERM with {status}", member.service.name())),
                None => {
                    member.service.kill()?;
                    wrong.push(format!("{} did not end within {PATIENCE:?} of SIGTERM", member.service.name()));
                }
            }
        }
        Ok(wrong)
    }

    /// The panics that anybody's log tells of.
    pub fn panics(&self) -> Vec<String> {
        let members = self.workers.iter().chain([&self.assembler]);
        members
            .flat_map(|member| {
                let printed = member.service.printed();
                let lines: Vec<String> =
                    printed.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect();
                lines.into_iter().map(|line| format!("{}: {line}", member.service.name()))
            })
            .collect()
    }

    /// How often the workers told of something: whether the mischief met the protocol where it hurts.
    pub fn told(&self) -> BTreeMap<&'static str, usize> {
        let printed: Vec<String> = self.workers.iter().map(|worker| worker.service.printed()).collect();
        let count = |what: &&'static str| (*what, printed.iter().map(|text| text.matches(what).count()).sum());
        settings::TELLING.iter().map(count).collect()
    }

    /// How often each fault of the store struck.
    pub fn struck(&self) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for (fault, count) in self.workers.iter().chain([&self.assembler]).flat_map(|member| member.proxy.struck()) {
            *sum.entry(fault).or_default() += count;
        }
        sum
    }
}

impl Member {
    /// Asks for the end of its process; it is not started again until somebody does.
    fn end(&mut self, signal: &str) -> Result<()> {
        self.wanted = false;
        self.doomed = true;
        if signal == "KILL" { self.service.kill() } else { self.service.signal(signal) }
    }
}

async fn member(
    name: &str,
    program: &str,
    folder: &Path,
    store: &Store,
    seed: u64,
    janitor: &Janitor,
) -> Result<Member> {
    let proxy = FaultProxy::start(store.address, Rng::new(seed, name)).await?;
    let mut env = store.env(&proxy.url());
    env.extend(settings::common_env());
    let log = folder.join(format!("{name}.log"));
    let service = Service::new(&program_path(program)?, log, env, janitor);
    Ok(Member { service, proxy, wanted: false, doomed: false })
}

/// A program under test: by default of this build, whose programs lie above the folder of this test.
pub fn program_path(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("BOLUS_FAULTS_PROGRAMS") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()?.ancestors().nth(2).context("a test lies in target/PROFILE/deps")?.to_owned(),
    };
    let program = folder.join(name);
    anyhow::ensure!(program.is_file(), "{} is missing: build the workspace first", program.display());
    Ok(program)
}

fn faketime() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = folders.map(|folder| folder.join(FAKETIME)).filter(|library| library.is_file());
    found.next().context("libfaketime is missing: apt-get install faketime, or run infra/bootstrap --test")
}

/// The models that the workers use.
pub fn models() -> PathBuf {
    repository().join("tests/data/bundles")
}
