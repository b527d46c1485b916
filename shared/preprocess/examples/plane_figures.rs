//! Measures series of planes as the gate does, for the fit of its table: reads series from standard input, writes one line of CSV for each.
//!
//! A series is a line of eight fields between tabs (kind, patient, name, planes, rows, columns, millimetres between pixels, millimetres
//! between those of the image that the planes were resampled from), then its planes: 32-bit floats, little endian, in HU, `[plane, y, x]`
//! row-major, NaN where the image does not reach. `models/training/plausible/planes.py` writes it.
//!
//! The CSV has the first four fields, the verdict and its reason, the distance from patients and what it may be at most, and the figures
//! where distances are taken; those are empty where the pixels are too coarse to tell.
//!
//! `python -m plausible.planes real FOLDER | cargo run --release -p bolus-preprocess --example plane_figures > figures.csv`

use std::error::Error;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use bolus_preprocess::plausible::{Distance, Figures, PlaneFigures, Sampling, Verdict, judge};

/// Larger planes are an error of the input.
const LARGEST_EDGE: usize = 4096;
/// What fills a plane beyond the image; it is not measured.
const AIR_HU: f32 = -1024.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut input = BufReader::with_capacity(1 << 20, io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    writeln!(output, "kind,patient,name,planes,verdict,why,distance,most,{}", Distance::names().join(","))?;
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let series = Series::parse(line.trim_end_matches('\n'))?;
        let planes = series.measure(&mut input)?;
        writeln!(output, "{}", series.row(&planes))?;
        line.clear();
    }
    output.flush()?;
    Ok(())
}

/// What the line before the planes says.
struct Series {
    /// Kind, patient and name.
    label: [String; 3],
    planes: usize,
    rows: usize,
    columns: usize,
    sampling: Sampling,
}

impl Series {
    fn parse(line: &str) -> Result<Self, Box<dyn Error>> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[kind, patient, name, planes, rows, columns, plane_mm, source_mm] = fields.as_slice() else {
            return Err(format!("a series begins with eight fields between tabs, not with {line:?}").into());
        };
        if line.contains([',', '"']) {
            return Err(format!("no comma and no quote may be in {line:?}").into());
        }
        let edge = |text: &str| match text.parse::<usize>() {
            Ok(edge) if (1..=LARGEST_EDGE).contains(&edge) => Ok(edge),
            _ => Err(format!("a plane has 1 to {LARGEST_EDGE} rows and columns, not {text:?}")),
        };
        Ok(Self {
            label: [kind, patient, name].map(str::to_owned),
            planes: planes.parse().map_err(|error| format!("number of planes {planes:?}: {error}"))?,
            rows: edge(rows)?,
            columns: edge(columns)?,
            sampling: Sampling { plane_mm: [plane_mm.parse()?; 2], source_mm: [source_mm.parse()?; 2] },
        })
    }

    fn measure(&self, input: &mut impl Read) -> Result<Vec<PlaneFigures>, Box<dyn Error>> {
        let mut bytes = vec![0; self.rows * self.columns * size_of::<f32>()];
        let mut measured = Vec::with_capacity(self.planes.min(1024));
        for place in 0..self.planes {
            let name = &self.label[2];
            input.read_exact(&mut bytes).map_err(|error| format!("plane {place} of {name}: {error}"))?;
            let (words, _) = bytes.as_chunks();
            let mut hu: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
            let image = reached(&hu, self.columns);
            hu.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = AIR_HU);
            measured.extend(PlaneFigures::of(&hu, self.columns, image, self.sampling));
        }
        Ok(measured)
    }

    fn row(&self, planes: &[PlaneFigures]) -> String {
        let (verdict, why) = match judge(planes) {
            Verdict::Plausible => ("plausible", String::new()),
            Verdict::Doubtful(why) => ("doubtful", why),
            Verdict::Refused(why) => ("refused", why.detail),
        };
        let figures = Figures::of(planes);
        let distance = figures.and_then(|figures| figures.distance);
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
        let mut cells = vec![self.label.join(","), planes.len().to_string(), verdict.to_owned(), format!("\"{why}\"")];
        cells.push(number(distance.map(|distance| distance.value)));
        cells.push(number(figures.map(|figures| figures.distance_most())));
        cells.extend((0..Distance::names().len()).map(|which| number(distance.map(|distance| distance.places[which]))));
        cells.join(",")
    }
}

/// The rows and columns that the image reaches.
fn reached(hu: &[f32], columns: usize) -> [(usize, usize); 2] {
    let mut image = [(usize::MAX, 0); 2];
    for place in hu.iter().enumerate().filter(|(_, value)| !value.is_nan()).map(|(place, _)| place) {
        for (range, at) in image.iter_mut().zip([place / columns, place % columns]) {
            *range = (range.0.min(at), range.1.max(at + 1));
        }
    }
    image
}
