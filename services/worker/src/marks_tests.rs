//! Processes that die, and what the marks make of it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const DEATHS: u32 = 3;

#[test]
fn a_note_comes_back_and_what_another_had_under_way_counts_as_a_death() {
    let mut marks = Marks::default();
    marks.begin(40, Company::Others);
    marks.begin(41, Company::Others);
    let note = marks.note("one", 38);
    assert_eq!(note, "bolus-begun/1 one 38 2:0o 3:0o");
    let mut found = Marks::read(&note, "two", Some(38));
    assert_eq!(found.standing(40, 1), Standing::Suspect, "nobody knows which of the two it was");
    assert_eq!(Marks::read(&note, "one", Some(38)), Marks::default(), "the process itself is alive");
    assert_eq!(Marks::read(&note, "two", Some(41)).standing(40, 1), Standing::Clear, "it has landed");
    found.begin(40, Company::Alone);
    let note = found.note("two", 38);
    assert_eq!(note, "bolus-begun/1 two 38 2:1a 3:1");
    let found = Marks::read(&note, "three", Some(38));
    assert_eq!(found.standing(40, 2), Standing::Killer { deaths: 2 });
    assert_eq!(found.standing(40, DEATHS), Standing::Suspect);
    assert_eq!(found.standing(41, 1), Standing::Suspect, "it was not under way at the second death");
    assert_eq!(found.note("three", 38), "bolus-begun/1 three 38 2:2! 3:1");
}

#[test]
fn what_is_no_note_says_nothing() {
    for note in
        ["", "bolus-begun/2 x 0 1:1a", "bolus-begun/1", "bolus-begun/1 x y", "bolus-begun/1 x 0 1", "{\"a\": 1}"]
    {
        assert_eq!(Marks::read(note, "me", None), Marks::default(), "{note}");
    }
    let overflowing = format!("bolus-begun/1 x {} 9:4294967295a {}:1", i64::MAX, i64::MAX);
    assert_eq!(Marks::read(&overflowing, "me", None), Marks::default());
    assert_eq!(Marks::read("bolus-begun/1 x 0 9:4294967295a", "me", None).suspects(), 1);
}

#[test]
fn a_note_stays_within_what_a_broker_takes_and_keeps_what_is_under_way() {
    let base = i64::MAX / 2;
    let suspects: Vec<String> = (0..2_000).map(|number| format!("{}:1", number * 1_000_000)).collect();
    let mut marks = Marks::read(&format!("{FORM} x {base} {}", suspects.join(" ")), "me", Some(base));
    for number in 0..200 {
        marks.begin(base + 7 + number * 1_000_000_000, Company::Others);
    }
    let note = marks.note("0123456789abcdef", base);
    assert!(note.len() < 4_096, "{}", note.len());
    assert_eq!(note.matches('o').count(), 200 + FORM.matches('o').count());
}

#[test]
fn what_has_ended_or_been_let_go_is_no_suspect() {
    let mut marks = Marks::default();
    (0..4).for_each(|offset| marks.begin(offset, Company::Others));
    marks.pause(0);
    marks.end(1);
    marks.landed(3);
    assert_eq!(marks.note("one", 3), "bolus-begun/1 one 3 0:0o");
    marks.pause_all();
    assert_eq!(marks, Marks::default());
}

/// A run of one process: records start in order, `side_by_side` at a time, suspects alone. It dies when a killer is under way.
/// Gives the note that it leaves, and what it ended.
fn run(note: &str, process: &str, records: &[i64], killers: &BTreeSet<i64>, side_by_side: usize) -> (String, Vec<i64>) {
    let mut marks = Marks::read(note, process, Some(0));
    let mut ended = Vec::new();
    let mut waiting = records.to_vec();
    while !waiting.is_empty() {
        let standing = |marks: &Marks, offset: &i64| marks.standing(*offset, DEATHS);
        let (batch, company) = match standing(&marks, &waiting[0]) {
            Standing::Killer { .. } => {
                // Its mark stays until its row has landed, or the next process would run it once more.
                ended.push(waiting.remove(0));
                continue;
            }
            Standing::Suspect => (vec![waiting[0]], Company::Alone),
            Standing::Clear => {
                let clear = waiting.iter().take_while(|offset| standing(&marks, offset) == Standing::Clear);
                (clear.take(side_by_side).copied().collect(), Company::Others)
            }
        };
        batch.iter().for_each(|offset| marks.begin(*offset, company));
        let written = marks.note(process, 0);
        if batch.iter().any(|offset| killers.contains(offset)) {
            return (written, ended);
        }
        waiting.retain(|offset| !batch.contains(offset));
        batch.iter().for_each(|offset| marks.end(*offset));
        ended.extend(batch);
    }
    (marks.note(process, 0), ended)
}

proptest! {
    /// Whatever the killers and the company, every record ends, each killer after few deaths, and nobody else is given up.
    #[test]
    fn killers_are_given_up_and_nobody_else(
        count in 1..40_i64,
        killers in prop::collection::btree_set(0..40_i64, 0..5),
        side_by_side in 1..9_usize,
    ) {
        let killers: BTreeSet<i64> = killers.into_iter().filter(|killer| *killer < count).collect();
        let records: Vec<i64> = (0..count).collect();
        let (mut note, mut ended) = (String::new(), Vec::new());
        let mut processes = 0;
        while ended.len() < records.len() {
            // Nothing lands before the end: the worst case, in which all is read again.
            (note, ended) = run(&note, &format!("process-{processes}"), &records, &killers, side_by_side);
            processes += 1;
            let found = Marks::read(&note, "a look", Some(0));
            for offset in records.iter().filter(|offset| !killers.contains(offset)) {
                prop_assert!(!matches!(found.standing(*offset, DEATHS), Standing::Killer { .. }), "{offset}: {note}");
            }
            // A death in company more than are needed, at most.
            prop_assert!(processes <= killers.len() * (DEATHS as usize + 1) + 1, "{processes} processes: {note}");
        }
    }
}
