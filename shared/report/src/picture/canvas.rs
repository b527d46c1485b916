//! An RGB image that text, boxes and grey tiles are drawn on.

use std::path::Path;

use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage};

use crate::error::PictureError;

/// The page's background.
pub const PAPER: Rgb888 = Rgb888::new(18, 20, 24);
/// Ordinary text.
pub const INK: Rgb888 = Rgb888::new(232, 234, 237);
/// Text of less weight, axes.
pub const FAINT: Rgb888 = Rgb888::new(140, 146, 156);
/// Enhanced slices and series.
pub const ENHANCED: Rgb888 = Rgb888::new(255, 150, 60);
/// Native slices and series.
pub const NATIVE: Rgb888 = Rgb888::new(90, 175, 255);
/// Series inside the indeterminate band.
pub const UNDECIDED: Rgb888 = Rgb888::new(200, 200, 120);

/// A picture in the making. Drawing outside it is cut off.
pub struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// An empty page of `width` × `height` pixels.
    pub fn new(width: u32, height: u32) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb([PAPER.r(), PAPER.g(), PAPER.b()])) }
    }

    /// Writes `text` with its upper left corner at (`x`, `y`).
    pub fn text(&mut self, x: i32, y: i32, font: &MonoFont<'_>, colour: Rgb888, text: &str) {
        // Drawing on memory cannot fail.
        let _ = Text::with_baseline(text, Point::new(x, y), MonoTextStyle::new(font, colour), Baseline::Top).draw(self);
    }

    /// Fills a box.
    pub fn fill(&mut self, x: i32, y: i32, width: u32, height: u32, colour: Rgb888) {
        let style = PrimitiveStyle::with_fill(colour);
        let _ = Rectangle::new(Point::new(x, y), Size::new(width, height)).into_styled(style).draw(self);
    }

    /// Outlines a box.
    pub fn frame(&mut self, x: i32, y: i32, width: u32, height: u32, colour: Rgb888) {
        let style = PrimitiveStyle::with_stroke(colour, 2);
        let _ = Rectangle::new(Point::new(x, y), Size::new(width, height)).into_styled(style).draw(self);
    }

    /// Draws a line.
    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), colour: Rgb888) {
        let style = PrimitiveStyle::with_stroke(colour, 1);
        let _ = Line::new(Point::new(from.0, from.1), Point::new(to.0, to.1)).into_styled(style).draw(self);
    }

    /// Places a grey image, `[row, column]` row-major with `columns` columns, scaled by sampling to `width` × `height`.
    pub fn grey(&mut self, x: u32, y: u32, width: u32, height: u32, pixels: &[u8], columns: usize) {
        let rows = pixels.len() / columns.max(1);
        for dy in 0..height {
            for dx in 0..width {
                let source = (dy as usize * rows / height as usize) * columns + dx as usize * columns / width as usize;
                if let (Some(grey), true) =
                    (pixels.get(source), x + dx < self.image.width() && y + dy < self.image.height())
                {
                    self.image.put_pixel(x + dx, y + dy, Rgb([*grey; 3]));
                }
            }
        }
    }

    /// Colours every pixel of a box by `colour`, told how far the pixel's middle is across and down the box, 0..1.
    pub fn pixels(&mut self, x: u32, y: u32, width: u32, height: u32, colour: impl Fn(f32, f32) -> Rgb888) {
        for dy in 0..height.min(self.image.height().saturating_sub(y)) {
            for dx in 0..width.min(self.image.width().saturating_sub(x)) {
                let pixel = colour((dx as f32 + 0.5) / width as f32, (dy as f32 + 0.5) / height as f32);
                self.image.put_pixel(x + dx, y + dy, Rgb([pixel.r(), pixel.g(), pixel.b()]));
            }
        }
    }

    /// Writes the picture as PNG.
    ///
    /// # Errors
    /// [`PictureError`] names the file.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        self.image.save(path).map_err(|source| PictureError { path: path.to_owned(), source })
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y))
                && x < self.image.width()
                && y < self.image.height()
            {
                self.image.put_pixel(x, y, Rgb([colour.r(), colour.g(), colour.b()]));
            }
        }
        Ok(())
    }
}
