//! TEMP
use std::io::{Read, Write};
use bolus_preprocess::plausible::{Figures, PlaneFigures, Verdict, judge};
fn main() {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).unwrap();
    let all: Vec<f32> = bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
    let mut out = std::io::stdout().lock();
    for plane in all.chunks_exact(192 * 192) {
        let rows: Vec<usize> = (0..192).filter(|y| plane[y * 192..(y + 1) * 192].iter().any(|v| v.is_finite())).collect();
        let cols: Vec<usize> = (0..192).filter(|x| (0..192).any(|y| plane[y * 192 + x].is_finite())).collect();
        let (Some(y0), Some(x0)) = (rows.first(), cols.first()) else { writeln!(out, "EMPTY").unwrap(); continue };
        let image = [(*y0, rows.last().unwrap() + 1), (*x0, cols.last().unwrap() + 1)];
        let t = std::time::Instant::now();
        let f = PlaneFigures::of(plane, 192, image, [1.0, 1.0]).unwrap();
        let us = t.elapsed().as_micros();
        let v = match judge(std::slice::from_ref(&f)) { Verdict::Plausible => "ok".into(), Verdict::Doubtful(w) => format!("doubt {w}"), Verdict::Refused(r) => format!("REFUSED {r}") };
        writeln!(out, "{us}\t{v}\t{:?}", Figures::of(&[f]).unwrap()).unwrap();
    }
}
