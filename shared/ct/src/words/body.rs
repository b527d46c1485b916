//! Body parts named by Body Part Examined (0018,0015) and by the words of descriptions.

use std::sync::LazyLock;

use bolus_study::BodyPart::{self, Abdomen, Chest, Extremity, HeadNeck, Pelvis};

use super::phrases::{PhraseTable, tokens};

/// Phrases in descriptions. Spine levels count as the part whose axial slices show them.
#[rustfmt::skip]
const ROWS: &[(&[BodyPart], &str)] = &[
    (&[HeadNeck],
        "head*|brain*|skull*|cranium|cranial*|crane|craneo|cranio*|cerebr*|neuro|face|facial*|orbit*|sinus*|nasal*|\
         temporal bone*|petrous*|mastoid*|iac|neck*|cervical*|c spine|cspine|csp|carotid*|larynx|pharynx|nasopharyn*|\
         oropharyn*|thyroid*|parotid*|mandib*|maxill*|dental|tmj|schadel*|schaedel*|kopf|hals|hirn|encephal*|cou|tete|\
         testa|collo|cabeza|cuello|cabeca|pescoco|hoofd|nek|hnc|headneck|circle of willis|willis|hoved|hode|huvud|nnh"),
    (&[Chest],
        "chest*|thora*|lung|lungs|lunge*|lungen*|pulmon*|poumon*|mediastin*|heart*|cardiac*|cardio*|coronar*|herz|\
         tora*|torax|pe|ctpa|rib|ribs|sternum|breast*|mamma|t spine|tspine|hrct|bronch*|trachea*|esophag*|oesophag*|pleura*"),
    (&[Abdomen],
        "abd|abd*|abdom*|bauch|oberbauch|liver|hepat*|leber|foie|higado|fegato|kidney*|renal*|niere*|rein|reins|rinon*|\
         pancrea*|pankrea*|spleen*|adrenal*|stomach*|gastr*|bowel*|colon*|enterogra*|biliar*|l spine|lspine|lumbar*|\
         mesenter*|buik|addome|ventre"),
    (&[Pelvis],
        "pelv*|pel|plv|becken|unterbauch|bacino|bassin|bekken|baekken|hip|hips|prostat*|bladder*|blase|rectum|rectal|uter*|\
         ovar*|sacr*|s spine|sspine|si joint*|huft*|hanche*|cadera*"),
    (&[Abdomen, Pelvis], "ap|a / p|ctap|abdpel*|abdomenpelvis|kub|urogra*|urogram*|uroscan*|ureter*|iliac*"),
    (&[Chest, Abdomen], "chestabd|thoraxabdomen|chestabdomen|aort*|lower chest upper abdomen"),
    (&[Chest, Abdomen, Pelvis],
        "cap|tap|c / a / p|t / a / p|ch / abd / pel*|chestabdpel*|chestabdomenpelvis|ctcap|cttap|tavi|tavr"),
    (&[Extremity],
        "extremit*|arm|arms|leg|legs|hand|hands|wrist*|elbow*|shoulder*|knee*|ankle*|foot|feet|femur*|thigh*|tibia*|\
         calf|forearm*|humer*|finger*|toe|toes|runoff|run off|fuss|knie|schulter*|genou*|cheville*|rodilla*|pied|main|\
         heel|calcane*|scapula*|clavic*"),
    // Names of other things, so that the words in them are not read.
    (&[], "lung window|head first|feet first|hfs|ffs|head holder|neck brace|hand tracking|body|lung nodule window|ap view"),
];

static WORDS: LazyLock<PhraseTable<&'static [BodyPart]>> = LazyLock::new(|| PhraseTable::new(ROWS));

/// The parts that the words of `text` name, in the order of the body, each once.
pub(crate) fn body_parts_of_words(text: &str) -> Vec<BodyPart> {
    in_body_order(&WORDS.matches(&tokens(text)))
}

/// The parts that a value of Body Part Examined names (PS3.16 annex L, with the run-together values of CID 4031 such
/// as `CHESTABDPELVIS`). Values that name no part (`PARTIALBODY`, `WHOLEBODY`, unknown ones) give none.
pub(crate) fn body_parts_of_tag(value: &str) -> Vec<BodyPart> {
    let upper = value.to_ascii_uppercase();
    let letters: String = upper.chars().filter(char::is_ascii_alphabetic).collect();
    if ["WHOLEBODY", "PARTIALBODY", "BODY", "TRUNK"].contains(&letters.as_str()) {
        return Vec::new();
    }
    // "CHEST_TO_PELVIS" names the ends of a range.
    if let Some((from, to)) = upper.split_once("_TO_").or_else(|| upper.split_once(" TO ")) {
        let ends = [body_parts_of_tag(from), body_parts_of_tag(to)].concat();
        let (Some(first), Some(last)) = (ends.iter().min(), ends.iter().max()) else { return Vec::new() };
        return BodyPart::ALL.into_iter().filter(|part| (first..=last).contains(&part)).collect();
    }
    let by_words = body_parts_of_words(value);
    let joined: &[(&str, BodyPart)] = &[
        ("HEAD", HeadNeck),
        ("NECK", HeadNeck),
        ("CHEST", Chest),
        ("THORAX", Chest),
        ("ABD", Abdomen),
        ("PELV", Pelvis),
    ];
    let by_letters = joined.iter().filter(|(name, _)| letters.contains(name)).map(|(_, part)| *part);
    let all: Vec<BodyPart> = by_words.into_iter().chain(by_letters).collect();
    in_body_order(&[all.as_slice()])
}

fn in_body_order(found: &[&[BodyPart]]) -> Vec<BodyPart> {
    BodyPart::ALL.into_iter().filter(|part| found.iter().any(|parts| parts.contains(part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parts: &[BodyPart]) -> String {
        parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join("+")
    }

    #[test]
    fn values_of_the_tag() {
        for (value, expected) in [
            ("CHEST", "chest"),
            ("THORAX", "chest"),
            ("HEADNECK", "head-neck"),
            ("NECK", "head-neck"),
            ("HEAD", "head-neck"),
            ("SKULL", "head-neck"),
            ("BRAIN", "head-neck"),
            ("ABDOMEN", "abdomen"),
            ("LIVER", "abdomen"),
            ("KIDNEY", "abdomen"),
            ("CHESTABDPELVIS", "chest+abdomen+pelvis"),
            ("ABDOMENPELVIS", "abdomen+pelvis"),
            ("TSPINE", "chest"),
            ("CSPINE", "head-neck"),
            ("LSPINE", "abdomen"),
            ("NECKCHEST", "head-neck+chest"),
            ("BREAST", "chest"),
            ("CHEST_TO_PELVIS", "chest+abdomen+pelvis"),
            ("PARTIALBODY", ""),
            ("WHOLEBODY", ""),
            ("", ""),
            ("XYZ", ""),
            ("PELVIS", "pelvis"),
            ("HEART", "chest"),
            ("EXTREMITY", "extremity"),
            ("FOREARM", "extremity"),
            ("HIP", "pelvis"),
            ("CHEST ABDOMEN", "chest+abdomen"),
            ("KNEE", "extremity"),
            ("NECKCHESTABDPELV", "head-neck+chest+abdomen+pelvis"),
        ] {
            assert_eq!(names(&body_parts_of_tag(value)), expected, "{value}");
        }
    }

    #[test]
    fn words_of_descriptions() {
        for (text, expected) in [
            ("CT ABD AND PELVIS WITH IV CONT", "abdomen+pelvis"),
            ("CT CHEST PULMONARY ANGIO", "chest"),
            ("CT Body 3.0", ""),
            ("CHEST 2.5 MM/ABD.PEL 2.5MM", "chest+abdomen+pelvis"),
            ("1A TRAUMA/PLAIN HEAD DM", "head-neck"),
            ("CAP", "chest+abdomen+pelvis"),
            ("Schädel nativ", "head-neck"),
            ("Hals/Thorax", "head-neck+chest"),
            ("TDM TAP avec injection", "chest+abdomen+pelvis"),
            ("TC torace", "chest"),
            ("CTA carotid", "head-neck"),
            ("Leber arteriell", "abdomen"),
            ("STEREOTAXIS", ""),
            ("C/A/P", "chest+abdomen+pelvis"),
            ("TORAX", "chest"),
            ("renal stone", "abdomen"),
            ("C-SPINE", "head-neck"),
            ("crâne", "head-neck"),
            ("Lung window", ""),
            ("foot", "extremity"),
            ("head first", ""),
        ] {
            assert_eq!(names(&body_parts_of_words(text)), expected, "{text}");
        }
    }
}
