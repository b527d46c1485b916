use super::*;

/// Whether a text says that the values are no attenuation, or that the image shows no plane.
fn speaks_against(words: &ValueWords) -> bool {
    let told = |kind: &ValueKind| !matches!(kind, ValueKind::Monoenergetic | ValueKind::PerfusionDerived);
    words.found.iter().any(|(kind, _)| told(kind))
}

fn kinds(text: &str) -> Vec<ValueKind> {
    read_description(text).found.into_iter().map(|(kind, _)| kind).collect()
}

/// Descriptions of each kind, in whatever language.
const SAID: [(ValueKind, &[&str]); 6] = [
    (
        ValueKind::VirtualNative,
        &[
            "VNC",
            "DE_VNC",
            "Liver VNC",
            "LiverVNC",
            "VNC 3.0 Qr40",
            "VNI",
            "4Q4 VIRTUAL NONCONTRAST",
            "Late_Arterial__VNC_S9_S10_1",
            "Virtual non contrast[HU]",
            "Virtual-NonContrast",
            "VirtualNonContrast",
            "virtualnoncontrast",
            "VIRTUALNONCONTRAST",
            "virtual nonenhanced",
            "virtual unenhanced",
            "VirtualUnenhanced",
            "Dual energy virtual non contrast",
            "Virt. nativ",
            "Virtuell-Nativ",
            "virtuelles Nativbild",
            "virtuell native Bilder",
            "sin contraste virtual",
            "sans contraste virtuel",
            "sem contraste virtual",
            "basale virtuale",
            "wirtualna bezkontrastowa",
            "virtuální nativní",
            "виртуальная нативная",
            "виртуальное бесконтрастное",
            "虚拟平扫",
            "仮想非造影",
            "仮想単純CT",
            "가상 비조영",
            "sanal kontrastsız",
            "virtuális natív",
            "virtuell nativfas",
        ],
    ),
    (
        ValueKind::Material,
        &[
            "Iodine",
            "DE_IODINE__Iodine_S9_S10_1",
            "IODINE_A20",
            "2.5mm IODINE(WATER)",
            "IODINE_WATER_",
            "WATER_IODINE_",
            "Iodine_Map",
            "IodineMap",
            "IODINEMAP",
            "IodineDensity",
            "Iodine Density [mg/ml] , IODINE DENSITY, Spectral (3)",
            "Iodine no Water[mg/ml]",
            "Arterial Iodine 1.25",
            "Iodine map 5.0",
            "MD-I(W)",
            "MD Water(Iodine)",
            "MDWater",
            "Water(Iodine)",
            "material density water",
            "Iod-Overlay",
            "Iodine fused",
            "VUE",
            "VNCa",
            "PureCalcium",
            "PureLumen",
            "Z Effective",
            "Zeff",
            "ZEff",
            "Eff. Z",
            "Effective Atomic Number",
            "rho/Z",
            "RhoZ",
            "Electron density",
            "Electron Density[%EDW]",
            "ElectronDensity",
            "Elektronendichtekarte",
            "densité électronique",
            "Uric Acid",
            "UricAcid",
            "Gout",
            "Calcium Suppressed 25",
            "CaSupp",
            "Contrast-Enhanced Structures",
            "Fat fraction",
            "Fettfraktion",
            "xenon ventilation map",
            "Jodkarte",
            "Jodverteilung",
            "Iodkarte",
            "mappa iodica",
            "mappa dello iodio",
            "cartographie iodée",
            "carte d'iode",
            "yodo mapa",
            "mapa de yodo",
            "mapa do iodo",
            "mapa jodowa",
            "jodová mapa",
            "jodkaart",
            "jodkarta",
            "йодная карта",
            "карта распределения йода",
            "электронная плотность",
            "碘图",
            "碘密度图",
            "ヨード密度",
            "ヨードマップ",
            "ヨウ素マップ",
            "요오드 맵",
            "电子密度",
            "尿酸",
            "iyot haritası",
            "χάρτης ιωδίου",
            "Iodkartierung",
            "jodkort",
            "去碘",
            "水密度画像",
            "ρ/Z",
            "I-map",
            "物质分离 碘(水)",
            "실효 요오드 지도",
            "Fused iodine",
            "K-edge gadolinium",
        ],
    ),
    (
        ValueKind::Perfusion,
        &[
            "CBF",
            "rCBF",
            "rCBV map",
            "MTT",
            "Tmax",
            "TMAX",
            "TTP",
            "TTD",
            "Lung PBV",
            "DE Lung PBV",
            "Blood Flow",
            "BLOODFLOW",
            "BloodVolume",
            "Perfusion MTT",
            "Perfusionskarte",
            "perfusion map",
            "Flow Extraction",
            "mean transit time",
            "permeability",
            "débit sanguin",
            "volumen sanguíneo",
            "mapa perfuzji",
            "кровоток",
            "灌注图",
            "脳血流",
        ],
    ),
    (
        ValueKind::Subtraction,
        &[
            "Subtraction",
            "SUBTRACTED",
            "Subtraktion",
            "Subtrahiert arteriell",
            "DSA sub",
            "SUB art-nat",
            "Differenzbild",
            "soustraction",
            "sottrazione",
            "sustracción",
            "subtração",
            "subtrakcja",
            "субтракция",
            "вычитание",
            "减影",
            "サブトラクション",
            "감산",
            "Bone Subtraction",
            "Sub",
            "digital subtraction",
            "szubtrakció",
            "αφαίρεση",
            "arterial minus native",
            "Knochensubtraktion",
            "resta digital",
            "obraz różnicowy",
            "post minus pre",
        ],
    ),
    (
        ValueKind::Processed,
        &[
            "TRANSAXIAL_TORSO_CT_FUSIONn_NoiseMap",
            "CR Vessel Suppress",
            "ClearRead_CT_Vessel_Suppress",
            "standard deviation",
            "bone suppressed",
            "Fused Axial< >",
            "FUSED PET/CT",
            "attenuation map",
            "Rauschkarte",
            "color map",
        ],
    ),
    (
        ValueKind::Projection,
        &[
            "MIP 10/2",
            "tMIP",
            "ThinMIP",
            "CHESTMIP_AXIAL",
            "MIP-axial",
            "axMIP",
            "MIPS",
            "AXIAL_MIP'S",
            "MinIP",
            "Min-IP",
            "MIN_IP",
            "MaxIP",
            "MAX-IP",
            "Maximum Intensity",
            "maximum intensity projection",
            "VRT",
            "Volume Rendering",
            "VolumeRendered",
            "curved MPR",
            "CPR LAD",
            "Maximumintensitätsprojektion",
            "intensité maximale",
            "máxima intensidad",
            "intensità massima",
            "最大密度投影",
            "最大値投影",
            "容积再现",
            "ボリュームレンダリング",
            "проекция максимальной интенсивности",
            "surface rendering",
        ],
    ),
];

/// Descriptions of plain series that hold words of the tables.
const PLAIN: &[&str] = &[
    "axial",
    "Abdomen w/ iodine contrast",
    "Iodine contrast abdomen",
    "Omnipaque iodine 350",
    "Abd w/ iodine",
    "with iodine",
    "post iodine",
    "IV iodine",
    "100 ml iodine",
    "Iodine 370",
    "no iodine",
    "Iodine IV",
    "Thorax 5.0 B30f",
    "TNC",
    "True non contrast",
    "Perfusion 5.0 H30s",
    "DE Perfusion DATA  A_100kV",
    "Water bottle",
    "native",
    "MONO  A_100kV",
    "Mono 120 kV",
    "70 kV",
    "Blutung",
    "AVERAGE 5 mm",
    "portal venous",
    "Nativ",
    "AverageIP",
    "AIP 4DCT",
    "AVG",
    "RT PLANNING",
    "Thorax MPR ax",
    "GATED 0-90 AVE",
    "DE mixed 0.6",
    "Mixed 120kV",
    "Dual Energy F_0.5",
    "THINS FOR 3D",
    "CHEST_THINS_FOR_MIPS",
    "FOR_LUNG_VIEW",
    "CT FUSION",
    "CT WB FUSION",
    "SCOUT",
    "5_MIN_DELAY",
    "3 min ABD  3.0  B31f",
    "Faza tetnicza  1.5  3D",
    "water",
    "Water Sol & 100ml Ultravist",
    "ISO VUE 300",
    "ISOVUE300_100CC",
    "vue axiale",
    "Vue d'ensemble",
    "VIRTUAL COLONOSCOPY SUPINE",
    "3 1.0 x 0.8 Virtual Bronch",
    "4D flow",
    "AX_Z",
    "SUB MM LUNG",
    "subsegmental PE",
    "Body 5.0 CE",
    "Calcium Score",
    "CaScore 3.0",
    "Fat sat",
    "Gutachten",
    "Lung Vessels DE",
    "Best Contrast DE",
    "碘海醇 增强",
    "碘水造影",
    "平扫",
    "増影",
    "造影CT",
    "単純 CT",
    "йогексол",
    "injection iode",
    "TDM iode",
    "contrast iodine arterial",
    "iodine allergy protocol",
    "C diff colitis",
    "MAX INSPIRATION",
    "Maximum inspiration",
    "CT ANGIO TEP IODE",
    "SUBCLAVIAN",
    "curvature of the spine",
    "Perfusion arterial phase",
    "Gouttenoire",
    "mono segment recon",
    "Difficult airway",
];

#[test]
fn descriptions_of_each_kind_are_read() {
    let missed: Vec<_> = SAID
        .iter()
        .flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text, kinds(text))))
        .filter(|(kind, _, found)| !found.contains(kind))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn plain_descriptions_stay_plain() {
    let refused: Vec<_> = PLAIN
        .iter()
        .map(|text| (text, read_description(text)))
        .filter(|(_, words)| *words != ValueWords::default())
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn case_separators_and_width_do_not_matter() {
    for (kind, texts) in SAID {
        for text in texts.iter().filter(|text| text.is_ascii()) {
            for form in
                [text.to_uppercase(), text.replace(' ', "_"), text.replace(' ', "  - "), format!("Abd {text} 2.0")]
            {
                // What says so alone says so alone.
                let alone = *text == "Sub" && form.starts_with("Abd");
                assert!(alone || kinds(&form).contains(&kind), "{form} of {text}");
            }
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
    for value in [
        "CT_SOM7 SPI DECT VNC",
        "DE_IODINE",
        "RHO_Z",
        "DE_LUNG_PBV",
        "SUBTR",
        "SUB",
        "MAT_SPECIFIC",
        "ELECTRON_DENSITY",
        "EFF_ATOMIC_NUM",
        "MAT_REMOVED",
        "MAT_FRACTIONAL",
        "MAT_MODIFIED",
        "MAT_VALUE_BASED",
        "GSI MD",
        "IODINE(WATER)",
        "MD_WATER_IODINE",
        "HAP(WATER)",
        "EFFECTIVE_Z",
        "VUE",
        "VIRTUAL_NONCONTRAST",
        "IODINE_NO_WATER",
        "Z_EFFECTIVE",
        "IODINE_DENSITY_MAP",
        "CALCIUM_SUPPRESSED",
        "URIC_ACID",
        "CONTRAST_ENHANCED_STRUCTURES",
        "IODINE MAP",
        "VNC IMAGE",
        "SUBTRACTION IMAGE",
        "ELECTRON DENSITY",
        "EFFECTIVE Z",
        "CT_PERF_CBF",
        "CSA MAP",
        "TMIP",
        "BLOOD_FLOW",
        "PERMEABILITY",
        "MIP",
        "CSAMIP",
        "MIP_THICK",
        "CT_SOM5 MPR MIP",
        "MAXIMUM INTENSITY PROJECTION",
        "MIN IP",
        "MAX_INTENSITY",
        "MAXIP",
        "MIN",
        "MAX",
        "3D",
        "MAX_INTENSITY_PROJECTION",
        "VRT_COLOR",
        "SURFACE",
        "VOLUME RENDERING",
        "VOLUME_RENDER",
        "SURFACE_RENDER",
        "CURVED_MPR",
        "DISTORTED",
        "CSA MPR CURVED",
        "SCREEN SAVE",
        "SNAPSHOT",
        "DISPLAY",
        "SCOUT",
        "TOPOGRAM",
        "LOCALIZER",
        "DOSE",
        "DOSE_REPORT",
        "CT_SOM5 PROT",
        "FUSED",
        "FUSION",
        "SEGMENTATION",
        "STD_DEVIATION",
        "DIVISION",
        "MULTIPLICATION",
        "ADDITION",
        "SUBTRACTION",
        "REF_SURVIEW",
        "PATIENT_INFO",
        "CBF",
        "TTP",
        "Z_EFF",
        "ZEFF",
        "IODINE",
        "SBI",
        "MINIMUM",
        "SSD",
        "VOLREN",
        "CPR",
    ] {
        assert!(speaks_against(&read_image_type(value)), "{value}");
    }
    for value in [
        "ORIGINAL",
        "DERIVED",
        "PRIMARY",
        "SECONDARY",
        "AXIAL",
        "OTHER",
        "NONE",
        "CT_SOM5 SPI",
        "CT_SOM5 SPI DUAL",
        "CT_SOM5 SEQ",
        "DE_MIX",
        "HELIX",
        "VOLUME",
        "NORM",
        "NORMAL",
        "MEAN",
        "MEDIAN",
        "AVERAGE",
        "AVGIP",
        "TEMPORAL_AVERAGE",
        "MPR",
        "CSA MPR",
        "CSA MPR THICK",
        "REFORMATTED",
        "CT_SIM",
        "CT_SOM5 SPI MERGED",
        "GATED",
        "FILTERED",
        "RESAMPLED",
        "MOCO",
        "MAR",
        "T3D",
        "AIDR 3D",
        "MULTI_ENERGY",
        "PROJECTION IMAGE",
        "ENERGY_PROP_WT",
        "SNAPSHOT_PULSE",
        "LOW_DOSE",
        "LOW DOSE",
        "CALCIUM_SCORE",
        "CARDIAC_CASCORE",
        "PERFUSION",
        "CARDIAC_GATED",
        "ANGIO",
        "SAMPLED",
        "POST_CONTRAST",
        "DET_AB",
        "STD",
        "SNRG",
        "ATTENUATION",
        "WHOLE_BODY",
        "T20",
        "MIXED",
        "BONE",
        "LUNG",
        "SINGLE PLANE",
        "PORTAL",
        "MASK",
    ] {
        assert!(!speaks_against(&read_image_type(value)), "{value}: {:?}", read_image_type(value));
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

#[test]
fn forms_that_run_together_are_those_of_their_phrase() {
    assert_eq!(glued_forms("a b"), ["ab"]);
    assert_eq!(glued_forms("one two three*"), ["onetwothree*", "one twothree*", "onetwo three*"]);
    assert!(glued_forms("mono +").is_empty() && glued_forms("one").is_empty() && glued_forms("a* b").is_empty());
}
