//! Charts as inline SVG: lines over two axes, and intervals on a common scale.

use super::text;

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
    pub fn to_svg(&self) -> String {
        let [width, height] = SIZE;
        let [left, top] = self.place([self.across[0], self.up[1]]);
        let [right, bottom] = self.place([self.across[1], self.up[0]]);
        let mut svg = format!(
            "<figure class=chart><figcaption>{}</figcaption><svg viewBox=\"0 0 {width} {height}\" role=img \
             aria-label=\"{}\">\
             <clipPath id=\"{id}\"><rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>",
            text(self.title),
            text(&format!("{}: {} over {}", self.title, self.y, self.x)),
            top - 2.0,
            right - left + 2.0,
            bottom - top + 4.0,
            id = self.id,
        );
        svg += &self.axes([left, top, right, bottom]);
        svg += &format!("<g clip-path=\"url(#{})\">", self.id);
        if self.diagonal {
            let ([x1, y1], [x2, y2]) = (self.place([0.0, 0.0]), self.place([1.0, 1.0]));
            svg += &format!("<line class=chance x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
        }
        for line in &self.lines {
            svg += &self.line(line);
        }
        svg + "</g></svg></figure>"
    }

    /// Where a point of the data lies in the drawing.
    fn place(&self, point: [f64; 2]) -> [f64; 2] {
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        let (width, height) = (SIZE[0] - MARGIN[0] - MARGIN[2], SIZE[1] - MARGIN[1] - MARGIN[3]);
        [MARGIN[0] + share(point[0], self.across) * width, MARGIN[1] + (1.0 - share(point[1], self.up)) * height]
    }

    fn axes(&self, [left, top, right, bottom]: [f64; 4]) -> String {
        let mut svg = String::new();
        for tick in 0..=TICKS {
            let share = f64::from(tick) / f64::from(TICKS);
            let [across, up] = [self.across, self.up].map(|[low, high]| low + (high - low) * share);
            let [x, y] = self.place([across, up]);
            svg += &format!(
                "<line class=grid x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
                 <line class=grid x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
                 <text class=tick x=\"{x:.1}\" y=\"{:.1}\" text-anchor=middle>{}</text>\
                 <text class=tick x=\"{:.1}\" y=\"{:.1}\" text-anchor=end>{}</text>",
                bottom + 16.0,
                tick_label(across),
                left - 7.0,
                y + 4.0,
                tick_label(up),
            );
        }
        let (middle, centre) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        svg += &format!(
            "<rect class=frame x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\"/>",
            right - left,
            bottom - top
        );
        svg += &format!(
            "<text class=axis x=\"{middle}\" y=\"{}\" text-anchor=middle>{}</text>",
            bottom + 36.0,
            text(self.x)
        );
        svg + &format!(
            "<text class=axis transform=\"translate(11 {centre}) rotate(-90)\" text-anchor=middle>{}</text>",
            text(self.y)
        )
    }

    fn line(&self, line: &Line) -> String {
        let places: Vec<[f64; 2]> = line.points.iter().map(|point| self.place(*point)).collect();
        let path: Vec<String> = places.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let mut svg = format!(
            "<g class=\"{}\"><title>{}</title><polyline points=\"{}\"/>",
            classes(line.index),
            text(&line.name),
            path.join(" ")
        );
        let most = line.weights.iter().copied().max().unwrap_or(1).max(1) as f64;
        for ((place, point), weight) in places.iter().zip(&line.points).zip(&line.weights) {
            let radius = (LARGEST_POINT * (*weight as f64 / most).sqrt()).max(2.0);
            svg += &format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"><title>{}: {weight} at {:.3}, of which \
                 {:.1} % enhanced</title></circle>",
                place[0],
                place[1],
                text(&line.name),
                point[0],
                point[1] * 100.0,
            );
        }
        svg + "</g>"
    }
}

/// A number at an axis: as many decimals as it needs.
fn tick_label(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A figure with its interval as a small drawing on a scale that starts at `from` and ends at 1.
pub fn whisker(value: f64, low: f64, high: f64, from: f64, index: usize) -> String {
    const WIDTH: f64 = 120.0;
    let place = |value: f64| 5.0 + (value - from).clamp(0.0, 1.0 - from) / (1.0 - from) * (WIDTH - 10.0);
    let (start, end, middle) = (place(low), place(high), place(value));
    format!(
        "<svg class=\"whisker {}\" viewBox=\"0 0 {WIDTH} 16\" width=\"{WIDTH}\" height=16 aria-hidden=true>\
         <line class=rail x1=5 y1=8 x2=\"{}\" y2=8 />\
         <line class=span x1=\"{start:.1}\" y1=8 x2=\"{end:.1}\" y2=8 /><circle cx=\"{middle:.1}\" cy=8 r=4 \
         /></svg>",
        classes(index),
        WIDTH - 5.0,
    )
}
