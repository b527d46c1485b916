//! The body part that a series shows, from a coarse look at planes spread over all of it, where neither tag nor words say it.
//!
//! Each plane is averaged to cells of some 4 mm and measured: how large the body is, how much of it is lung and bone, whether bone rings
//! soft tissue (a skull), whether tissue encloses air (a throat). The planes of a series are then read from head to foot: a trunk above
//! the first lung is a shoulder, one without lung below it an abdomen or, with much bone, a pelvis. What fits nothing (a limb, a
//! spine cut out of a trunk) votes for nothing, and a series of which most is so stays undecided.

use std::collections::BTreeMap;

use bolus_study::BodyPart;

/// Edge of a cell in millimetres: a trachea is four or five of them.
const CELL_MM: f64 = 4.0;
/// HU above which a cell is tissue.
const TISSUE_HU: f32 = -300.0;
/// HU of aerated lung in a cell; air and foam lie below, tissue above.
const LUNG_HU: std::ops::Range<f32> = -930.0..-500.0;
/// HU below which an enclosed cell is air.
const AIR_HU: f32 = -500.0;
/// HU above which a cell is bone.
const BONE_HU: f32 = 250.0;
/// HU of brain in a cell.
const BRAIN_HU: std::ops::Range<f32> = 0.0..100.0;
/// Directions in which a ring of bone is looked for.
const DIRECTIONS: u32 = 32;

/// Share of lung from which a plane is one of a chest, and below which it shows none.
const CHEST_LUNG: f64 = 0.10;
const NO_LUNG: f64 = 0.03;
/// Largest area and extents of a head or a neck.
const HEAD_MM2: std::ops::RangeInclusive<f64> = 2_000.0..=40_000.0;
const HEAD_MM: [f64; 2] = [280.0, 260.0];
/// Least area of a trunk, and the least part of its bounding box that it fills: two thighs fill less.
const TRUNK_MM2: f64 = 35_000.0;
const TRUNK_FILL: f64 = 0.62;
/// Share of bone below which a trunk is an abdomen, and from which it is a pelvis.
const ABDOMEN_BONE: f64 = 0.038;
const PELVIS_BONE: f64 = 0.045;

/// Share of the planes that must show something for the series to be decided.
const DECIDED: f64 = 1.0 / 3.0;
/// Share of the planes that show something from which a part is one that the series shows.
const SHOWN: f64 = 0.25;

/// What was measured of one plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneLook {
    /// Area of the body with what it encloses, in square millimetres.
    pub area_mm2: f64,
    /// Extent of the body in millimetres, `[y, x]`.
    pub extent_mm: [f64; 2],
    /// Share of lung in body and lung, 0..1.
    pub lung: f64,
    /// Share of bone in the body's tissue, 0..1.
    pub bone: f64,
    /// Share of directions in which bone lies in the outer part of the body, 0..1.
    pub ring: f64,
    /// Share of brain-like cells in the inner half, 0..1.
    pub soft: f64,
    /// Area of air that tissue encloses, in square millimetres.
    pub air_mm2: f64,
    /// Edges of the image, of four, that the body touches.
    pub edges: usize,
}

/// What a plane shows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    HeadNeck,
    Lung,
    Abdomen,
    Pelvis,
    /// A trunk that may be a shoulder, a lung's base or between abdomen and pelvis.
    Trunk,
    Nothing,
}

/// What a series shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its parts in the order of the body; empty where it is undecided.
    pub parts: Vec<BodyPart>,
    /// The part that most planes show, of equals the one nearest to the head; none where it is undecided.
    pub lead: Option<BodyPart>,
    /// The planes that were looked at, and how many of them vote for each part, in words.
    pub why: String,
}

/// The part of the body in `planes`, from caudal to cranial; `None` is a plane without a body.
#[must_use]
pub fn sight(planes: &[Option<PlaneLook>]) -> Sighting {
    let shows: Vec<Shows> = planes.iter().map(|plane| plane.map_or(Shows::Nothing, |plane| plane.shows())).collect();
    let lowest_above = |wanted: Shows| shows.iter().position(|shown| *shown == wanted);
    // A trunk above a lung, or below nothing but a neck, is a shoulder.
    let shoulders = match (lowest_above(Shows::Lung), shows.contains(&Shows::HeadNeck)) {
        (Some(lung), _) => lung,
        (None, true) => 0,
        (None, false) => shows.len(),
    };
    let mut votes: BTreeMap<BodyPart, usize> = BTreeMap::new();
    for (place, shown) in shows.iter().enumerate() {
        let part = match shown {
            Shows::HeadNeck => BodyPart::HeadNeck,
            Shows::Lung => BodyPart::Chest,
            Shows::Abdomen if place < shoulders => BodyPart::Abdomen,
            Shows::Pelvis if place < shoulders => BodyPart::Pelvis,
            _ => continue,
        };
        *votes.entry(part).or_insert(0) += 1;
    }
    let decided: usize = votes.values().sum();
    let told: Vec<String> = votes.iter().map(|(part, count)| format!("{part} {count}")).collect();
    let told = if told.is_empty() { "none tells a part".to_owned() } else { told.join(", ") };
    let why = format!("of {} planes: {told}", planes.len());
    let enough = decided > 0 && decided as f64 >= DECIDED * planes.len() as f64;
    let shown = |count: usize| enough && count as f64 >= SHOWN * decided as f64;
    let parts: Vec<BodyPart> = votes.iter().filter(|(_, count)| shown(**count)).map(|(part, _)| *part).collect();
    let lead = parts.iter().rev().max_by_key(|part| votes.get(part)).copied();
    Sighting { parts, lead, why }
}

impl PlaneLook {
    /// Measures one whole plane; `None` where nothing in it is a body.
    ///
    /// *Shape and units*: `hu` is `[row, column]` row-major in HU, `pixel_spacing_mm` is `[y, x]`.
    #[must_use]
    pub fn of(hu: &[f32], columns: usize, pixel_spacing_mm: [f64; 2]) -> Option<Self> {
        let grid = Grid::of(hu, columns, pixel_spacing_mm)?;
        let body = grid.largest(|value| value > TISSUE_HU)?;
        let cell = grid.cell_mm[0] * grid.cell_mm[1];
        let tissue = body.iter().filter(|inside| **inside).count() as f64;
        let [y0, y1, x0, x1] = grid.bounds(&body)?;
        let edges =
            [y0 == 0, y1 + 1 == grid.rows, x0 == 0, x1 + 1 == grid.columns].into_iter().filter(|cut| *cut).count();
        let enclosed = grid.enclosed(&body);
        // A body that the image cuts does not enclose its lung; one that it shows whole does, and what lies outside is cushion.
        let may_be_lung = |place: usize| {
            let (y, x) = (place / grid.columns, place % grid.columns);
            if edges < 2 { enclosed[place] } else { (y0..=y1).contains(&y) && (x0..=x1).contains(&x) }
        };
        let count = |test: &dyn Fn(usize) -> bool| (0..grid.hu.len()).filter(|place| test(*place)).count() as f64;
        let lung = count(&|place| may_be_lung(place) && grid.is_core(place, &LUNG_HU));
        let enclosed_cells = count(&|place| enclosed[place]);
        let (ring, soft) = grid.ring(&body);
        Some(Self {
            area_mm2: (tissue + enclosed_cells) * cell,
            extent_mm: [(y1 + 1 - y0) as f64 * grid.cell_mm[0], (x1 + 1 - x0) as f64 * grid.cell_mm[1]],
            lung: lung / (tissue + lung),
            bone: count(&|place| body[place] && grid.hu[place] > BONE_HU) / tissue,
            ring,
            soft,
            air_mm2: count(&|place| enclosed[place] && grid.hu[place] < AIR_HU) * cell,
            edges,
        })
    }

    fn shows(&self) -> Shows {
        let [height, width] = self.extent_mm;
        if self.lung >= CHEST_LUNG {
            return Shows::Lung;
        }
        let small = HEAD_MM2.contains(&self.area_mm2) && height <= HEAD_MM[0] && width <= HEAD_MM[1];
        if small && self.edges <= 2 {
            let skull = self.ring >= 0.8 && self.soft >= 0.5;
            // A limb has bone too, but encloses no air.
            let throat = self.air_mm2 >= 60.0 && self.bone >= 0.02;
            return if skull || throat { Shows::HeadNeck } else { Shows::Nothing };
        }
        if self.area_mm2 < TRUNK_MM2 || self.area_mm2 < TRUNK_FILL * height * width {
            return Shows::Nothing;
        }
        match self.bone {
            _ if self.lung >= NO_LUNG => Shows::Trunk,
            bone if bone < ABDOMEN_BONE => Shows::Abdomen,
            bone if bone >= PELVIS_BONE => Shows::Pelvis,
            _ => Shows::Trunk,
        }
    }
}

/// A plane in cells.
struct Grid {
    hu: Vec<f32>,
    rows: usize,
    columns: usize,
    cell_mm: [f64; 2],
}

impl Grid {
    /// Averages pixels; those that a last cell would lack are left out.
    fn of(hu: &[f32], columns: usize, spacing_mm: [f64; 2]) -> Option<Self> {
        let pixel_rows = hu.len().checked_div(columns)?;
        let step = spacing_mm.map(|spacing| ((CELL_MM / spacing).round() as usize).max(1));
        let (rows, cells) = (pixel_rows / step[0], columns / step[1]);
        if rows == 0 || cells == 0 {
            return None;
        }
        let mut sums = vec![0.0_f32; rows * cells];
        for (y, row) in hu.chunks_exact(columns).take(rows * step[0]).enumerate() {
            let line = &mut sums[y / step[0] * cells..][..cells];
            for (sum, pixels) in line.iter_mut().zip(row.chunks_exact(step[1])) {
                // Below air there is only what scanners write outside the field of view.
                *sum += pixels.iter().map(|value| value.max(-1024.0)).sum::<f32>();
            }
        }
        let pixels = (step[0] * step[1]) as f32;
        let cell_mm = [spacing_mm[0] * step[0] as f64, spacing_mm[1] * step[1] as f64];
        Some(Self { hu: sums.into_iter().map(|sum| sum / pixels).collect(), rows, columns: cells, cell_mm })
    }

    /// The neighbours of a cell by its edges.
    fn neighbours(&self, place: usize) -> impl Iterator<Item = usize> {
        let (y, x) = (place / self.columns, place % self.columns);
        let all = [
            (y > 0).then(|| place - self.columns),
            (y + 1 < self.rows).then(|| place + self.columns),
            (x > 0).then(|| place - 1),
            (x + 1 < self.columns).then(|| place + 1),
        ];
        all.into_iter().flatten()
    }

    /// Marks what can be reached from `start` over cells that `open` lets pass; returns their number.
    fn flood(&self, start: usize, open: &dyn Fn(usize) -> bool, marks: &mut [bool]) -> usize {
        let mut waiting = vec![start];
        let mut reached = 0;
        while let Some(place) = waiting.pop() {
            if marks[place] || !open(place) {
                continue;
            }
            marks[place] = true;
            reached += 1;
            waiting.extend(self.neighbours(place).filter(|next| !marks[*next]));
        }
        reached
    }

    /// The largest connected piece of the cells whose value passes `test`.
    fn largest(&self, test: impl Fn(f32) -> bool) -> Option<Vec<bool>> {
        let open = |place: usize| test(self.hu[place]);
        let mut seen = vec![false; self.hu.len()];
        let mut best: Option<(usize, usize)> = None;
        for start in 0..self.hu.len() {
            let size = if seen[start] { 0 } else { self.flood(start, &open, &mut seen) };
            if size > best.map_or(0, |(size, _)| size) {
                best = Some((size, start));
            }
        }
        let (_, start) = best?;
        let mut piece = vec![false; self.hu.len()];
        self.flood(start, &open, &mut piece);
        Some(piece)
    }

    /// First and last row, first and last column of the marked cells.
    fn bounds(&self, marks: &[bool]) -> Option<[usize; 4]> {
        let marked = || (0..marks.len()).filter(|place| marks[*place]);
        let rows = || marked().map(|place| place / self.columns);
        let columns = || marked().map(|place| place % self.columns);
        Some([rows().min()?, rows().max()?, columns().min()?, columns().max()?])
    }

    /// The cells outside `body` that cannot be reached from the image's edge.
    fn enclosed(&self, body: &[bool]) -> Vec<bool> {
        let mut outside = vec![false; self.hu.len()];
        let open = |place: usize| !body[place];
        for place in (0..self.hu.len()).filter(|place| self.neighbours(*place).count() < 4) {
            self.flood(place, &open, &mut outside);
        }
        body.iter().zip(outside).map(|(inside, outside)| !inside && !outside).collect()
    }

    /// Whether a cell and its neighbours lie in `range`: the skin, where air and tissue mix in one cell, does not.
    fn is_core(&self, place: usize, range: &std::ops::Range<f32>) -> bool {
        range.contains(&self.hu[place]) && self.neighbours(place).all(|next| range.contains(&self.hu[next]))
    }

    /// The share of directions from the middle of `body` in which bone lies in its outer part, and the share of brain in its inner half.
    fn ring(&self, body: &[bool]) -> (f64, f64) {
        let marked = || (0..body.len()).filter(|place| body[*place]);
        let count = marked().count() as f64;
        let middle = |of: &dyn Fn(usize) -> usize| marked().map(|place| of(place) as f64).sum::<f64>() / count;
        let (y, x) = (middle(&|place| place / self.columns), middle(&|place| place % self.columns));
        let (mut hits, mut brain, mut inner) = (0, 0, 0);
        for direction in 0..DIRECTIONS {
            let ray = self.ray(body, [y, x], std::f64::consts::TAU * f64::from(direction) / f64::from(DIRECTIONS));
            hits += u32::from(ray.iter().skip(ray.len() * 3 / 5).any(|value| *value > BONE_HU));
            let half = ray.get(..ray.len() / 2).unwrap_or_default();
            brain += half.iter().filter(|value| BRAIN_HU.contains(value)).count();
            inner += half.len();
        }
        (f64::from(hits) / f64::from(DIRECTIONS), brain as f64 / inner.max(1) as f64)
    }

    /// The values from `from` outwards to the last cell of `body`, in steps of half a cell.
    fn ray(&self, body: &[bool], from: [f64; 2], angle: f64) -> Vec<f32> {
        let (sine, cosine) = angle.sin_cos();
        let (mut values, mut end) = (Vec::new(), 0);
        for step in 0_u32.. {
            let distance = f64::from(step) * self.cell_mm[0] / 2.0;
            let y = (from[0] + sine * distance / self.cell_mm[0]).round();
            let x = (from[1] + cosine * distance / self.cell_mm[1]).round();
            if !(0.0..self.rows as f64).contains(&y) || !(0.0..self.columns as f64).contains(&x) {
                break;
            }
            let place = y as usize * self.columns + x as usize;
            values.push(self.hu[place]);
            if body[place] {
                end = values.len();
            }
        }
        values.truncate(end);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: PlaneLook = PlaneLook {
        area_mm2: 70_000.0,
        extent_mm: [240.0, 380.0],
        lung: 0.0,
        bone: 0.02,
        ring: 0.2,
        soft: 0.5,
        air_mm2: 0.0,
        edges: 0,
    };
    const LUNG: PlaneLook = PlaneLook { lung: 0.25, bone: 0.06, air_mm2: 15_000.0, ..TRUNK };
    const BONY: PlaneLook = PlaneLook { bone: 0.08, ..TRUNK };
    const SKULL: PlaneLook =
        PlaneLook { area_mm2: 20_000.0, extent_mm: [180.0, 150.0], bone: 0.2, ring: 1.0, soft: 0.9, ..TRUNK };
    const NECK: PlaneLook = PlaneLook { area_mm2: 11_000.0, ring: 0.3, bone: 0.06, air_mm2: 200.0, ..SKULL };
    const THIGH: PlaneLook = PlaneLook { air_mm2: 0.0, ..NECK };

    #[test]
    fn planes_are_read_from_head_to_foot() {
        use BodyPart::{Abdomen, Chest, HeadNeck, Pelvis};
        for (planes, expected) in [
            (vec![TRUNK; 8], vec![Abdomen]),
            (vec![BONY; 8], vec![Pelvis]),
            ([[BONY; 4], [TRUNK; 4]].concat(), vec![Abdomen, Pelvis]),
            // Shoulders are bony trunks without lung, above it or below a neck.
            ([[LUNG; 4], [BONY; 4]].concat(), vec![Chest]),
            ([[BONY; 4], [NECK; 4]].concat(), vec![HeadNeck]),
            ([[SKULL; 4], [NECK; 4]].concat(), vec![HeadNeck]),
            ([[TRUNK; 4], [LUNG; 4]].concat(), vec![Chest, Abdomen]),
            (vec![THIGH; 8], vec![]),
            ([[THIGH; 4], [THIGH; 4], [TRUNK; 4]].concat()[..11].to_vec(), vec![]),
        ] {
            let sighting = sight(&planes.iter().copied().map(Some).collect::<Vec<_>>());
            assert_eq!(sighting.parts, expected, "{sighting:?}");
        }
        assert!(sight(&[None, None]).parts.is_empty() && sight(&[]).parts.is_empty());
    }

    #[test]
    fn the_part_of_most_planes_leads() {
        let lead = |planes: Vec<PlaneLook>| sight(&planes.into_iter().map(Some).collect::<Vec<_>>()).lead;
        assert_eq!(lead([vec![LUNG; 9], vec![NECK; 3]].concat()), Some(BodyPart::Chest));
        assert_eq!(lead([vec![LUNG; 3], vec![NECK; 9]].concat()), Some(BodyPart::HeadNeck));
        assert_eq!(lead([vec![LUNG; 6], vec![NECK; 6]].concat()), Some(BodyPart::HeadNeck));
        assert_eq!(lead(vec![THIGH; 8]), None);
    }

    /// A plane of `size` pixels of 2 mm with the HU that `of` gives at a distance from its middle, in millimetres.
    fn disc(size: usize, of: impl Fn(f64) -> f32) -> Option<PlaneLook> {
        let middle = size as f64 / 2.0;
        let distance = |place: usize| ((place / size) as f64 - middle).hypot((place % size) as f64 - middle) * 2.0;
        let hu: Vec<f32> = (0..size * size).map(|place| of(distance(place))).collect();
        PlaneLook::of(&hu, size, [2.0, 2.0])
    }

    #[test]
    fn discs_are_measured() {
        let skull = disc(128, |mm| match mm {
            mm if mm < 70.0 => 40.0,
            mm if mm < 80.0 => 900.0,
            mm if mm < 86.0 => 60.0,
            _ => -1000.0,
        });
        let skull = skull.unwrap();
        let area = std::f64::consts::PI * 86.0 * 86.0;
        assert!((skull.area_mm2 - area).abs() < 0.05 * area, "{skull:?}");
        assert!(skull.ring > 0.95 && skull.soft > 0.95 && skull.edges == 0, "{skull:?}");
        assert_eq!(skull.shows(), Shows::HeadNeck);
        let chest = disc(256, |mm| match mm {
            mm if mm < 60.0 => 40.0,
            mm if mm < 140.0 => -850.0,
            mm if mm < 160.0 => 20.0,
            _ => -1000.0,
        });
        assert_eq!(chest.unwrap().shows(), Shows::Lung);
        // The same cut by the image on all sides, as of one lung.
        let cut = disc(100, |mm| if mm < 60.0 { 40.0 } else { -850.0 });
        assert_eq!(cut.unwrap().shows(), Shows::Nothing);
        assert_eq!(disc(64, |_| -1000.0), None);
        assert_eq!(PlaneLook::of(&[], 0, [1.0, 1.0]), None);
        assert_eq!(PlaneLook::of(&[0.0; 16], 4, [0.0, 1.0]), None);
    }
}
