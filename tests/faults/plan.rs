//! The mischief of a run, drawn from its seed before the run begins: the same seed gives the same plan. What it meets differs from run to
//! run, as the processes' own timing does.

use std::time::Duration;

use crate::proxy::{Fault, Rule, Target};
use crate::rng::Rng;

/// Workers that always run.
pub const WORKERS: usize = 3;
/// Longer than a consumer's session in the second part of a run, so that a worker frozen for so long has lost its partitions when it wakes.
pub const FROZEN: Duration = Duration::from_secs(7);

/// The time that one of each deed fills; a longer plan has more of them.
const ROUND: Duration = Duration::from_secs(100);

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

/// Draws the plan. The first two fifths leave the group as it is (static members, back before their session ends); then every end
/// and start of a worker is a rebalance.
pub fn plan(seed: u64, form: &Form) -> Vec<Timed> {
    let mut rng = Rng::new(seed, "plan");
    let rounds = (form.span.as_secs() / ROUND.as_secs()).max(1) as u32;
    let part = form.span / (5 * rounds);
    // The last failpoint is passed in a rebalance only.
    let (others, rebalance) = form.failpoints.split_at(form.failpoints.len().saturating_sub(1));
    let (first, rest) = others.split_at(others.len() / 2);
    let mut steps = vec![(part * 2 * rounds, Step::Rebalances)];
    for round in 0..rounds {
        let quiet = Window { from: part * 2 * round, length: part * 2 };
        let ends = [ends_at(first), vec![End::Killed; 4], vec![End::Terminated]].concat();
        restarts(&mut rng, ends, None, quiet, &mut steps);
        spread(&mut rng, commit_faults, quiet, &mut steps);
        spread(&mut rng, store_faults, quiet, &mut steps);
        spread(&mut rng, |rng| broker_faults(rng, form), quiet, &mut steps);

        let from = part * (2 * rounds + 3 * round) + seconds(1);
        let loud = Window { from, length: (part * 3).saturating_sub(seconds(1)) };
        let frozen = freeze(&mut rng, loud.from, &mut steps);
        let ends = [ends_at(&[rest, rebalance].concat()), vec![End::Killed; 2], vec![End::Terminated]].concat();
        restarts(&mut rng, ends, Some(frozen), loud, &mut steps);
        spread(&mut rng, commit_faults, loud, &mut steps);
        spread(&mut rng, store_faults, loud, &mut steps);
        spread(&mut rng, assembler_faults, loud, &mut steps);
        spread(&mut rng, visitor, loud, &mut steps);
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

/// A deed: steps that belong together, by their time after its first.
type Deed = Vec<Timed>;

/// A part of the run.
#[derive(Clone, Copy)]
struct Window {
    from: Duration,
    length: Duration,
}

impl Window {
    /// `count` times, evenly over the window with some jitter.
    fn times(self, rng: &mut Rng, count: usize) -> Vec<Duration> {
        let gap = self.length / count.max(1) as u32;
        (0..count as u32).map(|place| self.from + gap * place + rng.between(Duration::ZERO, gap / 2)).collect()
    }
}

/// Puts deeds into a window in a random order.
fn spread(rng: &mut Rng, deeds: impl FnOnce(&mut Rng) -> Vec<Deed>, window: Window, into: &mut Vec<Timed>) {
    let mut deeds = deeds(rng);
    rng.shuffle(&mut deeds);
    for (at, deed) in window.times(rng, deeds.len()).into_iter().zip(deeds) {
        into.extend(deed.into_iter().map(|(after, step)| (at + after, step)));
    }
}

/// A worker that must be left alone until a time.
type Reserved = (usize, Duration);

/// How a worker ends.
#[derive(Clone, Copy)]
enum End {
    Killed,
    Terminated,
    /// Terminated, and by this failpoint once it is back.
    At(&'static str),
}

fn ends_at(failpoints: &[&'static str]) -> Vec<End> {
    failpoints.iter().map(|failpoint| End::At(failpoint)).collect()
}

/// Workers that end and come back soon; in turn, so that each has time in between.
fn restarts(rng: &mut Rng, mut ends: Vec<End>, reserved: Option<Reserved>, window: Window, into: &mut Vec<Timed>) {
    rng.shuffle(&mut ends);
    let mut worker = rng.below(WORKERS);
    for (at, end) in window.times(rng, ends.len()).into_iter().zip(ends) {
        worker = (worker + 1) % WORKERS;
        if reserved.is_some_and(|(alone, until)| worker == alone && at < until) {
            worker = (worker + 1) % WORKERS;
        }
        let (step, failpoint) = match end {
            End::Killed => (Step::Kill(worker), None),
            End::Terminated => (Step::Terminate(worker), None),
            End::At(failpoint) => (Step::Terminate(worker), Some(failpoint)),
        };
        into.push((at, step));
        into.push((at + rng.between(Duration::from_millis(100), seconds(3)), Step::Start(worker, failpoint)));
    }
}

/// A worker that is frozen in its work and wakes as the owner of what is no longer its own; not before the static members, whose
/// session goes on after they have left, are forgotten.
fn freeze(rng: &mut Rng, from: Duration, into: &mut Vec<Timed>) -> Reserved {
    let (worker, at) = (rng.below(WORKERS), from + rng.between(seconds(15), seconds(20)));
    into.extend([(at, Step::Freeze(worker)), (at + FROZEN, Step::Thaw(worker))]);
    (worker, at + FROZEN + seconds(2))
}

/// A fourth worker that joins and leaves.
fn visitor(rng: &mut Rng) -> Vec<Deed> {
    let leave = if rng.chance(0.5) { Step::Terminate(WORKERS) } else { Step::Kill(WORKERS) };
    vec![vec![(Duration::ZERO, Step::Start(WORKERS, None)), (rng.between(seconds(4), seconds(9)), leave)]]
}

/// One fault of every kind on commits, two commits each.
fn commit_faults(rng: &mut Rng) -> Vec<Deed> {
    let faults = [
        Fault::LoseAnswer,
        Fault::AnswerAfter(500),
        Fault::AnswerAfter(409),
        Fault::Twice,
        Fault::Answer(503),
        Fault::Answer(409),
        Fault::Cut,
        Fault::Delay(seconds(2)),
    ];
    let rule = |fault| Rule { target: Target::Commit, fault, share: 1.0, times: 2 };
    faults.map(|fault| strike(rng, rule(fault), seconds(5))).into()
}

/// Faults on everything else, and a store that is gone for everybody.
fn store_faults(rng: &mut Rng) -> Vec<Deed> {
    let faults = [
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::Cut,
        Fault::CutBody,
        Fault::Hang(seconds(4)),
        Fault::Delay(Duration::from_millis(300)),
        Fault::LoseAnswer,
    ];
    let mut deeds = Vec::new();
    for target in [Target::Log, Target::Parquet, Target::Studies, Target::Studies] {
        let rule = Rule { target, fault: *rng.pick(&faults), share: 0.4, times: u32::MAX };
        let time = rng.between(seconds(2), seconds(5));
        deeds.push(strike(rng, rule, time));
    }
    let gone = Rule { target: Target::Any, fault: Fault::Cut, share: 1.0, times: u32::MAX };
    deeds.push(vec![(Duration::ZERO, Step::Strike(None, gone, seconds(2)))]);
    deeds
}

/// A fault for one worker or, as often, for everybody.
fn strike(rng: &mut Rng, rule: Rule, time: Duration) -> Deed {
    let victim = rng.chance(0.5).then(|| rng.below(WORKERS));
    vec![(Duration::ZERO, Step::Strike(victim, rule, time))]
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
