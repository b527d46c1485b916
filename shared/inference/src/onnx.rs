//! Just enough of the ONNX file format to count weights and to see that a network is all in its file: protobuf fields, without a
//! parser of the whole.
//!
//! Source: onnx.proto; protocol buffers, *Encoding*.

/// `TensorProto.dims`, `.data_type`, `.external_data` and `.data_location`.
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;
const EXTERNAL_DATA: u64 = 13;
const DATA_LOCATION: u64 = 14;
/// `ModelProto.graph` and `GraphProto.initializer`.
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;
/// `TensorProto.DataType` of weights: float, uint8, int8, int32 (quantised biases), float16, double, bfloat16. Constants that
/// give shapes are int64.
const WEIGHT_TYPES: [u64; 7] = [1, 2, 3, 6, 10, 11, 16];
/// Deepest nesting of messages: graphs hold nodes, nodes attributes, and attributes graphs again. Readers of protobuf stop at 100.
const DEEPEST: usize = 100;

/// Numbers in the network's initialisers, shapes and scalars left out; `None` where the file is not what it should be.
pub(crate) fn weights(model: &[u8]) -> Option<u64> {
    let mut count = 0_u64;
    for field in fields(model) {
        let (GRAPH, Value::Bytes(graph)) = field? else { continue };
        for field in fields(graph) {
            let (INITIALIZER, Value::Bytes(tensor)) = field? else { continue };
            count = count.checked_add(numbers(tensor)?)?;
        }
    }
    Some(count)
}

/// The numbers that a tensor holds as weights.
fn numbers(tensor: &[u8]) -> Option<u64> {
    let (mut count, mut has_dims, mut data_type) = (1_u64, false, 0);
    let mut multiply = |size: u64| {
        has_dims = true;
        count = count.checked_mul(size)?;
        Some(())
    };
    for field in fields(tensor) {
        match field? {
            (DIMS, Value::Number(size)) => multiply(size)?,
            (DIMS, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    multiply(varint(&mut packed)?)?;
                }
            }
            (DATA_TYPE, Value::Number(number)) => data_type = number,
            _ => {}
        }
    }
    Some(if has_dims && WEIGHT_TYPES.contains(&data_type) { count } else { 0 })
}

/// A message of onnx.proto in which, however deep, a tensor may lie.
#[derive(Debug, Clone, Copy)]
enum Message {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// The message that its field of this number holds, where a tensor may lie in it.
    fn inner(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            _ => return None,
        })
    }
}

/// Checks that all of a network is in its file: ONNX lets a tensor name another file, which no digest of the bundle covers and which
/// may be any file of the machine.
///
/// # Errors
/// What is wrong. A file that cannot be read to its end is refused too: what another reader finds in it, nobody knows.
pub(crate) fn check_whole(model: &[u8]) -> Result<(), &'static str> {
    // ONNX Runtime's own format, which it tells from ONNX by this mark.
    if model.get(4..8) == Some(b"ORTM") || !fields(model).any(|field| matches!(field, Some((GRAPH, Value::Bytes(_))))) {
        return Err("the file is no ONNX network");
    }
    check_message(Message::Model, model, 0)
}

fn check_message(message: Message, bytes: &[u8], depth: usize) -> Result<(), &'static str> {
    if depth > DEEPEST {
        return Err("the network's graphs are nested too deep");
    }
    for field in fields(bytes) {
        let (number, value) = field.ok_or("the file is no ONNX network: it is damaged")?;
        let lies_outside = match (message, number, &value) {
            (Message::Tensor, EXTERNAL_DATA, Value::Bytes(_)) => true,
            (Message::Tensor, DATA_LOCATION, Value::Number(place)) => *place != 0,
            _ => false,
        };
        if lies_outside {
            return Err("the network keeps tensors in another file (external data): export it as one file");
        }
        if let (Some(inner), Value::Bytes(bytes)) = (message.inner(number), value) {
            check_message(inner, bytes, depth + 1)?;
        }
    }
    Ok(())
}

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of four or eight bytes, which nothing here needs.
    Fixed,
}

/// The fields of a message with their numbers; a last `None` where they do not end with the message.
fn fields(message: &[u8]) -> impl Iterator<Item = Option<(u64, Value<'_>)>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field)
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    // Other readers take 32 bits of a tag and forget what is beyond: what they would take for another field is none.
    let tag = u64::from(u32::try_from(varint(rest)?).ok()?);
    let number = tag >> 3;
    let value = match tag & 7 {
        0 => Value::Number(varint(rest)?),
        1 => take(rest, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = varint(rest)?;
            Value::Bytes(take(rest, usize::try_from(length).ok()?)?)
        }
        5 => take(rest, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    (number > 0).then_some((number, value))
}

/// Takes so many bytes off the front.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (bytes, more) = rest.split_at_checked(length)?;
    *rest = more;
    Some(bytes)
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

    /// A field of bytes.
    fn bytes(number: u64, value: &[u8]) -> Vec<u8> {
        let mut field = encoded(number << 3 | 2);
        field.extend(encoded(value.len() as u64));
        field.extend(value);
        field
    }

    fn number(number: u64, value: u64) -> Vec<u8> {
        [encoded(number << 3), encoded(value)].concat()
    }

    fn encoded(mut value: u64) -> Vec<u8> {
        let mut text = Vec::new();
        while value >= 0x80 {
            text.push(value as u8 | 0x80);
            value >>= 7;
        }
        text.push(value as u8);
        text
    }

    /// `tensor` wrapped into fields of these numbers, the innermost last, in the graph of a model.
    fn model_with(tensor: &[u8], path: &[u64]) -> Vec<u8> {
        let graph = path.iter().rev().fold(tensor.to_vec(), |inner, field| bytes(*field, &inner));
        [cheap(), bytes(GRAPH, &graph)].concat()
    }

    #[test]
    fn weights_of_a_known_network_are_counted() {
        // One kernel of 32 × 32; the shape that the output is brought to is no weight.
        assert_eq!(weights(&cheap()), Some(32 * 32));
    }

    #[test]
    fn tensors_outside_the_file_are_found_wherever_they_are() {
        assert_eq!(check_whole(&cheap()), Ok(()));
        let inside = number(DATA_LOCATION, 0);
        let outside = [
            number(DATA_LOCATION, 1),
            bytes(EXTERNAL_DATA, &bytes(1, b"location")),
            number(DATA_LOCATION, 1 << 32 | 1),
        ];
        let initializer: &[u64] = &[5];
        let constant: &[u64] = &[1, 5, 5];
        let in_a_branch: &[u64] = &[1, 5, 6, 1, 5, 6, 5];
        for path in
            [initializer, constant, in_a_branch, &[15, 1], &[15, 2], &[1, 5, 10], &[1, 5, 11, 5], &[1, 5, 23, 1]]
        {
            assert_eq!(check_whole(&model_with(&inside, path)), Ok(()), "{path:?}");
            for tensor in &outside {
                let error = check_whole(&model_with(tensor, path)).unwrap_err();
                assert!(error.contains("another file"), "{path:?}: {error}");
            }
        }
        let function = [cheap(), bytes(25, &bytes(7, &bytes(5, &bytes(5, &outside[0]))))].concat();
        assert!(check_whole(&function).is_err());
    }

    #[test]
    fn what_others_could_read_otherwise_is_refused() {
        for (name, text) in [
            ("nothing", Vec::new()),
            ("no graph", number(1, 8)),
            ("a cut file", cheap()[..cheap().len() - 1].to_vec()),
            ("a tag of more than 32 bits", [cheap(), encoded(1 << 32 | (7 << 3 | 2)), vec![0]].concat()),
            ("a group", [cheap(), vec![0x3b, 0x3c]].concat()),
            ("field 0", [cheap(), vec![0, 0]].concat()),
            ("ONNX Runtime's format", b"\x10\0\0\0ORTM\0\0".to_vec()),
        ] {
            assert!(check_whole(&text).is_err(), "{name}");
        }
        let deep: Vec<u64> = std::iter::repeat_n([1, 5, 6], DEEPEST).flatten().collect();
        assert!(check_whole(&model_with(&[], &deep)).unwrap_err().contains("too deep"));
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(place in 0..4000_usize, byte in any::<u8>(), length in 0..4400_usize) {
            let mut model = cheap();
            if let Some(target) = model.get_mut(place) { *target = byte; }
            model.truncate(length);
            let _ = (weights(&model), check_whole(&model));
        }
    }
}
