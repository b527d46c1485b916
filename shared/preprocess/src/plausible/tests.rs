use bolus_testkit::SyntheticSeries;
use proptest::prelude::*;

use super::*;

/// Pixels along an edge of a plane, 1 mm apart.
const EDGE: usize = 192;

/// A plane of 1 mm with the HU that `of` gives at `[y, x]` from its middle, in millimetres.
fn plane(of: impl Fn(f64, f64) -> f32) -> Vec<f32> {
    let at = |place: usize| (place as f64) - (EDGE as f64 - 1.0) / 2.0;
    (0..EDGE * EDGE).map(|place| of(at(place / EDGE), at(place % EDGE))).collect()
}

/// Noise of a standard deviation near `sigma`, the same in every run.
fn noise(place: usize, sigma: f32) -> f32 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let parts = [mixed & 0xFFFF, (mixed >> 16) & 0xFFFF, (mixed >> 32) & 0xFFFF, mixed >> 48];
    let sum: f32 = parts.iter().map(|part| *part as f32 / 65_535.0 - 0.5).sum();
    sum * 1.73 * sigma
}

fn noisy(hu: Vec<f32>, sigma: f32) -> Vec<f32> {
    hu.into_iter().enumerate().map(|(place, value)| value + noise(place, sigma)).collect()
}

/// A chest as plain as can be: fat, muscle with fat between, lungs with vessels, a heart and a spine with a shell.
fn chest(heart_hu: f32) -> Vec<f32> {
    let bend = |y: f64, x: f64| ((y / 23.0).sin() + (x / 17.0).cos()) as f32;
    let rod = |y: f64, x: f64, every: f64| (x.rem_euclid(every) - every / 2.0).hypot(y.rem_euclid(every) - every / 2.0);
    let tissue = plane(|y, x| match () {
        () if y.hypot(x) < 40.0 => heart_hu + 6.0 * bend(y, x),
        () if y.hypot(x) < 47.0 => -100.0 + 8.0 * bend(y, x),
        () if (x / 13.0).hypot((y - 66.0) / 13.0) < 1.0 => 210.0 + 50.0 * bend(y, x),
        () if (x / 16.0).hypot((y - 66.0) / 16.0) < 1.0 => 520.0,
        () if ((x.abs() - 70.0) / 22.0).hypot(y / 60.0) < 1.0 => {
            if rod(y, x, 13.0) < 2.6 {
                40.0
            } else {
                -850.0 + 40.0 * bend(y, x)
            }
        }
        () if y.abs() > 84.0 || y.abs() < 70.0 && x.abs() < 60.0 => -95.0 + 20.0 * bend(y, x),
        () if rod(y + 4.0, x, 26.0) < 4.0 => -80.0,
        () if rod(y, x + 9.0, 31.0) < 4.5 => 95.0,
        () => 45.0 + 22.0 * bend(y * 1.7, x),
    });
    noisy(tissue, 14.0)
}

/// A plane that was resampled from pixels of `source` millimetres.
fn measured(plane: &[f32], source: f64) -> Option<PlaneFigures> {
    let sampling = Sampling { plane_mm: [1.0; 2], source_mm: [source; 2] };
    PlaneFigures::of(plane, EDGE, [(0, EDGE), (0, EDGE)], sampling)
}

fn judged(planes: &[Vec<f32>]) -> Verdict {
    let figures: Vec<PlaneFigures> = planes.iter().filter_map(|plane| measured(plane, 0.8)).collect();
    judge(&figures)
}

fn refused(plane: Vec<f32>) -> Option<ReasonCode> {
    match judged(&vec![plane; 6]) {
        Verdict::Refused(reason) => Some(reason.code),
        _ => None,
    }
}

#[test]
fn a_chest_is_a_patient_with_and_without_contrast() {
    for heart in [35.0, 60.0, 150.0, 320.0] {
        assert_eq!(judged(&[chest(heart)]), Verdict::Plausible, "{heart}");
        assert_eq!(judged(&vec![chest(heart); 24]), Verdict::Plausible, "{heart}");
    }
}

#[test]
fn other_scales_are_no_hounsfield_units() {
    let mapped = |map: fn(f32) -> f32| refused(chest(60.0).into_iter().map(map).collect());
    for (name, code) in [
        ("offset +1000", mapped(|hu| hu + 1000.0)),
        ("offset +1024", mapped(|hu| hu + 1024.0)),
        ("slope 2 on stored values", mapped(|hu| (hu + 1024.0) * 2.0 - 1024.0)),
        ("slope 10", mapped(|hu| hu * 10.0)),
        ("inverted stored values", mapped(|hu| 3071.0 - (hu + 1024.0))),
        ("negated", mapped(|hu| -hu)),
        ("inverted stored values of a window", mapped(|hu| 1000.0 - (hu + 1024.0))),
        ("slope 0.5 on HU", mapped(|hu| hu * 0.5)),
        ("eight bits of a window", mapped(|hu| (((hu + 160.0) / 400.0).clamp(0.0, 1.0) * 255.0).round())),
        ("eight bits of a wide window", mapped(|hu| (((hu + 1000.0) / 1400.0).clamp(0.0, 1.0) * 255.0).round())),
        ("twelve bits of a window", mapped(|hu| (((hu + 160.0) / 400.0).clamp(0.0, 1.0) * 4095.0).round() - 1024.0)),
        ("clipped to a window", mapped(|hu| hu.clamp(-160.0, 240.0))),
        ("clipped above soft tissue", mapped(|hu| hu.clamp(-1000.0, 400.0))),
        ("magnitudes", mapped(f32::abs)),
    ] {
        assert_eq!(code, Some(ReasonCode::NotHounsfield), "{name}");
    }
}

#[test]
fn test_objects_are_no_patients() {
    let cylinder = |radius: f64, hu: f32| plane(move |y, x| if y.hypot(x) < radius { hu } else { -1000.0 });
    let skull = plane(|y, x| match (y / 95.0).hypot(x / 78.0) {
        r if r < 0.9 => 95.0,
        r if r < 1.0 => 1000.0,
        _ => -1000.0,
    });
    let rods = plane(|y, x| match (x.rem_euclid(45.0) - 22.0).hypot(y.rem_euclid(45.0) - 22.0) {
        r if r < 6.0 => 400.0,
        _ if y.hypot(x) < 90.0 => 100.0,
        _ => -1000.0,
    });
    for sigma in [2.0, 8.0, 20.0, 45.0] {
        for (name, object) in [
            ("water", cylinder(80.0, 0.0)),
            ("a large water tank", cylinder(300.0, 0.0)),
            ("acrylic", cylinder(90.0, 120.0)),
            ("soft plastic", cylinder(90.0, 45.0)),
            ("a skull of plastic", skull.clone()),
            ("rods", rods.clone()),
            ("one value and noise", vec![40.0; EDGE * EDGE]),
        ] {
            let verdict = judged(&vec![noisy(object, sigma); 6]);
            assert_ne!(verdict, Verdict::Plausible, "{name}, noise {sigma}");
        }
    }
    assert_eq!(refused(vec![40.0; EDGE * EDGE]), Some(ReasonCode::NotAPatient));
    assert_ne!(judged(&[noisy(vec![0.0; EDGE * EDGE], 500.0)]), Verdict::Plausible, "noise alone");
}

/// The trunk that the workspace's tests draw, on `size` pixels over 320 mm: coarse, and none that a scanner makes.
fn drawn_trunk(size: u16, vessel_hu: i16) -> Vec<f32> {
    let series = SyntheticSeries { size, vessel_hu, ..SyntheticSeries::chest("1.2.3", 1) };
    series.pixels(0).into_iter().map(|stored| f32::from(stored) - 1024.0).collect()
}

#[test]
fn trunks_that_tests_draw_are_patients() {
    for vessel in [-150, 40, 200] {
        // As it is, and with 1 mm pixels between its own of 2.5 mm.
        let (coarse, fine) = (drawn_trunk(32, vessel), drawn_trunk(128, vessel));
        let own = Sampling { plane_mm: [10.0; 2], source_mm: [10.0; 2] };
        let coarse = PlaneFigures::of(&coarse, 32, [(0, 32), (0, 32)], own).unwrap();
        assert_eq!(judge(&vec![coarse; 8]), Verdict::Plausible, "{vessel}");
        let between = |y: f64, x: f64| {
            let at = |mm: f64| mm / 2.5 + 63.5;
            let (low, part) = ([at(y).floor(), at(x).floor()], [at(y).fract() as f32, at(x).fract() as f32]);
            let pixel = |dy: usize, dx: usize| fine[(low[0] as usize + dy) * 128 + low[1] as usize + dx];
            let line = |dy: usize| pixel(dy, 0) + (pixel(dy, 1) - pixel(dy, 0)) * part[1];
            line(0) + (line(1) - line(0)) * part[0]
        };
        let resampled = measured(&plane(between), 2.5).unwrap();
        assert_eq!(judge(&vec![resampled; 24]), Verdict::Plausible, "{vessel}");
    }
}

/// The pixels of a plane in blocks of `edge`, put in another order.
fn shuffled(plane: &[f32], edge: usize) -> Vec<f32> {
    let across = EDGE / edge;
    let mut order: Vec<usize> = (0..across * across).collect();
    order.sort_by_key(|block| (*block as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let from = |place: usize| {
        let (y, x) = (place / EDGE, place % EDGE);
        let block = order[y / edge * across + x / edge];
        (block / across * edge + y % edge) * EDGE + block % across * edge + x % edge
    };
    (0..EDGE * EDGE).map(|place| plane[from(place)]).collect()
}

#[test]
fn values_of_a_patient_at_other_places_are_no_patient() {
    for edge in [1, 4, 8] {
        let verdict = judged(&vec![shuffled(&chest(60.0), edge); 6]);
        assert_ne!(verdict, Verdict::Plausible, "blocks of {edge}");
    }
    // All values of the chest, from the least to the largest: what lies next to what is no body.
    let mut sorted = chest(60.0);
    sorted.sort_by(f32::total_cmp);
    assert_ne!(judged(&vec![sorted; 6]), Verdict::Plausible, "sorted");
}

#[test]
fn what_no_patient_has_is_left_open_or_refused() {
    let mapped = |map: fn(f32) -> f32| judged(&vec![chest(60.0).into_iter().map(map).collect(); 24]);
    for (name, verdict) in [
        ("shift of -100", mapped(|hu| hu - 100.0)),
        ("shift of +100", mapped(|hu| hu + 100.0)),
        ("slope of 0.67", mapped(|hu| hu * 0.67)),
        ("slope of 2", mapped(|hu| hu * 2.0)),
        ("root of stored values", mapped(|hu| ((hu + 1024.0).max(0.0) / 2000.0).sqrt() * 1400.0 - 1024.0)),
        ("twelve bits of a bone window", mapped(|hu| ((hu + 450.0) / 1500.0).clamp(0.0, 1.0) * 4095.0 - 1024.0)),
        ("heavy noise", judged(&vec![noisy(chest(60.0), 110.0); 24])),
    ] {
        assert_ne!(verdict, Verdict::Plausible, "{name}");
    }
    // A calibration that drifted, and a dose that is low.
    for verdict in [mapped(|hu| hu + 10.0), mapped(|hu| hu - 10.0), judged(&vec![noisy(chest(60.0), 25.0); 24])] {
        assert_eq!(verdict, Verdict::Plausible);
    }
}

#[test]
fn cylinders_with_inserts_are_no_patients() {
    let inserts =
        [-700.0, -500.0, -90.0, -50.0, 0.0, 40.0, 200.0, 800.0, 1200.0, -90.0, 50.0, 300.0, 20.0, 450.0, 80.0, 10.0];
    let calibration = |body: f32, fat: bool| {
        plane(move |y, x| {
            let insert = (0..16_usize).find(|place| {
                let (radius, angle) =
                    (if *place < 8 { 36.0 } else { 60.0 }, *place as f64 * std::f64::consts::FRAC_PI_4);
                (y - radius * angle.sin()).hypot(x - radius * angle.cos()) < 13.0
            });
            match (insert, y.hypot(x)) {
                (Some(place), _) => inserts[place],
                (None, r) if r < 77.0 => body,
                (None, r) if r < 92.0 => {
                    if fat {
                        -95.0
                    } else {
                        body
                    }
                }
                _ => -1000.0,
            }
        })
    };
    let thorax = plane(|y, x| match () {
        () if ((x.abs() - 55.0) / 32.0).hypot(y / 55.0) < 1.0 => -850.0,
        () if (y - 62.0).hypot(x) < 18.0 => 350.0,
        () if y.hypot(x) < 22.0 => 45.0,
        () if (y / 82.0).hypot(x / 105.0) < 1.0 => 30.0,
        () if (y / 92.0).hypot(x / 120.0) < 1.0 => -95.0,
        () => -1000.0,
    });
    for (name, object) in [
        ("solid water", calibration(0.0, false)),
        ("muscle in fat", calibration(50.0, true)),
        ("a thorax of plastic", thorax),
    ] {
        for sigma in [8.0, 20.0] {
            assert_ne!(judged(&vec![noisy(object.clone(), sigma); 24]), Verdict::Plausible, "{name}, noise {sigma}");
        }
    }
}

#[test]
fn pixels_too_coarse_to_tell_what_lies_where_are_judged_by_their_values() {
    let blocks = shuffled(&chest(60.0), 8);
    let verdict = |source: f64| judge(&vec![measured(&blocks, source).unwrap(); 6]);
    assert!(matches!(verdict(0.8), Verdict::Refused(why) if why.detail.contains("distance from patients")));
    assert_eq!(verdict(2.5), Verdict::Plausible);
}

#[test]
fn limbs_are_left_open() {
    let thigh = plane(|y, x| match y.hypot(x) {
        r if r < 7.0 => -60.0,
        r if r < 14.0 => 1100.0,
        r if r < 62.0 => 55.0,
        r if r < 78.0 => -100.0,
        _ => -1000.0,
    });
    let thigh = noisy(thigh, 12.0);
    for planes in [1, 6] {
        let verdict = judged(&vec![thigh.clone(); planes]);
        assert!(matches!(verdict, Verdict::Doubtful(_)), "{verdict:?}");
    }
}

#[test]
fn an_empty_window_is_left_open() {
    let air = noisy(vec![-1000.0; EDGE * EDGE], 10.0);
    assert!(matches!(judged(&[air]), Verdict::Doubtful(_)));
    assert!(matches!(judge(&[]), Verdict::Doubtful(_)));
}

#[test]
fn some_planes_of_a_long_series_are_measured_and_all_of_a_short_one() {
    let taken = |count: usize| (0..count).filter(|place| is_measured(*place, count)).count();
    assert_eq!((taken(1), taken(20), taken(24)), (1, 20, 24));
    assert!((25..3000).all(|count| (12..=24).contains(&taken(count))));
}

proptest! {
    /// Whatever the values and sizes, a verdict comes out; and it does not depend on the order of the planes.
    #[test]
    fn any_plane_is_judged(
        hu in prop::collection::vec(prop_oneof![-1e6_f32..1e6, -1100.0_f32..1500.0], 1..900),
        columns in 1_usize..40,
        spacing in 0.2_f64..20.0,
        source in 0.2_f64..4.0,
    ) {
        let rows = hu.len() / columns;
        let sampling = Sampling { plane_mm: [spacing; 2], source_mm: [source; 2] };
        let one = PlaneFigures::of(&hu, columns, [(0, rows), (0, columns)], sampling);
        let other = PlaneFigures::of(&hu, columns, [(rows / 2, rows), (0, columns)], sampling);
        let planes: Vec<PlaneFigures> = one.into_iter().chain(other).collect();
        let reversed: Vec<PlaneFigures> = planes.iter().rev().cloned().collect();
        prop_assert_eq!(judge(&planes), judge(&reversed));
    }
}
