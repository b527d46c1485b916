//! The header of NumPy's file format, version 1.0, of a float16 array.

use half::f16;

/// Size of every header that [`header`] makes, so that one can be written again when the number of slices is known.
pub const HEADER_BYTES: usize = 128;

/// The header of a little-endian float16 array of `[slices, rows, columns]` in C order; the values follow it.
#[must_use]
pub fn header(shape: [usize; 3]) -> [u8; HEADER_BYTES] {
    let [slices, rows, columns] = shape;
    let text = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': ({slices}, {rows}, {columns}), }}");
    let mut bytes = [b' '; HEADER_BYTES];
    bytes[..10].copy_from_slice(b"\x93NUMPY\x01\x00\x76\x00");
    // Ends before the last byte with 20 digits of slices and 9 each of rows and columns: more than any bundle may ask for.
    for (place, byte) in bytes[10..HEADER_BYTES - 1].iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    bytes[HEADER_BYTES - 1] = b'\n';
    bytes
}

/// A whole file: `values` of `shape`, rounded to float16.
#[must_use]
pub fn npy_bytes(shape: [usize; 3], values: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut bytes = header(shape).to_vec();
    bytes.extend(values.flat_map(|value| f16::from_f32(value).to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_that_of_the_format_and_fits_the_largest_shape() {
        let bytes = header([3, 192, 160]);
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        assert_eq!(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) + 10, HEADER_BYTES);
        let text = std::str::from_utf8(&bytes[10..]).unwrap();
        assert_eq!(text.trim_end(), "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 192, 160), }");
        let largest = header([usize::MAX, 999_999_999, 999_999_999]);
        assert!(std::str::from_utf8(&largest[10..]).unwrap().trim_end().ends_with("), }"));
        assert_eq!(largest[HEADER_BYTES - 1], b'\n');
    }
}
