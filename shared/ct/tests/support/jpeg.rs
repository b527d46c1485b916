//! JPEG by libjpeg-turbo's encoder, JPEG-LS by CharLS's, and RLE.
#![allow(unsafe_code, reason = "the TurboJPEG functions are C")]

use std::ffi::c_int;

use charls::{CharLS, FrameInfo};
use turbojpeg_sys as turbo;

use super::Shape;

/// How a JPEG stream is built.
#[derive(Debug, Clone, Copy)]
pub struct Structure {
    /// Predictor and point transform of lossless JPEG; `None` for lossy.
    pub lossless: Option<[i32; 2]>,
    pub progressive: bool,
    pub arithmetic: bool,
    /// Rows of blocks, or of pixels, between restart markers; 0 for none.
    pub restart_rows: i32,
}

/// Encodes a picture of unsigned values; `None` where the encoder does not take the structure.
pub fn encode(shape: Shape, values: &[i32], structure: Structure) -> Option<Vec<u8>> {
    // SAFETY: no arguments that could be wrong; a null handle is refused.
    let handle = unsafe { turbo::tj3Init(turbo::TJINIT_TJINIT_COMPRESS as c_int) };
    assert!(!handle.is_null());
    let set = |parameter: turbo::TJPARAM, value: c_int| {
        // SAFETY: the handle is live.
        unsafe { turbo::tj3Set(handle, parameter as c_int, value) == 0 }
    };
    let mut taken = set(turbo::TJPARAM_TJPARAM_SUBSAMP, turbo::TJSAMP_TJSAMP_GRAY as c_int)
        && set(turbo::TJPARAM_TJPARAM_QUALITY, 95)
        && set(turbo::TJPARAM_TJPARAM_PROGRESSIVE, structure.progressive.into())
        && set(turbo::TJPARAM_TJPARAM_ARITHMETIC, structure.arithmetic.into())
        && set(turbo::TJPARAM_TJPARAM_PRECISION, shape.bits as c_int);
    if let Some([predictor, transform]) = structure.lossless {
        taken &= set(turbo::TJPARAM_TJPARAM_LOSSLESS, 1)
            && set(turbo::TJPARAM_TJPARAM_LOSSLESSPSV, predictor)
            && set(turbo::TJPARAM_TJPARAM_LOSSLESSPT, transform);
    }
    taken &= set(turbo::TJPARAM_TJPARAM_RESTARTROWS, structure.restart_rows);
    let (mut bytes, mut length) = (std::ptr::null_mut(), 0);
    let (width, height) = (shape.columns as c_int, shape.rows as c_int);
    let gray = turbo::TJPF_TJPF_GRAY as c_int;
    let narrow: Vec<u8> = values.iter().map(|value| *value as u8).collect();
    let wide: Vec<u16> = values.iter().map(|value| *value as u16).collect();
    // SAFETY: the arrays hold `width` × `height` samples of the type that each function reads; the library allocates
    // the result, which is copied and freed.
    let coded = unsafe {
        let status = match shape.bits {
            0..=8 => turbo::tj3Compress8(handle, narrow.as_ptr(), width, 0, height, gray, &mut bytes, &mut length),
            9..=12 => {
                turbo::tj3Compress12(handle, wide.as_ptr().cast(), width, 0, height, gray, &mut bytes, &mut length)
            }
            _ => turbo::tj3Compress16(handle, wide.as_ptr(), width, 0, height, gray, &mut bytes, &mut length),
        };
        let coded = (status == 0).then(|| std::slice::from_raw_parts(bytes, length as usize).to_vec());
        turbo::tj3Free(bytes.cast());
        turbo::tj3Destroy(handle);
        coded
    };
    coded.filter(|_| taken)
}

/// Encodes a picture as JPEG-LS that differs by `near` at most.
pub fn encode_ls(shape: Shape, values: &[i32], near: i32) -> Vec<u8> {
    let info = FrameInfo {
        width: shape.columns as u32,
        height: shape.rows as u32,
        bits_per_sample: shape.bits as i32,
        component_count: shape.samples as i32,
    };
    let mask = (1 << shape.bits) - 1;
    let unsigned: Vec<i32> = values.iter().map(|value| value & mask).collect();
    CharLS::default().encode(info, near, &shape.cells(&unsigned)).unwrap()
}

/// Encodes a picture as RLE (PS3.5 annex G), runs and literals by turns.
pub fn encode_rle(shape: Shape, values: &[i32]) -> Vec<u8> {
    let cells = shape.cells(values);
    let bytes = usize::from(shape.bits_allocated() / 8);
    let stride = bytes * shape.samples;
    let planes = (0..stride).map(|plane| {
        let offset = plane / bytes * bytes + (bytes - 1 - plane % bytes);
        let plane: Vec<u8> = cells.iter().skip(offset).step_by(stride).copied().collect();
        pack(&plane)
    });
    let planes: Vec<Vec<u8>> = planes.collect();
    let mut header = vec![planes.len() as u32];
    let mut position = 64;
    for plane in &planes {
        header.push(position);
        position += plane.len() as u32;
    }
    header.resize(16, 0);
    header.into_iter().flat_map(u32::to_le_bytes).chain(planes.concat()).collect()
}

fn pack(plane: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = plane;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take(128).take_while(|byte| **byte == first).count();
        if run > 1 {
            out.extend([(257 - run) as u8, first]);
            rest = &rest[run..];
        } else {
            let literal = rest.len().min(1 + rest.windows(2).take(127).take_while(|pair| pair[0] != pair[1]).count());
            out.push((literal - 1) as u8);
            out.extend(&rest[..literal]);
            rest = &rest[literal..];
        }
    }
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out
}
