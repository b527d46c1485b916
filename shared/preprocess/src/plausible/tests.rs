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

/// A chest as plain as can be: fat, muscle, lungs, a heart and a spine.
fn chest(heart_hu: f32) -> Vec<f32> {
    let bend = |y: f64, x: f64| ((y / 23.0).sin() + (x / 17.0).cos()) as f32;
    let tissue = plane(|y, x| match () {
        () if y.hypot(x) < 40.0 => heart_hu + 6.0 * bend(y, x),
        () if y.hypot(x) < 47.0 => -100.0 + 8.0 * bend(y, x),
        () if (x / 16.0).hypot((y - 66.0) / 16.0) < 1.0 => 320.0 + 120.0 * bend(y, x),
        () if ((x.abs() - 70.0) / 22.0).hypot(y / 60.0) < 1.0 => -850.0 + 40.0 * bend(y, x),
        () if y.abs() > 84.0 || y.abs() < 70.0 && x.abs() < 60.0 => -95.0 + 20.0 * bend(y, x),
        () => 55.0 + 12.0 * bend(y, x),
    });
    noisy(tissue, 12.0)
}

fn judged(planes: &[Vec<f32>]) -> Verdict {
    let whole = [(0, EDGE), (0, EDGE)];
    let figures: Vec<PlaneFigures> =
        planes.iter().filter_map(|plane| PlaneFigures::of(plane, EDGE, whole, [1.0, 1.0])).collect();
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
        assert_eq!(judged(&vec![chest(heart); 10]), Verdict::Plausible, "{heart}");
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
        ("eight bits of a window", mapped(|hu| (((hu + 160.0) / 400.0).clamp(0.0, 1.0) * 255.0).round())),
        ("eight bits of a wide window", mapped(|hu| (((hu + 1000.0) / 1400.0).clamp(0.0, 1.0) * 255.0).round())),
        ("twelve bits of a window", mapped(|hu| (((hu + 160.0) / 400.0).clamp(0.0, 1.0) * 4095.0).round() - 1024.0)),
        ("clipped to a window", mapped(|hu| hu.clamp(-160.0, 240.0))),
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
    let measured = |count: usize| (0..count).filter(|place| is_measured(*place, count)).count();
    assert_eq!((measured(1), measured(20), measured(24)), (1, 20, 24));
    assert!((25..3000).all(|count| (12..=24).contains(&measured(count))));
}

proptest! {
    /// Whatever the values and sizes, a verdict comes out; and it does not depend on the order of the planes.
    #[test]
    fn any_plane_is_judged(
        hu in prop::collection::vec(prop_oneof![-1e6_f32..1e6, -1100.0_f32..1500.0], 1..900),
        columns in 1_usize..40,
        spacing in 0.2_f64..20.0,
    ) {
        let rows = hu.len() / columns;
        let image = [(0, rows), (0, columns)];
        let one = PlaneFigures::of(&hu, columns, image, [spacing, spacing]);
        let other = PlaneFigures::of(&hu, columns, [(rows / 2, rows), (0, columns)], [spacing, spacing]);
        let planes: Vec<PlaneFigures> = one.into_iter().chain(other).collect();
        let reversed: Vec<PlaneFigures> = planes.iter().rev().cloned().collect();
        prop_assert_eq!(judge(&planes), judge(&reversed));
    }
}
