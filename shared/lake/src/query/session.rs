//! The tables, views and functions that queries see.

use std::num::NonZeroUsize;
use std::sync::Arc;

use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::execution::disk_manager::DiskManagerBuilder;
use deltalake::datafusion::execution::memory_pool::FairSpillPool;
use deltalake::datafusion::execution::runtime_env::RuntimeEnvBuilder;
use deltalake::datafusion::prelude::{SessionConfig, SessionContext, lit};

use crate::error::LakeError;
use crate::limits::QueryLimits;
use crate::query::bounded::bound_functions;
use crate::query::run::QUERY_THREADS;
use crate::query::views::{VIEWS, count_positive_slices};
use crate::table::Table;
use crate::upgrade::lacking;

/// What can be asked of `table` as it is in its newest snapshot.
pub(crate) async fn session(table: &Table, limits: &QueryLimits) -> Result<SessionContext, LakeError> {
    let newest = table.refreshed().await?;
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(QUERY_THREADS);
    let config = SessionConfig::new().with_target_partitions(threads).with_information_schema(true);
    // A column of views holds on to the pages it was read from, and counts them whole each time it is sorted: a few
    // hundred small files, as streaming makes them, filled the memory of a query.
    let config = config.set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    let pool_bytes = limits.memory_bytes / 2;
    // Each thread that sorts sets this aside for merging what it has put on disk.
    let config = config.with_sort_spill_reservation_bytes(pool_bytes / (4 * threads));
    let pool = Arc::new(FairSpillPool::new(pool_bytes));
    let disk = DiskManagerBuilder::default().with_max_temp_directory_size(limits.disk_bytes);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
    // Under the table's own URL, so that a file store of the runtime cannot stand in for the lake's store.
    runtime.register_object_store(table.log().root_url(), table.log().root_object_store(None));
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_udf(count_positive_slices()?);
    let labels = newest.table_provider().with_session(Arc::new(context.state())).await?;
    let lacking = lacking(&newest)?;
    if lacking.is_empty() {
        context.register_table("labels", labels)?;
    } else {
        // A lake of before that nobody has written to since: its rows have nothing in the newer columns.
        let mut whole = context.read_table(labels)?;
        for column in lacking {
            whole = whole.with_column(column.name(), lit(ScalarValue::try_from(column.data_type())?))?;
        }
        context.register_table("labels", whole.into_view())?;
    }
    for (name, query) in VIEWS {
        let view = context.sql(query).await?.into_view();
        context.register_table(name, view)?;
    }
    // After the views, which are ours.
    bound_functions(&context, limits.at_once());
    Ok(context)
}
