use super::*;

fn evidence(attribute: &str, says: Says, rule: &str) -> Evidence {
    Evidence { attribute: attribute.into(), value: "x".into(), says, rule: rule.into() }
}

#[test]
fn agents() {
    let named = (Says::Enhanced, "agent-named");
    let negated = (Says::Native, "agent-negated");
    let elsewhere = (Says::Undecided, "agent-not-intravenous");
    let unknown = (Says::Undecided, "agent-unknown");
    for (text, expected) in [
        ("ISOVUE300/100", named),
        ("NON IONIC", named),
        ("non-ionic", named),
        ("APPLIED", named),
        ("CE", named),
        ("Y", named),
        ("YES", named),
        ("CONTRAST", named),
        ("APPLIED - ORAL & IV", named),
        ("Omnipaque 350 IV", named),
        ("100 ml Ultravist", named),
        ("C+", named),
        ("N", negated),
        ("NO", negated),
        ("None", negated),
        ("0", negated),
        ("W/O", negated),
        ("no contrast", negated),
        ("NO IV CONTRAST", negated),
        ("non-contrast", negated),
        ("WITHOUT CONTRAST", negated),
        ("ohne KM", negated),
        ("nativ", negated),
        ("ORAL", elsewhere),
        ("Oral Omnipaque", elsewhere),
        ("Barium sulfate", elsewhere),
        ("RECTAL", elsewhere),
        ("water", elsewhere),
        ("UNKNOWN", unknown),
        ("N/A", unknown),
        ("-", unknown),
        ("W/WO", (Says::Undecided, "agent-with-and-without")),
        // Other languages, doses and routes within the text.
        ("OMNIPAQUE 350 100ML", named),
        ("Iomeron 400 i.v.", named),
        ("Kontrastmittel", named),
        ("Омнипак 350", named),
        ("碘海醇", named),
        ("イオパミドール 100mL", named),
        ("GASTROGRAFIN + OMNIPAQUE 300", named),
        ("Keine", negated),
        ("sans", negated),
        ("Ninguno", negated),
        ("нет", negated),
        ("brak", negated),
        ("无", negated),
        ("なし", negated),
        ("없음", negated),
        ("0 cc", negated),
        ("None.", negated),
        ("sin contraste", negated),
        ("senza mdc", negated),
        ("kontrastsız", negated),
        ("平扫", negated),
        ("OMNI 350 PO", elsewhere),
        ("Telebrix Gastro 50 ml", elsewhere),
        ("CO2", elsewhere),
        ("VOLUMEN", elsewhere),
        ("unbekannt", unknown),
        ("?", unknown),
        ("不明", unknown),
        // Denials beside other words, and doses of nothing.
        ("KEINES (Allergie)", negated),
        ("IV: none", negated),
        ("i.v. nein", negated),
        ("OMNIPAQUE 0ML", negated),
        ("OMNIPAQUE 350 0 ml", negated),
        ("0.0 ml Omnipaque", negated),
        ("OMNIPAQUE 5.0 ML", named),
        ("none given DR SMITH", negated),
        ("NULL MARIA", (Says::Enhanced, "agent-not-recognised")),
        ("MUELLER HANS", (Says::Enhanced, "agent-not-recognised")),
    ] {
        assert_eq!(agent(text, Route::Unstated), expected, "{text}");
    }
    assert_eq!(agent("ISOVUE", Route::Other), elsewhere);
    assert_eq!(agent("ISOVUE", Route::Vascular), named);
}

fn agent(text: &str, route: Route) -> (Says, &'static str) {
    let Reading { says, rule, .. } = read_agent(text, route);
    (says, rule)
}

#[test]
fn of_an_agent_only_known_words_are_kept() {
    for (text, kept) in [
        ("MUELLER HANS", ""),
        ("Omnipaque 350 MUELLER HANS", "Omnipaque 350"),
        ("ISOVUE300/100", "ISOVUE300/100"),
        ("none given DR SMITH", "none given"),
        ("SMITH oral", "oral"),
        ("SMITH IV", "IV"),
        ("YES", "YES"),
        ("0 ml", "0 ml"),
        ("unknown", "unknown"),
    ] {
        assert_eq!(read_agent(text, Route::Unstated).phrase, kept, "{text}");
    }
    assert_eq!(read_route("IV DR SMITH").1, "IV");
}

#[test]
fn routes() {
    for (text, expected) in [
        ("IV", Route::Vascular),
        ("I.V.", Route::Vascular),
        ("Intravenous route", Route::Vascular),
        ("intra-arterial", Route::Vascular),
        ("ORAL & IV", Route::Vascular),
        ("ORAL", Route::Other),
        ("PO", Route::Other),
        ("per rectum", Route::Other),
        ("intrathecal", Route::Other),
        ("Intraarticular", Route::Other),
        ("", Route::Unstated),
        ("power injector", Route::Unstated),
        ("Intraveineuse", Route::Vascular),
        ("endovenosa", Route::Vascular),
        ("e.v.", Route::Vascular),
        ("внутривенно", Route::Vascular),
        ("静脉注射", Route::Vascular),
        ("dożylnie", Route::Vascular),
        ("doustnie", Route::Other),
        ("voie orale", Route::Other),
        ("口服", Route::Other),
    ] {
        assert_eq!(read_route(text).0, expected, "{text}");
    }
}

#[test]
fn verdicts() {
    let agent = evidence("ContrastBolusAgent", Says::Enhanced, "agent-named");
    let denied = evidence("ContrastBolusAgent", Says::Native, "agent-negated");
    let with = evidence("SeriesDescription", Says::Enhanced, "words-with");
    let without = evidence("SeriesDescription", Says::Native, "words-without");
    let virtual_native = evidence("SeriesDescription", Says::Native, "words-virtual-native");
    let ordered = evidence("StudyDescription", Says::Enhanced, "words-with");
    let ordered_without = evidence("RequestAttributesSequence", Says::Native, "words-without");
    let both = evidence("StudyDescription", Says::Undecided, "words-with-and-without");
    let pre = evidence("ContrastBolusAgentPhase", Says::Native, "usage-phase");
    let post = evidence("ContrastBolusAgentPhase", Says::Enhanced, "usage-phase");
    for (given, verdict) in [
        (vec![], Declared::Absent),
        (vec![&both], Declared::Absent),
        (vec![&agent], Declared::Yes),
        (vec![&agent, &with], Declared::Yes),
        (vec![&agent, &without], Declared::Contradictory),
        (vec![&denied, &with], Declared::Contradictory),
        (vec![&agent, &virtual_native], Declared::No),
        (vec![&agent, &pre], Declared::No),
        (vec![&agent, &pre, &post], Declared::Contradictory),
        (vec![&ordered], Declared::Yes),
        (vec![&ordered, &ordered_without], Declared::Contradictory),
        (vec![&ordered, &without], Declared::No),
        (vec![&ordered_without, &agent], Declared::Yes),
        (vec![&both, &agent], Declared::Yes),
    ] {
        let given: Vec<Evidence> = given.into_iter().cloned().collect();
        assert_eq!(declare(given.clone()).verdict, verdict, "{given:?}");
        assert_eq!(declare(given.iter().cloned().rev().chain(given.clone())), declare(given));
    }
}

#[test]
fn evidence_is_in_tag_order_without_repeats() {
    let agent = evidence("ContrastBolusAgent", Says::Enhanced, "agent-named");
    let study = evidence("StudyDescription", Says::Enhanced, "words-with");
    let declared = declare([agent.clone(), study.clone(), agent.clone()]);
    assert_eq!(declared.evidence, [study, agent]);
}
