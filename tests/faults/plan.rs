//! The mischief of a run, drawn from its seed before the run begins: the same seed gives the same plan. What it meets differs from run to
//! run, as the processes' own timing does.

use std::time::Duration;

use crate::proxy::{Fault, Rule, Target};
use crate::rng::Rng;

/// Workers that always run.
pub const WORKERS: usize = 3;
/// Longer than a consumer's session time-out, so that a worker frozen for so long has lost its partitions when it wakes.
pub const FROZEN: Duration = Duration::from_secs(9);

/// The time that one of each deed fills; a longer plan has more of them.
const ROUND: Duration = Duration::from_secs(75);

/// Whose store a fault befalls: one worker's, counted from 0, or everybody's.
pub type Victim = Option<usize>;

/// One step of a plan; each takes effect at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `kill -9` of a worker.
    Kill(usize),
    /// SIGTERM to a worker.
    Terminate(usize),
    /// Starts a worker that ended, with a failpoint where one is named.
    Start(usize, Option<&'static str>),
    /// SIGSTOP.
    Freeze(usize),
    /// SIGCONT.
    Thaw(usize),
    /// A fault of the store for some time.
    Strike(Victim, Rule, Duration),
    /// What becomes of a broker node, counted from 1.
    Node(usize, Node),
    /// `kill -9` of the assembler.
    KillAssembler,
    /// SIGTERM to the assembler.
    TerminateAssembler,
    /// Its restart.
    StartAssembler,
    /// The assembler's wall clock goes wrong by so many seconds from now on.
    Clock(i64),
    /// From here on workers join without an instance id, so that each start and end is a rebalance.
    Rebalances,
}

/// What becomes of a broker node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// `kill -9`.
    Kill,
    /// Its restart.
    Start,
    /// SIGSTOP: connections stand and nothing answers.
    Freeze,
    /// SIGCONT.
    Thaw,
}

/// A step and its time from the start.
pub type Timed = (Duration, Step);

/// What a plan is drawn for.
#[derive(Debug, Clone)]
pub struct Form {
    pub span: Duration,
    pub nodes: usize,
    pub failpoints: &'static [&'static str],
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Draws the plan. The first half leaves the group as it is (static members, back before their session ends), the second does not.
pub fn plan(seed: u64, form: &Form) -> Vec<Timed> {
    let mut rng = Rng::new(seed, "plan");
    let half = form.span / 2;
    let (others, rebalance) = form.failpoints.split_at(form.failpoints.len().saturating_sub(1));
    let (first, rest) = others.split_at(others.len() / 2);
    let (mut quiet, mut loud) = (Vec::new(), Vec::new());
    for _ in 0..(form.span.as_secs() / ROUND.as_secs()).max(1) {
        quiet.extend([restarts(&mut rng, 4, first), store_faults(&mut rng), broker_faults(&mut rng, form)].concat());
        loud.extend([restarts(&mut rng, 5, &[rest, rebalance].concat()), rebalances(&mut rng)].concat());
        loud.extend([store_faults(&mut rng), assembler_faults(&mut rng)].concat());
    }
    let mut steps = vec![(half, Step::Rebalances)];
    spread(&mut rng, quiet, Duration::ZERO, half, &mut steps);
    spread(&mut rng, loud, half + seconds(1), form.span, &mut steps);
    steps.sort_by_key(|(at, _)| *at);
    steps
}

/// A deed: steps that belong together, by their time after its first.
type Deed = Vec<Timed>;

/// Puts the deeds into a random order, evenly over a time with some jitter.
fn spread(rng: &mut Rng, mut deeds: Vec<Deed>, from: Duration, until: Duration, into: &mut Vec<Timed>) {
    rng.shuffle(&mut deeds);
    let gap = until.saturating_sub(from) / deeds.len().max(1) as u32;
    for (place, deed) in deeds.into_iter().enumerate() {
        let at = from + gap * place as u32 + rng.between(Duration::ZERO, gap);
        into.extend(deed.into_iter().map(|(after, step)| (at + after, step)));
    }
}

/// Workers that die, by kill -9, SIGTERM or at each of the failpoints, and come back soon.
fn restarts(rng: &mut Rng, kills: usize, failpoints: &[&'static str]) -> Vec<Deed> {
    let soon = |rng: &mut Rng| rng.between(Duration::from_millis(100), seconds(3));
    let mut deeds = Vec::new();
    for _ in 0..kills {
        let worker = rng.below(WORKERS);
        deeds.push(vec![(Duration::ZERO, Step::Kill(worker)), (soon(rng), Step::Start(worker, None))]);
    }
    for failpoint in failpoints {
        let worker = rng.below(WORKERS);
        deeds.push(vec![(Duration::ZERO, Step::Kill(worker)), (soon(rng), Step::Start(worker, Some(failpoint)))]);
    }
    let worker = rng.below(WORKERS);
    deeds.push(vec![(Duration::ZERO, Step::Terminate(worker)), (soon(rng), Step::Start(worker, None))]);
    deeds
}

/// Workers that join, leave, or wake as the owners of what is no longer theirs.
fn rebalances(rng: &mut Rng) -> Vec<Deed> {
    let frozen = rng.below(WORKERS);
    let extra = WORKERS;
    let stay = rng.between(seconds(3), seconds(8));
    let leave = if rng.chance(0.5) { Step::Terminate(extra) } else { Step::Kill(extra) };
    vec![
        vec![(Duration::ZERO, Step::Freeze(frozen)), (FROZEN, Step::Thaw(frozen))],
        vec![(Duration::ZERO, Step::Start(extra, None)), (stay, leave)],
    ]
}

/// One fault of every kind on commits, and some elsewhere.
fn store_faults(rng: &mut Rng) -> Vec<Deed> {
    let on_commit = [
        Fault::LoseAnswer,
        Fault::AnswerAfter(500),
        Fault::AnswerAfter(409),
        Fault::Twice,
        Fault::Answer(503),
        Fault::Answer(409),
        Fault::Cut,
        Fault::Delay(seconds(2)),
    ];
    let elsewhere = [
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::Cut,
        Fault::CutBody,
        Fault::Hang(seconds(4)),
        Fault::Delay(Duration::from_millis(300)),
        Fault::LoseAnswer,
    ];
    let victim = |rng: &mut Rng| rng.chance(0.6).then(|| rng.below(WORKERS));
    let strike = |victim: Victim, target: Target, fault: Fault, share: f64, time: Duration| {
        vec![(Duration::ZERO, Step::Strike(victim, Rule { target, fault, share }, time))]
    };
    let mut deeds = Vec::new();
    for fault in on_commit {
        let time = rng.between(seconds(2), seconds(5));
        deeds.push(strike(victim(rng), Target::Commit, fault, 0.7, time));
    }
    for target in [Target::Log, Target::Parquet, Target::Studies, Target::Studies] {
        let (fault, time) = (*rng.pick(&elsewhere), rng.between(seconds(2), seconds(5)));
        deeds.push(strike(victim(rng), target, fault, 0.4, time));
    }
    // A store that is gone for everybody.
    deeds.push(strike(None, Target::Any, Fault::Cut, 1.0, seconds(2)));
    deeds
}

/// A broker that dies and comes back, and one that is a black hole for some time.
fn broker_faults(rng: &mut Rng, form: &Form) -> Vec<Deed> {
    let (killed, frozen) = (1 + rng.below(form.nodes), 1 + rng.below(form.nodes));
    let (down, hole) = (rng.between(seconds(1), seconds(4)), rng.between(seconds(2), seconds(5)));
    vec![
        vec![(Duration::ZERO, Step::Node(killed, Node::Kill)), (down, Step::Node(killed, Node::Start))],
        vec![(Duration::ZERO, Step::Node(frozen, Node::Freeze)), (hole, Step::Node(frozen, Node::Thaw))],
    ]
}

/// An assembler that dies and comes back, and whose wall clock jumps while it runs: within the quarter of an hour that a store's
/// signatures and the hour that a broker's timestamps allow.
fn assembler_faults(rng: &mut Rng) -> Vec<Deed> {
    let soon = rng.between(Duration::from_millis(200), seconds(2));
    let wrong = rng.between(seconds(3), seconds(6));
    let ended = |end: Step| vec![(Duration::ZERO, end), (soon, Step::StartAssembler)];
    let jump = |by: i64| vec![(Duration::ZERO, Step::Clock(by)), (wrong, Step::Clock(0))];
    vec![ended(Step::KillAssembler), ended(Step::TerminateAssembler), jump(600), jump(-600)]
}
