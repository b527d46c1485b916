//! Functions whose answer can be far larger than what they are given, held to a size.
//!
//! The memory of a query counts what it sorts, groups and joins, not what its functions make: `repeat('a', 1000000000)` took
//! a gigabyte of its 256 MiB. Here such a function is asked first how much it would make.

use deltalake::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, FieldRef, Int64Type};
use deltalake::datafusion::common::config::ConfigOptions;
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::interval_arithmetic::Interval;
use deltalake::datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, StructFieldMapping,
};
use deltalake::datafusion::prelude::SessionContext;

/// Functions whose count is their second argument.
const COUNTED: [&str; 5] = ["repeat", "lpad", "rpad", "array_repeat", "array_resize"];

/// Functions that put together what they are given, perhaps many times over: their answer is looked at.
const JOINING: [&str; 10] = [
    "concat",
    "concat_ws",
    "replace",
    "regexp_replace",
    "translate",
    "overlay",
    "array_concat",
    "array_to_string",
    "array_replace_all",
    "make_array",
];

/// Functions that make lists out of nothing, with steps of any kind. The table functions of the same names give rows instead,
/// which other limits hold.
const REMOVED: [&str; 2] = ["range", "generate_series"];

/// Holds the functions of `context` to answers of `bytes`.
pub(super) fn bound_functions(context: &SessionContext, bytes: usize) {
    for name in COUNTED.iter().chain(&JOINING) {
        let function = context.state().scalar_functions().get(*name).cloned();
        if let Some(function) = function {
            context.register_udf(ScalarUDF::from(Bounded { function: function.as_ref().clone(), bytes }));
        }
    }
    for name in REMOVED {
        context.deregister_udf(name);
    }
}

/// A function whose answer to one batch has at most so many bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Bounded {
    function: ScalarUDF,
    bytes: usize,
}

impl Bounded {
    fn check(&self, bytes: usize) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} would make {bytes} bytes at once, the limit is {}; make shorter texts or lists",
            self.function.name(),
            self.bytes
        )))
    }

    /// Bytes that a counted function would make of `args`.
    fn estimate(&self, args: &ScalarFunctionArgs) -> Result<usize> {
        let [what, count, ..] = args.args.as_slice() else { return Ok(0) };
        if !COUNTED.contains(&self.function.name()) {
            return Ok(0);
        }
        // Of constants one answer is made, however many rows there are.
        let rows =
            if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) { 1 } else { args.number_rows };
        let counts = cast(&count.to_array(rows)?, &DataType::Int64)?;
        let counts = counts.as_primitive::<Int64Type>();
        if matches!(self.function.name(), "lpad" | "rpad") {
            // A character has four bytes at most.
            return Ok(total(counts, |_| 4));
        }
        let what = what.to_array(rows)?;
        if self.function.name() == "repeat" {
            let text = cast(&what, &DataType::LargeUtf8)?;
            let text = text.as_string::<i64>();
            return Ok(total(counts, |row| if text.is_null(row) { 0 } else { text.value(row).len() }));
        }
        let each = average_bytes(&what).max(8);
        Ok(total(counts, |_| each))
    }
}

/// The sum of each row's count, times what one of it takes.
fn total(counts: &Int64Array, each: impl Fn(usize) -> usize) -> usize {
    let sizes = counts.iter().enumerate().map(|(row, count)| {
        let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        count.saturating_mul(each(row))
    });
    sizes.fold(0, usize::saturating_add)
}

/// What an element of `array` takes, about.
fn average_bytes(array: &ArrayRef) -> usize {
    array.get_array_memory_size().div_ceil(array.len().max(1))
}

fn scalar_bytes(value: &ScalarValue) -> usize {
    value.size()
}

// What is not passed on: `simplify` and `preimage`, which may put the function itself in the place of this one.
impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.return_type(arg_types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let function = self.function.inner().with_updated_config(config)?;
        Some(ScalarUDF::from(Self { function, bytes: self.bytes }))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.function.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(self.estimate(&args)?)?;
        let answer = self.function.invoke_with_args(args)?;
        self.check(match &answer {
            ColumnarValue::Array(array) => array.get_array_memory_size(),
            ColumnarValue::Scalar(value) => scalar_bytes(value),
        })?;
        Ok(answer)
    }

    fn short_circuits(&self) -> bool {
        self.function.short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.function.conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.function.evaluate_bounds(input)
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        self.function.propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.function.output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.function.preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.function.inner().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(arg_types)
    }

    fn struct_field_mapping(&self, literal_args: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.function.struct_field_mapping(literal_args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.function.inner().placement(args)
    }
}
