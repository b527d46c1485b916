//! A colour for an effect: blue where covering raises the score, orange where it lowers it, more of it the larger the effect.

use embedded_graphics::pixelcolor::Rgb888;

/// Lightness and chroma in OKLab at the ends of the scale. Both sides have the same, so that neither looks larger than it is.
const END_LIGHTNESS: f32 = 0.74;
const END_CHROMA: f32 = 0.145;
/// Hues of the ends in degrees: orange, and the blue opposite to it, which people of every colour vision tell apart.
const HUES_DEG: [f32; 2] = [60.0, 250.0];
/// How much of the picture beneath the ends hide.
const END_COVER: f32 = 0.8;

/// `grey` (0..1) with the effect `share` (−1..1, the share of the scale's end) laid over it.
///
/// Lightness, chroma and cover go in even steps in OKLab, whose distances are those that people see.
pub fn over(grey: f32, share: f32) -> Rgb888 {
    let size = if share.is_finite() { share.abs().min(1.0) } else { 0.0 };
    let hue = HUES_DEG[usize::from(share < 0.0)].to_radians();
    // An achromatic colour of OKLab has the cube root of its linear light as its lightness.
    let beneath = linear(grey.clamp(0.0, 1.0)).cbrt();
    let cover = END_COVER * size;
    let lightness = beneath + (END_LIGHTNESS - beneath) * cover;
    let chroma = END_CHROMA * size;
    oklab(lightness, chroma * hue.cos(), chroma * hue.sin())
}

/// sRGB of a colour of OKLab (Ottosson 2020), cut off where the screen has no such colour.
fn oklab(lightness: f32, a: f32, b: f32) -> Rgb888 {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    Rgb888::new(
        byte(4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s),
        byte(-1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s),
        byte(-0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s),
    )
}

/// The linear light of an sRGB value.
fn linear(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The sRGB byte of linear light.
fn byte(light: f32) -> u8 {
    let light = light.clamp(0.0, 1.0);
    let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}
