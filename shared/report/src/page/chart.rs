//! Charts as inline SVG: lines over two axes, and intervals on a common scale.

use maud::{Markup, html};

/// Width and height of the drawing, in its own units.
const SIZE: [f64; 2] = [340.0, 306.0];
/// Room for the axes: left, top, right, bottom.
const MARGIN: [f64; 4] = [52.0, 8.0, 12.0, 44.0];
/// Steps between ticks, and thus one tick more.
const TICKS: u32 = 5;
/// Colours there are; further lines are dashed.
pub const COLOURS: usize = 8;
/// Radius of the largest point, in the drawing's units.
const LARGEST_POINT: f64 = 8.0;

/// A line of a chart.
pub struct Line {
    /// What it shows, for the tooltip.
    pub name: String,
    /// Its place among the lines: decides colour and dashes.
    pub index: usize,
    /// Its points.
    pub points: Vec<[f64; 2]>,
    /// What each point stands for, drawn as discs of that area; none draws no discs.
    pub weights: Vec<usize>,
}

/// A chart with its axes.
pub struct Chart<'a> {
    /// An identifier, once a page.
    pub id: &'a str,
    /// Title above it.
    pub title: &'a str,
    /// What runs to the right.
    pub x: &'a str,
    /// What runs upwards.
    pub y: &'a str,
    /// The part of the x axis that is shown.
    pub across: [f64; 2],
    /// The part of the y axis that is shown.
    pub up: [f64; 2],
    /// Whether the line x = y is drawn: chance, or perfect calibration.
    pub diagonal: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

/// The CSS classes of the line at `index`.
pub fn classes(index: usize) -> String {
    format!("s{} d{}", index % COLOURS, (index / COLOURS).min(2))
}

impl Chart<'_> {
    /// The drawing, in a figure with its title.
    pub fn to_svg(&self) -> Markup {
        let [width, height] = SIZE;
        let [left, top] = self.place([self.across[0], self.up[1]]);
        let [right, bottom] = self.place([self.across[1], self.up[0]]);
        let ([x1, y1], [x2, y2]) = (self.place([0.0, 0.0]), self.place([1.0, 1.0]));
        // An element of SVG without content is written with its end: HTML would take what follows for its content.
        html! {
            figure.chart {
                figcaption { (self.title) }
                svg viewBox={ "0 0 " (width) " " (height) } role="img"
                    aria-label={ (self.title) ": " (self.y) " over " (self.x) } {
                    clipPath id=(self.id) {
                        rect x=(left) y=(top - 2.0) width=(right - left + 2.0) height=(bottom - top + 4.0) {}
                    }
                    (self.axes([left, top, right, bottom]))
                    g clip-path={ "url(#" (self.id) ")" } {
                        @if self.diagonal {
                            line.chance x1=(tenth(x1)) y1=(tenth(y1)) x2=(tenth(x2)) y2=(tenth(y2)) {}
                        }
                        @for line in &self.lines { (self.line(line)) }
                    }
                }
            }
        }
    }

    /// Where a point of the data lies in the drawing.
    fn place(&self, point: [f64; 2]) -> [f64; 2] {
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        let (width, height) = (SIZE[0] - MARGIN[0] - MARGIN[2], SIZE[1] - MARGIN[1] - MARGIN[3]);
        [MARGIN[0] + share(point[0], self.across) * width, MARGIN[1] + (1.0 - share(point[1], self.up)) * height]
    }

    fn axes(&self, [left, top, right, bottom]: [f64; 4]) -> Markup {
        let (middle, centre) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        html! {
            @for tick in 0..=TICKS {
                @let share = f64::from(tick) / f64::from(TICKS);
                @let [across, up] = [self.across, self.up].map(|[low, high]| low + (high - low) * share);
                @let [x, y] = self.place([across, up]);
                line.grid x1=(tenth(x)) y1=(top) x2=(tenth(x)) y2=(bottom) {}
                line.grid x1=(left) y1=(tenth(y)) x2=(right) y2=(tenth(y)) {}
                text.tick x=(tenth(x)) y=(tenth(bottom + 16.0)) text-anchor="middle" { (tick_label(across)) }
                text.tick x=(tenth(left - 7.0)) y=(tenth(y + 4.0)) text-anchor="end" { (tick_label(up)) }
            }
            rect.frame x=(left) y=(top) width=(right - left) height=(bottom - top) {}
            text.axis x=(middle) y=(bottom + 36.0) text-anchor="middle" { (self.x) }
            text.axis transform={ "translate(11 " (centre) ") rotate(-90)" } text-anchor="middle" { (self.y) }
        }
    }

    fn line(&self, line: &Line) -> Markup {
        let places: Vec<[f64; 2]> = line.points.iter().map(|point| self.place(*point)).collect();
        let path: Vec<String> = places.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let most = line.weights.iter().copied().max().unwrap_or(1).max(1) as f64;
        let radius = |weight: usize| (LARGEST_POINT * (weight as f64 / most).sqrt()).max(2.0);
        html! {
            g class=(classes(line.index)) {
                title { (line.name) }
                polyline points=(path.join(" ")) {}
                @for (([x, y], [across, up]), weight) in places.iter().zip(&line.points).zip(&line.weights) {
                    circle cx=(tenth(*x)) cy=(tenth(*y)) r=(tenth(radius(*weight))) {
                        title {
                            (line.name) ": " (weight)
                            (format_args!(" at {across:.3}, of which {:.1} % enhanced", up * 100.0))
                        }
                    }
                }
            }
        }
    }
}

/// A length in the drawing's units, to a tenth.
fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

/// A number at an axis: as many decimals as it needs.
fn tick_label(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A figure with its interval as a small drawing on a scale that starts at `from` and ends at 1.
pub fn whisker(value: f64, low: f64, high: f64, from: f64, index: usize) -> Markup {
    const WIDTH: f64 = 120.0;
    let place = |value: f64| tenth(5.0 + (value - from).clamp(0.0, 1.0 - from) / (1.0 - from) * (WIDTH - 10.0));
    html! {
        svg class={ "whisker " (classes(index)) } viewBox={ "0 0 " (WIDTH) " 16" } width=(WIDTH) height="16"
            aria-hidden="true" {
            line.rail x1="5" y1="8" x2=(WIDTH - 5.0) y2="8" {}
            line.span x1=(place(low)) y1="8" x2=(place(high)) y2="8" {}
            circle cx=(place(value)) cy="8" r="4" {}
        }
    }
}
