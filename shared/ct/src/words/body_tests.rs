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
        ("Brjósthol", "chest"),
        ("krūtinė su kontrastu", "chest"),
        ("Rindkere", "chest"),
        ("Ngực", "chest"),
        ("Гръден кош", "chest"),
    ] {
        assert_eq!(names(&body_parts_of_words(text)), expected, "{text}");
    }
}
