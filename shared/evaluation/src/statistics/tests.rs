use proptest::prelude::*;

use super::*;

fn cases(scored: &[(bool, f64)]) -> Vec<Case> {
    let case = |(index, (positive, score)): (usize, &(bool, f64))| Case {
        positive: *positive,
        score: *score,
        decision: Some(*score >= 0.5),
        cluster: index as u32,
    };
    scored.iter().enumerate().map(case).collect()
}

/// Hanley & McNeil 1982, *Radiology* 143, 29, table I: 109 CT images rated 1 to 5 by one reader.
fn hanley_mcneil() -> Vec<Case> {
    let of = |positive: bool, counts: [usize; 5]| {
        let ratings = (1..=5).zip(counts).flat_map(|(rating, count)| std::iter::repeat_n(rating, count));
        ratings.map(move |rating: u32| (positive, f64::from(rating) / 5.0)).collect::<Vec<_>>()
    };
    cases(&[of(false, [33, 6, 6, 11, 2]), of(true, [3, 2, 2, 11, 33])].concat())
}

#[test]
fn the_published_example_comes_out() {
    // The Stata manual, `roctab`: ROC area 0.8932, standard error 0.0307, 95 % interval 0.83295 to 0.95339.
    let area = auc(&hanley_mcneil()).unwrap();
    assert!((area.value - 0.8932).abs() < 5e-5, "{area:?}");
    assert!((area.standard_error.unwrap() - 0.0307).abs() < 5e-5, "{area:?}");
    let interval = area.interval.unwrap();
    assert!((interval.low - 0.832_95).abs() < 5e-6 && (interval.high - 0.953_39).abs() < 5e-6, "{interval:?}");
    // Resampling the same images says much the same.
    let boot = intervals(&hanley_mcneil(), Resampling { replicates: 4000, seed: 1 }).get(Figure::Auc).unwrap();
    assert!((boot.low - interval.low).abs() < 0.015 && (boot.high - interval.high).abs() < 0.015, "{boot:?}");
}

#[test]
fn a_missing_class_is_named_and_costs_only_what_needs_it() {
    for (scored, words) in [
        (vec![], "no cases"),
        (vec![(true, 0.2), (true, 0.8)], "every case is enhanced"),
        (vec![(false, 0.2)], "every case is native"),
    ] {
        let cases = cases(&scored);
        assert!(auc(&cases).unwrap_err().to_string().contains(words));
        assert!(roc_curve(&cases).is_none() && precision_recall_curve(&cases).is_none());
        let found = figures(&cases);
        assert_eq!(found.get(Figure::Auc), None);
        assert_eq!(found.get(Figure::Brier).is_some(), !cases.is_empty());
        let intervals = intervals(&cases, Resampling { replicates: 50, seed: 1 });
        assert_eq!(intervals.get(Figure::Auc), None);
    }
    // One case of a class has a place, and no spread.
    let lonely = auc(&cases(&[(true, 0.9), (false, 0.1), (false, 0.95)])).unwrap();
    assert_eq!((lonely.value, lonely.standard_error, lonely.interval), (0.5, None, None));
}

#[test]
fn an_area_of_one_has_an_interval_that_is_no_point() {
    let perfect = cases(&[(false, 0.1), (false, 0.2), (false, 0.2), (true, 0.8), (true, 0.9), (true, 0.8)]);
    let area = auc(&perfect).unwrap();
    assert_eq!((area.value, area.method), (1.0, AucMethod::Newcombe));
    let interval = area.interval.unwrap();
    assert!(interval.low > 0.3 && interval.low < 0.8 && interval.high == 1.0, "{interval:?}");
    // The edges solve |at − found| = 1.96 standard errors, whatever was found.
    let half = newcombe_interval(0.5, 10, 10);
    assert!((half.low + half.high - 1.0).abs() < 1e-9 && half.low > 0.2 && half.high < 0.8, "{half:?}");
    let test = auc_difference(&perfect, &perfect.iter().map(|case| case.score / 2.0).collect::<Vec<_>>()).unwrap();
    assert_eq!((test.difference, test.p), (0.0, None));
}

#[test]
fn what_is_not_decided_stands_apart() {
    let mut some = cases(&[(true, 0.9), (true, 0.45), (true, 0.1), (false, 0.2), (false, 0.55)]);
    some[1].decision = None;
    some[4].decision = None;
    let matrix = Confusion::of(&some);
    assert_eq!((matrix.undecided_enhanced, matrix.undecided_native, matrix.decided()), (1, 1, 3));
    assert_eq!(matrix.sensitivity().unwrap().value, 0.5);
    assert_eq!(matrix.specificity().unwrap().value, 1.0);
    assert_eq!((matrix.accuracy().unwrap().of, matrix.accuracy_of_all().unwrap().of), (3, 5));
    assert_eq!(figures(&some).get(Figure::Sensitivity), Some(0.5));
}

#[test]
fn resampling_depends_on_the_seed_alone_and_keeps_clusters_whole() {
    let example = hanley_mcneil();
    let of = |seed| intervals(&example, Resampling { replicates: 200, seed });
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    // Ten copies of each case in one cluster are no more evidence than the case alone.
    let copies: Vec<Case> = example.iter().flat_map(|case| std::iter::repeat_n(*case, 10)).collect();
    let resampled = intervals(&copies, Resampling { replicates: 200, seed: 7 });
    for figure in Figure::ALL {
        let (one, ten) = (of(7).get(figure).unwrap(), resampled.get(figure).unwrap());
        assert!((one.low - ten.low).abs() < 1e-9 && (one.high - ten.high).abs() < 1e-9, "{figure:?}");
    }
    let (one, ten) = (auc(&example).unwrap(), auc(&copies).unwrap());
    let close = (one.standard_error.unwrap() - ten.standard_error.unwrap()).abs() < 1e-12;
    assert!(close && (one.value - ten.value).abs() < 1e-12, "{one:?} {ten:?}");
}

#[test]
fn thinning_keeps_ends_and_corners() {
    let stairs = [[0.0, 0.0], [0.0, 0.25], [0.0, 0.5], [0.0, 1.0], [0.3, 1.0], [1.0, 1.0]];
    assert_eq!(thinned(&stairs, 0.001), [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
    assert_eq!(thinned(&[], 0.1), Vec::<Point>::new());
    let long: Vec<Point> = (0..=10_000).map(|x| [f64::from(x) / 1e4, (f64::from(x) / 1e4).sqrt()]).collect();
    let short = thinned(&long, 0.005);
    assert!(short.len() < 400 && short[0] == [0.0, 0.0] && short[short.len() - 1] == [1.0, 1.0]);
}

/// DeLong's covariance by its definition: every pair of an enhanced and a native case.
fn covariance_over_pairs(cases: &[Case], first: &[f64], second: &[f64]) -> f64 {
    let kernel = |a: f64, b: f64| if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 };
    let of = |positive: bool| (0..cases.len()).filter(move |index| cases[*index].positive == positive);
    let placements = |score: &[f64]| -> [Vec<f64>; 2] {
        let above = |p: usize| of(false).map(|n| kernel(score[p], score[n])).sum::<f64>() / of(false).count() as f64;
        let below = |n: usize| of(true).map(|p| kernel(score[p], score[n])).sum::<f64>() / of(true).count() as f64;
        [of(true).map(above).collect(), of(false).map(below).collect()]
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let share = |a: &[f64], b: &[f64]| {
        let products = a.iter().zip(b).map(|(x, y)| (x - mean(a)) * (y - mean(b)));
        products.sum::<f64>() / (a.len() as f64 - 1.0) / a.len() as f64
    };
    let (one, two) = (placements(first), placements(second));
    share(&one[0], &two[0]) + share(&one[1], &two[1])
}

proptest! {
    #[test]
    fn midranks_and_pairs_agree(
        rows in prop::collection::vec((any::<bool>(), 0_u8..12, 0_u8..5), 4..60),
    ) {
        let scored: Vec<(bool, f64)> = rows.iter().map(|(positive, score, _)| (*positive, f64::from(*score) / 12.0)).collect();
        let second: Vec<f64> = rows.iter().map(|(_, _, score)| f64::from(*score) / 5.0).collect();
        let cases = cases(&scored);
        let positives = scored.iter().filter(|(positive, _)| *positive).count();
        prop_assume!(positives > 1 && scored.len() - positives > 1);
        let first: Vec<f64> = cases.iter().map(|case| case.score).collect();
        let [one, both, two] = [(&first, &first), (&first, &second), (&second, &second)]
            .map(|(a, b)| covariance_over_pairs(&cases, a, b));
        let area = auc(&cases).unwrap();
        prop_assert!((area.standard_error.unwrap().powi(2) - one).abs() < 1e-12);
        prop_assert!((figures(&cases).get(Figure::Auc).unwrap() - area.value).abs() < 1e-12);
        let test = auc_difference(&cases, &second).unwrap();
        prop_assert!((test.standard_error.unwrap().powi(2) - (one + two - 2.0 * both).max(0.0)).abs() < 1e-12);
        prop_assert!(test.p.is_none_or(|p| (0.0..=1.0).contains(&p)));
        if let Some(interval) = area.interval {
            prop_assert!(interval.low <= area.value && area.value <= interval.high);
        }
        for figure in Figure::ALL {
            prop_assert!(figures(&cases).get(figure).is_none_or(f64::is_finite));
        }
    }
}
