//! A model check of the commit protocol: two owners race for one partition.
//!
//! The worker's promise rests on a few rules of `shared/lake`: where a partition stands is read from the table's log; a
//! commit creates exactly the next version of the log, and only after a look that found the partition where this owner
//! left it; an answer that was lost is settled by reading the log. Here each rule is a step of a small machine. The checker
//! walks through every order of the steps, with puts that land late or never, answers that are lost, crashes, rebalances
//! that the old owner has not heard of, and commits of others. Each rule is then taken away in turn, and the checker must
//! find what goes wrong without it: so that the first result means something.
//!
//! Row keys are left out: the transactions alone must hold. In the lake keys guard the rows a second time.

use stateright::{Checker, HasDiscoveries, Model, Property};

/// The protocol, and what becomes of it without one of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    AsDesigned,
    /// No look before an attempt: whoever is at the end of the log may write.
    NoFence,
    /// No look either, but the table library's own check: of the commits that won against this one, none may have moved
    /// the same transaction. It does not see a stale owner that refreshed first.
    LibraryCheckOnly,
    /// The look is made once for a batch, not again before each attempt.
    FenceOnFirstAttemptOnly,
    /// The store lets a second writer create what exists.
    UnconditionalPut,
    /// A put whose answer was lost is taken for one that failed, and is made again for the next version.
    LostAnswerMeansFailure,
}

/// A commit of the partition: the rows of events `from..to`, and the transaction moved to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Commit {
    owner: usize,
    /// Which of the owner's readings of the transaction it rests on: with the events the commit's identifier.
    reading: u8,
    from: u8,
    to: u8,
}

/// What an owner is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    /// Without the partition, or down.
    Idle,
    /// Told that the partition is its own.
    Assigned,
    /// At work since it read, or left, the transaction at `expected`; the events up to `done` are processed.
    Working { expected: u8, done: u8 },
    /// Has looked at the log, and will create `version` with this commit.
    Looked { commit: Commit, version: usize },
    /// Waits for the answer to a put; `answer` says whether it was accepted.
    Waiting { commit: Commit, version: usize, answer: Option<bool> },
    /// Does not know what became of a put.
    Settling { commit: Commit, version: usize },
}

/// How often what may go wrong still may.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Misfortunes {
    rebalances: u8,
    crashes: u8,
    lost_answers: u8,
    lost_puts: u8,
    strangers: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The table's log; none is a commit of another partition's owner.
    log: Vec<Option<Commit>>,
    /// Puts on their way to the store, sorted.
    in_flight: Vec<(usize, Commit)>,
    owners: [Owner; 2],
    /// Whom the broker has given the partition to.
    assigned: usize,
    /// How often each owner has read the transaction.
    readings: [u8; 2],
    left: Misfortunes,
    /// An owner found that another has moved its partition on.
    fenced: bool,
    /// A put landed after its sender had stopped waiting.
    landed_late: bool,
}

impl State {
    fn commits(&self) -> impl Iterator<Item = Commit> {
        self.log.iter().flatten().copied()
    }

    /// Where the transaction stands.
    fn stands(&self) -> u8 {
        self.commits().last().map_or(0, |commit| commit.to)
    }

    fn begin(&mut self, owner: usize, expected: u8, done: u8) {
        let commit = Commit { owner, reading: self.readings[owner], from: expected, to: done };
        self.owners[owner] = Owner::Looked { commit, version: self.log.len() };
    }

    fn send(&mut self, commit: Commit, version: usize) {
        self.in_flight.push((version, commit));
        self.in_flight.sort_unstable();
        self.owners[commit.owner] = Owner::Waiting { commit, version, answer: None };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Rebalance,
    /// The broker tells an owner that the partition is its own.
    Assign(usize),
    /// A former owner hears of the rebalance and drops what it holds.
    Revoke(usize),
    /// An owner reads where the transaction stands.
    Read(usize),
    Process(usize),
    /// An owner looks at the log before it commits what it has processed.
    Look(usize),
    Put(usize),
    /// The put at this place reaches the store.
    Land(usize),
    LosePut(usize),
    Hear(usize),
    LoseAnswer(usize),
    Settle(usize),
    Crash(usize),
    /// Another partition's owner commits.
    Stranger,
}

struct Protocol {
    rules: Rules,
    events: u8,
    left: Misfortunes,
}

impl Protocol {
    fn look(&self, state: &mut State, owner: usize, expected: u8, done: u8) {
        let looks = !matches!(self.rules, Rules::NoFence | Rules::LibraryCheckOnly);
        if looks && state.stands() != expected {
            state.fenced = true;
            state.owners[owner] = Owner::Assigned;
        } else {
            state.begin(owner, expected, done);
        }
    }

    fn land(&self, state: &mut State, place: usize) {
        let (version, commit) = state.in_flight.remove(place);
        let accepted = version == state.log.len() || self.rules == Rules::UnconditionalPut;
        if version == state.log.len() {
            state.log.push(Some(commit));
        } else if accepted {
            state.log[version] = Some(commit);
        }
        match &mut state.owners[commit.owner] {
            Owner::Waiting { commit: awaited, answer, .. } if *awaited == commit => {
                *answer = Some(accepted);
            }
            _ => state.landed_late |= accepted,
        }
    }

    /// Takes puts away that will be refused and for which nobody waits: they only multiply the states.
    fn forget_what_no_longer_matters(&self, state: &mut State) {
        let State { log, in_flight, owners, .. } = state;
        let is_awaited = |sent: &Commit| matches!(&owners[sent.owner], Owner::Waiting { commit, answer: None, .. } if commit == sent);
        in_flight.retain(|(version, commit)| {
            *version >= log.len() || is_awaited(commit) || self.rules == Rules::UnconditionalPut
        });
    }

    /// An owner reads the entry that it tried to create.
    fn settle(&self, state: &mut State, commit: Commit, version: usize) {
        let again = Owner::Working { expected: commit.from, done: commit.to };
        match state.log.get(version) {
            Some(Some(found)) if *found == commit => {
                state.owners[commit.owner] = Owner::Working { expected: commit.to, done: commit.to };
            }
            Some(Some(_)) if self.rules == Rules::LibraryCheckOnly => state.owners[commit.owner] = Owner::Assigned,
            Some(_) if self.rules == Rules::FenceOnFirstAttemptOnly => {
                state.begin(commit.owner, commit.from, commit.to);
            }
            Some(_) => state.owners[commit.owner] = again,
            // Nothing is there, and the put may still land: the same commit is put for the same version again.
            None => state.send(commit, version),
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            log: Vec::new(),
            in_flight: Vec::new(),
            owners: [Owner::Idle; 2],
            assigned: 0,
            readings: [0; 2],
            left: self.left.clone(),
            fenced: false,
            landed_late: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (owner, at) in state.owners.iter().enumerate() {
            match at {
                Owner::Idle => {
                    if state.assigned == owner {
                        steps.push(Step::Assign(owner));
                    }
                    continue;
                }
                Owner::Assigned => steps.push(Step::Read(owner)),
                Owner::Working { expected, done } => {
                    if *done < self.events {
                        steps.push(Step::Process(owner));
                    }
                    if done > expected {
                        steps.push(Step::Look(owner));
                    }
                }
                Owner::Looked { .. } => steps.push(Step::Put(owner)),
                Owner::Waiting { answer, .. } => {
                    if answer.is_some() {
                        steps.push(Step::Hear(owner));
                    }
                    if state.left.lost_answers > 0 {
                        steps.push(Step::LoseAnswer(owner));
                    }
                }
                Owner::Settling { .. } => steps.push(Step::Settle(owner)),
            }
            if state.assigned != owner {
                steps.push(Step::Revoke(owner));
            }
            if state.left.crashes > 0 {
                steps.push(Step::Crash(owner));
            }
        }
        for place in 0..state.in_flight.len() {
            steps.push(Step::Land(place));
            if state.left.lost_puts > 0 {
                steps.push(Step::LosePut(place));
            }
        }
        if state.left.rebalances > 0 {
            steps.push(Step::Rebalance);
        }
        if state.left.strangers > 0 {
            steps.push(Step::Stranger);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Rebalance => {
                state.left.rebalances -= 1;
                state.assigned = 1 - state.assigned;
            }
            Step::Stranger => {
                state.left.strangers -= 1;
                state.log.push(None);
            }
            Step::Assign(owner) => state.owners[owner] = Owner::Assigned,
            Step::Revoke(owner) => state.owners[owner] = Owner::Idle,
            Step::Crash(owner) => {
                state.left.crashes -= 1;
                state.owners[owner] = Owner::Idle;
            }
            Step::Read(owner) => {
                let stands = state.stands();
                state.readings[owner] += 1;
                state.owners[owner] = Owner::Working { expected: stands, done: stands };
            }
            Step::Land(place) => self.land(&mut state, place),
            Step::LosePut(place) => {
                state.left.lost_puts -= 1;
                let (version, commit) = state.in_flight.remove(place);
                // Its sender would wait for ever: it gives up.
                if let Owner::Waiting { commit: awaited, answer: None, .. } = state.owners[commit.owner]
                    && awaited == commit
                {
                    state.owners[commit.owner] = Owner::Settling { commit, version };
                }
            }
            Step::Process(owner) => {
                if let Owner::Working { done, .. } = &mut state.owners[owner] {
                    *done += 1;
                }
            }
            Step::Look(owner) => {
                let Owner::Working { expected, done } = state.owners[owner] else { return None };
                self.look(&mut state, owner, expected, done);
            }
            Step::Put(owner) => {
                let Owner::Looked { commit, version } = state.owners[owner] else { return None };
                state.send(commit, version);
            }
            Step::Hear(owner) => {
                let Owner::Waiting { commit, version, answer } = state.owners[owner] else { return None };
                state.owners[owner] = match answer? {
                    true => Owner::Working { expected: commit.to, done: commit.to },
                    // Perhaps refused because of an earlier put of the same commit.
                    false => Owner::Settling { commit, version },
                };
            }
            Step::LoseAnswer(owner) => {
                let Owner::Waiting { commit, version, .. } = state.owners[owner] else { return None };
                state.left.lost_answers -= 1;
                state.owners[owner] = Owner::Settling { commit, version };
                if self.rules == Rules::LostAnswerMeansFailure {
                    state.begin(owner, commit.from, commit.to);
                }
            }
            Step::Settle(owner) => {
                let Owner::Settling { commit, version } = state.owners[owner] else { return None };
                self.settle(&mut state, commit, version);
            }
        }
        self.forget_what_no_longer_matters(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no event's rows land twice", |protocol, state: &State| {
                (0..protocol.events).all(|event| {
                    state.commits().filter(|commit| (commit.from..commit.to).contains(&event)).count() <= 1
                })
            }),
            Property::always("the transaction only grows, and passes over no event", |_, state: &State| {
                let mut stands = 0;
                state.commits().all(|commit| {
                    let follows = commit.from == stands && commit.to > stands;
                    stands = commit.to;
                    follows
                })
            }),
            // Every step uses up a misfortune or brings a commit nearer, so no run is endless: this is "eventually".
            Property::always("when nothing is left to do, every event has landed", |protocol, state: &State| {
                let mut steps = Vec::new();
                protocol.actions(state, &mut steps);
                !steps.is_empty() || state.stands() == protocol.events
            }),
            Property::sometimes("a stale owner is fenced off", |_, state: &State| state.fenced),
            Property::sometimes("a put lands after its sender gave it up", |_, state: &State| state.landed_late),
            Property::sometimes("every event lands in spite of all misfortunes", |protocol, state: &State| {
                let Misfortunes { rebalances, crashes, lost_answers, lost_puts, strangers } = state.left;
                rebalances + crashes + lost_answers + lost_puts + strangers == 0 && state.stands() == protocol.events
            }),
        ]
    }
}

fn protocol(rules: Rules) -> Protocol {
    let left = Misfortunes { rebalances: 2, crashes: 1, lost_answers: 1, lost_puts: 1, strangers: 1 };
    Protocol { rules, events: 2, left }
}

#[test]
fn the_commit_protocol_lands_every_event_once() {
    let checker = protocol(Rules::AsDesigned).checker().threads(2).spawn_bfs().join();
    println!("{} states, {} of them different", checker.state_count(), checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn without_any_one_of_its_rules_the_protocol_fails() {
    for rules in [
        Rules::NoFence,
        Rules::LibraryCheckOnly,
        Rules::FenceOnFirstAttemptOnly,
        Rules::UnconditionalPut,
        Rules::LostAnswerMeansFailure,
    ] {
        let checker = protocol(rules).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let discoveries = checker.discoveries();
        let broken = ["no event's rows land twice", "the transaction only grows, and passes over no event"];
        let path = broken.iter().find_map(|name| discoveries.get(name));
        let steps = path.unwrap_or_else(|| panic!("{rules:?} was not caught")).clone().into_actions();
        println!("{rules:?} fails after {} steps: {steps:?}", steps.len());
    }
}
