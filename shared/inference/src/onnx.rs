//! Just enough of the ONNX file format to count weights: protobuf fields, without a parser of the whole.

/// `ModelProto.graph`, `GraphProto.initializer`, `TensorProto.dims` and `TensorProto.data_type`, from onnx.proto.
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;
/// `TensorProto.DataType` of weights: float, uint8, int8, int32 (quantised biases), float16, double, bfloat16. Constants that
/// give shapes are int64.
const WEIGHT_TYPES: [u64; 7] = [1, 2, 3, 6, 10, 11, 16];

/// Numbers in the network's initialisers, shapes and scalars left out; `None` where the file is not what it should be.
pub(crate) fn weights(model: &[u8]) -> Option<u64> {
    let mut count = 0_u64;
    for (graph_field, graph) in fields(model)? {
        let (GRAPH, Field::Bytes(graph)) = (graph_field, graph) else { continue };
        for (tensor_field, tensor) in fields(graph)? {
            let (INITIALIZER, Field::Bytes(tensor)) = (tensor_field, tensor) else { continue };
            count = count.checked_add(numbers(tensor)?)?;
        }
    }
    Some(count)
}

/// The numbers that a tensor holds as weights.
fn numbers(tensor: &[u8]) -> Option<u64> {
    let (mut dims, mut data_type) = (Vec::new(), 0);
    for field in fields(tensor)? {
        match field {
            (DIMS, Field::Number(size)) => dims.push(size),
            (DIMS, Field::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    dims.push(varint(&mut packed)?);
                }
            }
            (DATA_TYPE, Field::Number(number)) => data_type = number,
            _ => {}
        }
    }
    if dims.is_empty() || !WEIGHT_TYPES.contains(&data_type) {
        return Some(0);
    }
    dims.into_iter().try_fold(1_u64, u64::checked_mul)
}

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers, those of fixed width left out; `None` where they do not end with the message.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let number = tag >> 3;
        match tag & 7 {
            0 => found.push((number, Field::Number(varint(&mut message)?))),
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                found.push((number, Field::Bytes(message.get(..length)?)));
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

/// Takes a variable-length integer off the front.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn cheap() -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles/cheap/model.onnx")).unwrap()
    }

    #[test]
    fn weights_of_a_known_network_are_counted() {
        // One kernel of 32 × 32; the shape that the output is brought to is no weight.
        assert_eq!(weights(&cheap()), Some(32 * 32));
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(place in 0..4000_usize, byte in any::<u8>(), length in 0..4400_usize) {
            let mut model = cheap();
            if let Some(target) = model.get_mut(place) { *target = byte; }
            model.truncate(length);
            let _ = weights(&model);
        }
    }
}
