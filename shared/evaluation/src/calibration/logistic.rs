//! One logistic curve by Newton's method with backtracking (Lin, Lin & Weng 2007, *Machine Learning* 68, 267).

/// Steps after which it stops, whatever it has; a handful is usual.
const MOST_STEPS: usize = 200;
/// The gradient at which it has arrived, a case.
const SMALL: f64 = 1e-13;

/// `1 / (1 + e^−x)`, without overflow.
pub(super) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let power = x.exp();
        power / (1.0 + power)
    }
}

/// Cross-entropy of targets and curve at `scale`, `shift`.
fn loss(points: &[[f64; 2]], scale: f64, shift: f64) -> f64 {
    let of = |[logit, target]: &[f64; 2]| {
        let x = scale * logit + shift;
        // ln(1 + e^x) − target · x, without overflow.
        x.max(0.0) + (-x.abs()).exp().ln_1p() - target * x
    };
    points.iter().map(of).sum()
}

/// Gradient and Hessian of [`loss`].
struct Slope {
    gradient: [f64; 2],
    /// By scale twice, by both, by shift twice.
    hessian: [f64; 3],
}

impl Slope {
    fn at(points: &[[f64; 2]], scale: f64, shift: f64, with_shift: bool) -> Self {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for [logit, target] in points {
            let p = sigmoid(scale * logit + shift);
            let (error, weight) = (p - target, p * (1.0 - p));
            gradient = [gradient[0] + error * logit, gradient[1] + error];
            hessian = [hessian[0] + weight * logit * logit, hessian[1] + weight * logit, hessian[2] + weight];
        }
        if !with_shift {
            gradient[1] = 0.0;
            hessian = [hessian[0], 0.0, 1.0];
        }
        Self { gradient, hessian }
    }

    /// Newton's step, with a trace of a ridge so that it exists where all logits are equal.
    fn step(&self) -> [f64; 2] {
        let [a, b, c] = [self.hessian[0] + 1e-12, self.hessian[1], self.hessian[2] + 1e-12];
        let determinant = a * c - b * b;
        let [g, h] = self.gradient;
        if determinant <= 0.0 {
            return [-g / a, -h / c];
        }
        [-(c * g - b * h) / determinant, -(a * h - b * g) / determinant]
    }
}

/// The scale and the shift (0 unless `with_shift`) of the curve nearest to `points` of logit and target.
pub(super) fn fit(points: &[[f64; 2]], with_shift: bool) -> (f64, f64) {
    let (mut scale, mut shift) = (1.0, 0.0);
    let mut now = loss(points, scale, shift);
    for _ in 0..MOST_STEPS {
        let slope = Slope::at(points, scale, shift, with_shift);
        if slope.gradient.iter().all(|part| part.abs() < SMALL * points.len() as f64) {
            break;
        }
        let [by_scale, by_shift] = slope.step();
        let mut length = 1.0;
        let better = loop {
            let tried = loss(points, scale + length * by_scale, shift + length * by_shift);
            if tried < now {
                break Some(tried);
            }
            length /= 2.0;
            if length < 1e-10 {
                break None;
            }
        };
        // No step makes it smaller: rounding is all that is left.
        let Some(loss) = better else { break };
        (scale, shift, now) = (scale + length * by_scale, shift + length * by_shift, loss);
    }
    (scale, shift)
}
