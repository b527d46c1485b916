use std::collections::BTreeMap;

use super::*;

/// Texts that are said to say something, by what they say.
fn said(key: &str) -> Vec<String> {
    let all: BTreeMap<String, Vec<String>> = toml::from_str(include_str!("said.toml")).unwrap();
    all[key].clone()
}

/// Descriptions of each kind, in whatever language.
fn descriptions() -> Vec<(ValueKind, String)> {
    let kinds = [
        (ValueKind::VirtualNative, "virtual-native"),
        (ValueKind::Material, "material"),
        (ValueKind::Perfusion, "perfusion"),
        (ValueKind::Subtraction, "subtraction"),
        (ValueKind::Processed, "processed"),
        (ValueKind::Projection, "projection"),
    ];
    kinds.into_iter().flat_map(|(kind, key)| said(key).into_iter().map(move |text| (kind, text))).collect()
}

/// Whether a text says that the values are no attenuation, or that the image shows no plane.
fn speaks_against(words: &ValueWords) -> bool {
    let told = |kind: &ValueKind| !matches!(kind, ValueKind::Monoenergetic | ValueKind::PerfusionDerived);
    words.found.iter().any(|(kind, _)| told(kind))
}

fn kinds(text: &str) -> Vec<ValueKind> {
    read_description(text).found.into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn descriptions_of_each_kind_are_read() {
    let all = descriptions().into_iter().map(|(kind, text)| (kind, kinds(&text), text));
    let missed: Vec<_> = all.filter(|(kind, found, _)| !found.contains(kind)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn plain_descriptions_stay_plain() {
    let all = said("plain").into_iter().map(|text| (read_description(&text), text));
    let refused: Vec<_> = all.filter(|(words, _)| *words != ValueWords::default()).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn case_and_separators_do_not_matter() {
    for (kind, text) in descriptions().into_iter().filter(|(_, text)| text.is_ascii()) {
        for form in [text.to_uppercase(), text.replace(' ', "_"), text.replace(' ', "  - "), format!("Abd {text} 2.0")]
        {
            // What says so alone says so alone.
            let alone = text == "Sub" && form.starts_with("Abd");
            assert!(alone || kinds(&form).contains(&kind), "{form} of {text}");
        }
    }
}

#[test]
fn words_that_run_together_are_read() {
    for (kind, text) in [
        (ValueKind::VirtualNative, "VIRTUALNONCONTRAST"),
        (ValueKind::VirtualNative, "VirtualnonContrast"),
        (ValueKind::VirtualNative, "virtuellnativ"),
        (ValueKind::Material, "IODINEDENSITY 1.0"),
        (ValueKind::Material, "MATERIALDENSITY"),
        (ValueKind::Material, "EffectiveAtomicNumber"),
        (ValueKind::Material, "URICACID"),
        (ValueKind::Perfusion, "MEANTRANSITTIME"),
        (ValueKind::Perfusion, "TimeToPeak"),
        (ValueKind::Subtraction, "DIFFERENCEIMAGE"),
        (ValueKind::Projection, "VOLUMERENDERING"),
        (ValueKind::Projection, "MaximumIntensityProjection"),
        (ValueKind::Projection, "LUNGMIPS"),
        (ValueKind::Monoenergetic, "MONOPLUS"),
    ] {
        assert!(kinds(text).contains(&kind), "{text}: {:?}", read_description(text));
    }
}

#[test]
fn energies_are_read_in_all_their_forms() {
    let energies = |text: &str| read_description(text).energies_kev;
    for kev in [40.0, 55.0, 59.0, 60.0, 70.0, 80.0, 81.0, 100.0, 190.0] {
        for pattern in [
            "MonoE {}keV",
            "MonoE{}keV , MONOE{}, Spectral (3)",
            "Mono+ {} keV",
            "VMI {}keV",
            "GSI {} keV",
            "{}keV",
            "{} KEV",
            "{}keVS",
            "Monoenergetic Plus {} keV",
            "Monoenergetic_Plus_{}_0_Auto_",
            "mono{}",
            "Mono_{}",
            "MONOE{}",
            "Mono+{}",
            "Spectral {}keV 1.0",
            "E={}keV",
            "keV{}",
            "VMI_{}",
            "Monochromatic {} kev",
            "CT Thorax Mono {}keV",
            "monoE_{}_keV",
            "SBI {}kev",
            "{}_keV",
            "Virtuell monoenergetisch {} keV",
            "{}.0 keV",
            "{},0 keV",
            "mono energétique {} keV",
            "2_5mm_{}keV_STD_N24_23_A30_20",
            "PV_ST_{}keV",
            "1.25 {} KEV",
            "1.25 MM {}keV",
            "{} кэВ",
            "моно {} кэВ",
            "单能量 {}keV",
            "仮想単色 {}keV",
            "{}千电子伏",
            "monoenergetica {} keV",
        ] {
            let text = pattern.replace("{}", &kev.to_string());
            let found = energies(&text);
            assert!(!found.is_empty() && found.iter().all(|one| *one == kev), "{text}: {found:?}");
            assert!(kinds(&text).contains(&ValueKind::Monoenergetic), "{text}");
        }
    }
    assert_eq!(energies("40.5 keV"), [40.5]);
    for text in ["40/70 keV", "40-70keV", "40 to 70 keV", "40keV 70keV", "40, 70 keV"] {
        assert!([40.0, 70.0].iter().all(|kev| energies(text).contains(kev)), "{text}: {:?}", energies(text));
    }
    for unknown in
        ["Monoenergetic", "MonoPlus", "MonoE", "series 5 keV", "keV", "Monochromatic", "virtual mono", "VMI", "单能量"]
    {
        assert_eq!(kinds(unknown), [ValueKind::Monoenergetic], "{unknown}");
        assert!(energies(unknown).is_empty(), "{unknown}");
    }
}

#[test]
fn values_of_image_type_are_read_by_the_same_tables() {
    for value in said("image-type") {
        assert!(speaks_against(&read_image_type(&value)), "{value}");
    }
    for value in said("image-type-plain") {
        assert!(!speaks_against(&read_image_type(&value)), "{value}: {:?}", read_image_type(&value));
    }
    let kev = |value: &str| {
        let mut energies = read_image_type(value).energies_kev;
        energies.dedup();
        energies
    };
    assert_eq!((kev("MONOE 040KEV"), kev("MONO_40KEV"), kev("VMI_70")), (vec![40.0], vec![40.0], vec![70.0]));
    for value in ["VMI", "GSI MONO", "SPECTRAL_MONOE", "VIRTUAL MONOCHROMATIC", "MONO", "MONOENERGETIC"] {
        assert_eq!(
            read_image_type(value).first_of(&[ValueKind::Monoenergetic]).map(|one| one.0),
            Some(ValueKind::Monoenergetic)
        );
        assert!(kev(value).is_empty(), "{value}");
    }
}

#[test]
fn only_the_words_that_say_so_are_kept() {
    let words = read_description("SMITH JOHN Iodine_Map 3.0 DR MILLER");
    assert_eq!(words.found, [(ValueKind::Material, "Iodine_Map".to_owned())]);
    assert_eq!(read_description("Meyer 40.0 keV Schulz").found, [(ValueKind::Monoenergetic, "keV".to_owned())]);
}
