//! What the words of a description say about intravenous contrast.

use std::sync::LazyLock;

use bolus_study::Says;

use super::phrases::{PhraseTable, tokens};

/// Whether a text speaks of one series or of the whole study, which may hold series of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Series Description, Protocol Name.
    Series,
    /// Study Description, the request and the procedure.
    Study,
}

/// What one phrase says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// "with contrast", "post contrast", "C+".
    With,
    /// Words that imply contrast: a phase, angiography, "enhanced".
    Implied,
    /// "without contrast", "native", "C-".
    Without,
    /// "with and without".
    Both,
    /// Oral or rectal contrast.
    Oral,
    /// Virtual non-contrast: computed from an enhanced scan, and its pixels look native.
    VirtualNative,
    /// Calcium scoring, which is done without contrast.
    CalciumScore,
    /// Bolus tracking and timing: few slices at one place, enhanced or not.
    Tracking,
    /// Localizers and reports: their words say nothing.
    Scout,
    /// Words that look like the above and are not.
    Nothing,
}

/// Words of "with", for "with and without".
const WITH: &[&str] = &["with", "w", "avec", "mit", "con", "com", "post", "c+", "med", "met", "cu", "z"];
/// Words of "without".
const WITHOUT: &[&str] = &[
    "without", "wo", "sans", "ohne", "sin", "senza", "sem", "pre", "c-", "zonder", "uten", "uden", "utan", "bez",
    "fara",
];
/// What may stand between them.
const JOINS: &[&str] = &["", "and ", "/ ", "& ", "+ ", "or ", "und ", "et ", "ou ", "y ", "e ", "o ", "en ", "og "];

#[rustfmt::skip]
const ROWS: &[(Mark, &str)] = &[
    (Mark::Nothing,
        "low contrast|high contrast|auto contrast|contrast resolution|edge enhanc*|image enhanc*|lung enhanc*|\
         c sp*|w c sp*|with c sp*|wo c sp*|without c sp*|lung w|bone w|brain w|tissue w|\
         no oral|wo oral|without oral|no po|wo po|without rectal|wo rectal|no rectal|angiomyo*|\
         contrast allergy|allergy to contrast|venous malformation*|portal hypertension"),
    (Mark::Scout,
        "scout*|topogram*|topo|localizer*|localiser*|surview|scanogram|dose report|dose info*|patient protocol|\
         dose summary|exam summary|screen save"),
    (Mark::VirtualNative,
        "vnc|virtual non @|virtual noncon*|virtual non contrast*|virtual unenhanc*|virtual nativ*|virtuell nativ*|\
         virtuelle nativ*|virtual without @|virtual wo @|virtual plain"),
    (Mark::CalciumScore,
        "calcium scor*|calcium sc|calciumscor*|ca scor*|cascor*|ca sc|cac|cacs|cac scor*|calc scor*|cal scor*|calscor*|\
         agatston|score calc*|coronary calc*|kalkscor*|calcio score|heart score"),
    (Mark::Tracking,
        "smart prep*|smartprep*|premon*|monitoring|bolus track*|test bolus|testbolus|timing bolus|bolus timing|\
         care bolus|carebolus|sure start|surestart|tracker|bolus monitor*|prep delay"),
    (Mark::Both, "wwo|w wo|wow|c+-|c+ c-|c- c+|c+ / c-|c- / c+|ww o|pre post|plain and enhanced|plain + enhanced"),
    (Mark::Without,
        "wo|wo @|without|without @|with out|with out @|wout|without oral or iv|without oral or iv @|wo oral or iv|wo oral or iv @|no oral or iv|no oral or iv @|\
         without oral and iv|without oral and iv @|wo oral and iv|wo oral and iv @|without any @|with no @|w no @|no @|no iv @|no intraven* @|\
         without iv @|wo iv @|non @|non iv @|not @|nil @|nil iv @|noncon*|non con*|nonenhanc*|unenhanc*|un enhanc*|unenh|\
         not given|none given|not administered|contrast none|contrast no|contrast nil|contrast not given|\
         nect|ncct|ncect|nc|nce|native*|nativ|natif|natifs|nativo|nativa|nativphase|nativni*|plain|blanco|c-|\
         precontrast*|prekontrast*|pre @|pre iv @|pre #|before @|avant @|vor @|antes de @|prima di @|\
         sans @|sans iv @|sans #|ohne @|ohne iv @|ohne #|o km|senza @|senza #|senza mezzo|sin @|sin medio|\
         sem @|sem meio|zonder @|zonder #|uten @|uden @|utan @|bez @|fara @|kontrastlos*|kontrastfrei*|kontrastsiz*|\
         tc simple|tac simple|basale|без контраст*|без ку|нативн*"),
    (Mark::With,
        "with @|with #|with iv @|with intraven* @|w @|w #|w iv @|with and iv|iv @|iv contrast*|intraven* @|\
         avec @|avec iv @|avec inj*|mit @|mit #|m km|con contrast*|con civ|con mdc|con medio|con mezzo|con iv|\
         com contrast*|com civ|com meio|med kontrast*|med iv|med km|met contrast*|met iv|met km|z kontrast*|cu contrast|\
         post @|post iv @|post #|postcontrast*|postkontrast*|post gad*|after @|apres @|nach @|dopo @|despues de @|\
         + contrast*|+ kontrast*|+ iv|+ km|+ cm|+ mdc|+ con|c+|oral and iv|oral & iv|oral / iv|oral + iv|oral iv|\
         po and iv|po & iv|po / iv|po iv|iv and oral|iv & oral|iv / oral|iv + oral|iv oral|iv po|iv / po|iv and po|\
         oral w iv|oral with iv|\
         с контраст*|kontrastli*"),
    (Mark::Implied,
        "contrast*|kontrast*|enhanced|enhancement|ce|cect|cemct|kmct|contrast enhanc*|non ionic*|nonionic*|\
         cta|ctas|ctpa|ctv|ctangio*|angio|angiogr*|angioct|angiotc|angiotac|angioscan*|\
         arterial*|arteriell*|arterielle|arterieel|arteriosa|art phase|art ph|late art|early art|\
         portal|portale|portalvenos*|portalvenous|portovenos*|portovenous|portalven|porto venos*|portaal|pv phase|pvp|\
         portalphase|portalven*|venous|venos*|veneus|veineu*|venosa|nephrograph*|nephrogram*|nephrogen*|corticomedull*|\
         corticomed*|excretory|urograph*|urogram*|uro ct|ct uro|parenchymal phase|hepatic phase|pancreatic phase|\
         pulmonary embol*|lung embol*|lungenembol*|embolie pulm*|pe protocol|pe study|perfusion|perfusie|\
         injecte*|контраст*|кт ангио*|ангио*"),
    (Mark::Oral,
        "oral|oral @|oral contrast*|orally|po @|per os|peroral*|oral only|rectal @|rectal contrast*|enteric @|barium|\
         gastrografin*|gastroview|readi cat|e z cat|volumen|oralis*|voie orale"),
];

/// Signs without spaces between words: Chinese, Japanese and Korean. The first that occurs counts.
const SIGNS: &[(Mark, &str)] = &[
    (Mark::Without, "平扫"),
    (Mark::Without, "平掃"),
    (Mark::Without, "非造影"),
    (Mark::Without, "単純"),
    (Mark::Without, "비조영"),
    (Mark::With, "增强"),
    (Mark::With, "增強"),
    (Mark::With, "造影"),
    (Mark::With, "조영"),
];

static TABLE: LazyLock<PhraseTable<Mark>> = LazyLock::new(|| {
    let mut both = String::new();
    for (with, without) in WITH.iter().flat_map(|with| WITHOUT.iter().map(move |without| (with, without))) {
        for join in JOINS {
            both.push_str(&format!("{with} {join}{without}|{without} {join}{with}|"));
        }
    }
    let rows: Vec<(Mark, &str)> = ROWS.iter().copied().chain([(Mark::Both, both.as_str())]).collect();
    PhraseTable::new(&rows)
});

/// What `text` says about intravenous contrast, with the name of the rule; `None` where it says nothing.
///
/// Negatives are looked for before positives, as the longest phrase wins ("non contrast" before "contrast").
pub(crate) fn read_contrast(text: &str, level: Level) -> Option<(Says, &'static str)> {
    let mut marks = TABLE.matches(&tokens(text));
    if !text.is_ascii() {
        marks.extend(SIGNS.iter().find(|(_, sign)| text.contains(sign)).map(|(mark, _)| *mark));
    }
    let has = |mark| marks.contains(&mark);
    let positive = has(Mark::With) || has(Mark::Implied);
    // A series is one phase: "CTA W/O" is the scan before the injection. A study may hold both.
    let both = has(Mark::Both)
        || (has(Mark::Without) && (has(Mark::With) || (level == Level::Study && positive)))
        || (has(Mark::CalciumScore) && positive);
    match () {
        () if has(Mark::Scout) => None,
        () if has(Mark::VirtualNative) => Some((Says::Native, "words-virtual-native")),
        () if has(Mark::Tracking) => Some((Says::Undecided, "words-bolus-tracking")),
        () if both => Some((Says::Undecided, "words-with-and-without")),
        () if has(Mark::Without) => Some((Says::Native, "words-without")),
        () if has(Mark::CalciumScore) => Some((Says::Native, "words-calcium-score")),
        () if has(Mark::With) => Some((Says::Enhanced, "words-with")),
        () if has(Mark::Implied) => Some((Says::Enhanced, "words-implied")),
        () if has(Mark::Oral) => Some((Says::Undecided, "words-oral-only")),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: Level, says: Option<Says>, texts: &[&str]) {
        for text in texts {
            let found = read_contrast(text, level);
            assert_eq!(found.map(|(says, _)| says), says, "{text:?} read by {:?}", found.map(|(_, rule)| rule));
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
            "PE PROTOCOL",
            "CT HEAD CONTRAST",
            "I.V. CONTRAST",
            "CT ABDOMEN +CONTRAST",
            "DELAYED WITH CONTRAST",
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
            "IV CONTRAST NONE".trim_start_matches("IV "),
        ];
        check(Level::Series, Some(Says::Native), &texts);
        check(Level::Study, Some(Says::Native), &texts);
        check(Level::Series, Some(Says::Native), &["CTA HEAD W/O", "NON CON ANGIO", "ABD NATIVE/ARTERIAL"]);
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
        check(Level::Study, Some(Says::Undecided), &["CTA HEAD W/O", "ABD NATIVE/ARTERIAL"]);
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
        ];
        check(Level::Series, None, &texts);
        check(Level::Study, None, &texts);
    }
}
