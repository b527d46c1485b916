use super::*;

fn check(level: Level, says: Option<Says>, texts: &[&str]) {
    for text in texts {
        let found = read_contrast(text, level);
        assert_eq!(found.as_ref().map(|found| found.says), says, "{text:?} read by {found:?}");
    }
}

#[test]
fn enhanced() {
    let texts = [
        "CT ABD AND PELVIS WITH IV CONT",
        "CT CHEST PULMONARY ANGIO WITH IV CON",
        "Body 1.0 CE",
        "CHEST C+",
        "CT ABD PELVIS(WITH CHEST IMAGES) W IV CON",
        "CT, CHEST, W CONTRAST",
        "CT CHEST W",
        "CT CHEST W/",
        "T1 +C",
        "CT CHEST W/CONTRAST",
        "ABD/PEL W/IV CON",
        "Abdomen portalvenös 3.0",
        "THORAX mit KM",
        "Thorax m. KM",
        "TDM TAP avec injection",
        "TAP injecté",
        "TC TORACE CON MDC",
        "TC ABDOMEN CON CONTRASTE",
        "Arterial 1.25",
        "CTA HEAD/NECK",
        "CTPA 1.0",
        "CT angiography",
        "VENOUS PHASE",
        "PORTAL VENOUS",
        "POST CONTRAST",
        "POST 5.0",
        "ORAL AND IV CONTRAST",
        "CT ABD W IV AND ORAL",
        "CT ABD W IV CONTRAST WO ORAL",
        "enhanced 5mm",
        "C+ art",
        "non ionic contrast",
        "增强 1.0",
        "造影CT",
        "CT THORAX MED KONTRAST",
        "CT TORAX C/ CONTRASTE",
        "THORAX KM+",
        "CT HEAD CONTRAST",
        "I.V. CONTRAST",
        "CT ABDOMEN +CONTRAST",
        "DELAYED WITH CONTRAST",
        "krūtinė su kontrastu",
        "Toraks kontras",
        "Toraks dengan kontras",
        "Vatsa tehosteaineella",
        "CONTRAST 5.0 ml",
        "10.0 cc contrast",
        "breath hold contrast",
        "CONTRAST - ARTERIAL",
    ];
    check(Level::Series, Some(Says::Enhanced), &texts);
    check(Level::Study, Some(Says::Enhanced), &texts);
}

#[test]
fn native() {
    let texts = [
        "CT ABD AND PELVIS WO IV CONT",
        "CT CHEST WO IV CONT",
        "5/5mm Plain",
        "1A TRAUMA/PLAIN HEAD DM",
        "CHEST W/O",
        "CT CHEST W^O CONTRAST",
        "CT HEAD WITHOUT",
        "NON-CON",
        "NON CONTRAST HEAD",
        "noncontrast",
        "Unenhanced 3mm",
        "un-enhanced",
        "Abdomen nativ 3.0",
        "NATIVE",
        "sans injection",
        "SANS IV",
        "Thorax ohne KM",
        "Thorax o. KM",
        "TC torace senza mdc",
        "TC SIN CONTRASTE",
        "TC TORAX S/ CONTRASTE",
        "CT TORAX SEM CONTRASTE",
        "CHEST C-",
        "chest -C",
        "NCCT HEAD",
        "PRE CONTRAST",
        "PRE",
        "Pre 5.0",
        "CT KUB NO IV CONTRAST",
        "NO CONTRAST",
        "CT HEAD NC",
        "VNC",
        "Virtual Non-Contrast 1.0",
        "virtual unenhanced",
        "CALCIUM SCORE",
        "Ca Scoring 3.0",
        "CaScore",
        "CT ABD WITH ORAL WITHOUT IV",
        "WITHOUT ORAL OR IV CONTRAST",
        "平扫",
        "単純CT",
        "C- ",
        "CT W/OUT CONTRAST",
        "CT zonder contrast",
        "CT bez kontrastu",
        "КТ без контраста",
        "avant injection",
        "CT CHEST WO",
        "TC SENZA",
        "VNC ARTERIAL",
        "non enhanced",
        "IV contrast held",
        "CONTRAST -",
        "ce-",
        "Contrast 0 ml",
        "contrast 0.0 ml",
        "0 cc contrast",
        "0 ml of IV contrast",
        "with contrast 0 ml",
        "minus contrast",
        "contrast omitted",
        "lacks contrast",
        "krūtinės be kontrasto",
        "Toraks tanpa kontras",
        "Thx nat.",
        "Vatsa ilman tehosteainetta",
        "IV CONTRAST NONE".trim_start_matches("IV "),
    ];
    check(Level::Series, Some(Says::Native), &texts);
    check(Level::Study, Some(Says::Native), &texts);
    check(Level::Series, Some(Says::Native), &["CTA HEAD W/O", "NON CON ANGIO"]);
}

#[test]
fn undecided() {
    let texts = [
        "CT ANGIO ABD AND PEL WWO IV CONT",
        "CT ABD W WO",
        "CT HEAD W/WO CONTRAST",
        "CT HEAD W/ & W/O",
        "W&WO",
        "WO/W",
        "CT LIVER WITH AND WITHOUT CONTRAST",
        "CT WITHOUT & WITH",
        "CT WO+W",
        "C+/-",
        "C- C+",
        "avec et sans injection",
        "mit und ohne KM",
        "CON Y SIN CONTRASTE",
        "CON E SENZA MDC",
        "PRE AND POST",
        "PRE/POST CONTRAST",
        "nativ + KM",
        "ORAL CONTRAST ONLY",
        "WITH ORAL CONTRAST",
        "CT ABD ORAL",
        "SMART PREP",
        "premonitoring",
        "Bolus tracking",
        "ABD WO CONTRAST, PELVIS W CONTRAST",
        "WW/O",
        "CALCIUM SCORE AND CTA",
    ];
    check(Level::Series, Some(Says::Undecided), &texts);
    check(Level::Study, Some(Says::Undecided), &texts);
    check(Level::Study, Some(Says::Undecided), &["CTA HEAD W/O"]);
    check(Level::Series, Some(Says::Undecided), &["ABD NATIVE/ARTERIAL"]);
    check(Level::Study, Some(Says::Undecided), &["ABD NATIVE/ARTERIAL"]);
}

#[test]
fn silent() {
    let texts = [
        "",
        "e+1",
        "STEREOTAXIS",
        "1 25 MM CORONAL",
        "SAG 3MM",
        "CT Body 3.0",
        "CHEST 2.5 MM/ABD.PEL 2.5MM",
        "CHEST 5X5",
        "STANDARD 2.5MM",
        "HELICAL CHEST",
        "Thorax 1.0 B70f",
        "post-op",
        "POST OP SPINE",
        "PRE-OP PLANNING",
        "Pre-TAVI",
        "C-SPINE",
        "CT HEAD W C-SPINE",
        "CT C SPINE",
        "HEAD W/3D",
        "CT WITH MPR",
        "DELAYED",
        "delayed 5 min",
        "Topogram 0.6 with contrast",
        "SCOUT",
        "Lung W",
        "edge enhanced",
        "sinus 1.0",
        "PET CT AC",
        "low contrast",
        "POST RT",
        "Nasal sin",
        "CT CHEST WITH CHEST IMAGES",
        "CTAP 2mm",
        "AP 5mm",
        "CTAC",
        "angiomyolipoma",
        // Hints at contrast, and no word of it.
        "PE PROTOCOL",
        "triple phase liver",
        "low dose CTAC",
    ];
    check(Level::Series, None, &texts);
    check(Level::Study, None, &texts);
}
