"""Writes statistics.json: what scikit-learn, SciPy and plain NumPy say of scores with many ties.

    python tests/golden/make_statistics.py      # needs scikit-learn; the versions used stand in the file

`shared/evaluation` must agree. The file is kept in the repository; running this again with the same versions must change
nothing. DeLong's and Obuchowski's variances are computed here by their definitions, over all pairs of cases.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.stats import binomtest, norm
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn import metrics

HERE = Path(__file__).resolve().parent
EDGE = 1e-7  # as in shared/evaluation: keeps logits finite
BINS = 10


def placements(truth, score):
    """The structural components of DeLong et al. 1988: V10 of the enhanced cases and V01 of the native ones."""
    above = score[truth][:, None] - score[~truth][None, :]
    kernel = (above > 0) + 0.5 * (above == 0)
    return kernel.mean(axis=1), kernel.mean(axis=0)


def delong(truth, scores):
    """Covariance matrix of the areas of several scores of the same independent cases."""
    components = [placements(truth, score) for score in scores]
    above, below = (np.atleast_2d(np.cov([pair[side] for pair in components])) for side in (0, 1))
    return above / truth.sum() + below / (~truth).sum()


def obuchowski(truth, score, cluster):
    """Variance of the area where cases of a cluster are not independent (Obuchowski 1997)."""
    v10, v01 = placements(truth, score)
    area, names = v10.mean(), np.unique(cluster)
    above = np.array([(v10[cluster[truth] == name] - area).sum() for name in names])
    below = np.array([(v01[cluster[~truth] == name] - area).sum() for name in names])
    m, n = truth.sum(), (~truth).sum()
    i10, i01, i = len(np.unique(cluster[truth])), len(np.unique(cluster[~truth])), len(names)
    s10 = i10 / ((i10 - 1) * m) * (above**2).sum()
    s01 = i01 / ((i01 - 1) * n) * (below**2).sum()
    s11 = i / (i - 1) * (above * below).sum()
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def calibration_error(truth, score):
    """Expected calibration error over bins of equal width, those of scikit-learn's calibration_curve."""
    share, mean = calibration_curve(truth, score, n_bins=BINS, strategy="uniform")
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], score)
    counts = np.bincount(bins, minlength=BINS)
    counts = counts[counts > 0]
    return float((counts * abs(share - mean)).sum() / counts.sum()), share.tolist(), mean.tolist(), counts.tolist()


def smoothed(truth):
    """Platt's targets."""
    m, n = truth.sum(), (~truth).sum()
    return np.where(truth, (m + 1) / (m + 2), 1 / (n + 2))


def fits(truth, score):
    """Platt scaling, temperature and isotonic regression on Platt's targets."""
    edged = np.clip(score, EDGE, 1 - EDGE)
    logit, target = np.log(edged / (1 - edged)), smoothed(truth)
    twice = np.concatenate([logit, logit])[:, None]
    labels, weights = np.repeat([1, 0], len(logit)), np.concatenate([target, 1 - target])

    def logistic(**options):
        model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky", **options)
        return model.fit(twice, labels, sample_weight=weights)

    platt, temperature = logistic(), logistic(fit_intercept=False)
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score, target)
    grid = np.unique(score)
    return {
        "platt": [float(platt.coef_[0, 0]), float(platt.intercept_[0])],
        "temperature": float(temperature.coef_[0, 0]),
        "isotonic_raw": grid.tolist(),
        "isotonic_calibrated": isotonic.predict(grid).tolist(),
    }


def wilson(hits, of):
    interval = binomtest(int(hits), int(of)).proportion_ci(0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def at_threshold(truth, score, threshold):
    called = score >= threshold
    tn, fp, fn, tp = (int(count) for count in metrics.confusion_matrix(truth, called).ravel())
    return {
        "confusion": [tp, fn, fp, tn],
        "sensitivity": metrics.recall_score(truth, called),
        "specificity": metrics.recall_score(truth, called, pos_label=False),
        "positive_predictive_value": metrics.precision_score(truth, called),
        "negative_predictive_value": metrics.precision_score(truth, called, pos_label=False),
        "f1": metrics.f1_score(truth, called),
        "accuracy": metrics.accuracy_score(truth, called),
        "sensitivity_interval": wilson(tp, tp + fn),
        "specificity_interval": wilson(tn, tn + fp),
    }


def case(truth, score, second, cluster, threshold=0.5):
    covariance = delong(truth, [score, second])
    difference = metrics.roc_auc_score(truth, score) - metrics.roc_auc_score(truth, second)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    false, true, _ = metrics.roc_curve(truth, score, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(truth, score)
    calibration, share, mean, counts = calibration_error(truth, score)
    return {
        "truth": truth.astype(int).tolist(),
        "score": score.tolist(),
        "second": second.tolist(),
        "cluster": cluster.tolist(),
        "threshold": threshold,
        "auc": metrics.roc_auc_score(truth, score),
        "delong_variance": float(covariance[0, 0]),
        "obuchowski_variance": float(obuchowski(truth, score, cluster)),
        "difference": float(difference),
        "difference_error": float(error),
        "difference_p": float(2 * norm.sf(abs(difference / error))),
        "average_precision": metrics.average_precision_score(truth, score),
        "roc": [false.tolist(), true.tolist()],
        "precision_recall": [recall[::-1].tolist(), precision[::-1].tolist()],
        "brier": metrics.brier_score_loss(truth, score),
        "log_loss": metrics.log_loss(truth, np.clip(score, EDGE, 1 - EDGE)),
        "calibration_error": calibration,
        "bins": {"share": share, "mean": mean, "cases": counts},
        **at_threshold(truth, score, threshold),
        **fits(truth, score),
    }


def random_case(seed, cases, positives, step, spread):
    """Two related scores, rounded to 1/step so that many are equal; clusters hold cases of one or of both classes."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(cases, bool)
    truth[rng.choice(cases, positives, replace=False)] = True
    base = rng.normal(0, 1, cases) + 1.2 * spread * (truth - 0.5)
    raw = [1 / (1 + np.exp(-(base + rng.normal(0, noise, cases)) * 1.5)) for noise in (0.3, 0.9)]
    score, second = (np.round(values * step) / step for values in raw)
    return case(truth, score, second, rng.integers(0, max(cases // 4, 4), cases))


def main():
    cases = {
        "heavy ties": random_case(1, 120, 50, 16, 1.5),
        "few ties": random_case(2, 150, 110, 4096, 1.0),
        "rare class": random_case(3, 90, 7, 64, 2.0),
        "hardly better than chance": random_case(4, 80, 40, 8, 0.1),
    }
    versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    text = json.dumps({"made_by": "tests/golden/make_statistics.py", "versions": versions, "cases": cases})
    (HERE / "statistics.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
