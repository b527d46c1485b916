//! What one query may cost: each limit holds, and is named.

use std::time::{Duration, Instant};

use bolus_lake::{ErrorKind, Lake, LakeError, QueryLimit, QueryLimits, QueryResult};

use crate::support::{KEEP, PATIENCE, memory_lake, rows};

async fn small_lake() -> Lake {
    let lake = memory_lake().await;
    lake.append(&rows(0..4), &KEEP).await.unwrap();
    lake
}

/// Limits that tests reach soon. Memory is not watched, save where a test is about it: other tests are in the process.
fn limits() -> QueryLimits {
    QueryLimits { watched: false, time: Some(Duration::from_secs(120)), ..QueryLimits::of_people() }
}

async fn read(result: Result<QueryResult, LakeError>) -> Result<usize, LakeError> {
    result?.write_csv(&mut std::io::sink()).await
}

async fn run(lake: &Lake, query: &str, limits: &QueryLimits) -> Result<usize, LakeError> {
    read(lake.sql_within(query, limits).await).await
}

async fn broken(lake: &Lake, query: &str, limits: &QueryLimits) -> LakeError {
    let shown: String = query.chars().take(100).collect();
    let error = run(lake, query, limits).await.err().unwrap_or_else(|| panic!("ran: {shown}"));
    assert_eq!(error.kind(), ErrorKind::Reject, "{shown}: {error}");
    error
}

/// Queries that overflowed the stack, each nested in another way, with `parts` parts.
fn nested(parts: usize) -> Vec<String> {
    let many = |part: &str, by: &str| vec![part; parts].join(by);
    vec![
        format!("SELECT {}", many("1", "+")),
        format!("SELECT gaps FROM labels WHERE {}", many("gaps = 1", " OR ")),
        format!("SELECT {} FROM labels", many("status", "||")),
        many("SELECT 1", " UNION ALL "),
        many("SELECT gaps FROM labels", " UNION "),
        many("SELECT 1", " INTERSECT "),
        format!("SELECT {}true", "NOT ".repeat(parts)),
        format!("SELECT {}1", "- ".repeat(parts)),
        format!("SELECT {}1{}", "(".repeat(parts), ")".repeat(parts)),
        format!("SELECT {}1{}", "abs(".repeat(parts), ")".repeat(parts)),
        format!("SELECT 1{}", "::BIGINT".repeat(parts)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(parts), " END".repeat(parts)),
        format!("{}SELECT 1{}", "SELECT * FROM (".repeat(parts), ")".repeat(parts)),
        format!("SELECT count(*) FROM {}", (0..parts).map(|n| format!("labels l{n}")).collect::<Vec<_>>().join(", ")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_overflow_the_stack_is_refused_before_it_is_parsed() {
    let lake = small_lake().await;
    for query in nested(4_000) {
        let error = broken(&lake, &query, &limits()).await;
        assert!(matches!(error, LakeError::QueryLimit(QueryLimit::Terms { limit: 2_000, .. })), "{error}");
    }
    let long = format!("SELECT '{}'", "a".repeat(300_000));
    let error = broken(&lake, &long, &limits()).await;
    assert!(error.to_string().contains("300009 bytes, the limit is 262144"), "{error}");
    // This program's own queries are held to the same depth.
    assert!(lake.sql(&nested(4_000)[0]).await.is_err());
}

/// The deepest that is let through: it runs, or is refused by the parser or for its cost, and never ends the process.
#[tokio::test(flavor = "multi_thread")]
async fn the_deepest_that_is_let_through_fits_the_stack() {
    let lake = small_lake().await;
    let limits = QueryLimits { time: Some(Duration::from_secs(2)), ..limits() };
    for parts in [330, 990, 1_990] {
        for query in nested(parts) {
            let shown: String = query.chars().take(60).collect();
            let start = Instant::now();
            let ended = match run(&lake, &query, &limits).await {
                Ok(rows) => format!("{rows} rows"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Reject, "{shown}: {error}");
                    error.to_string().chars().take(60).collect()
                }
            };
            println!("{parts} parts, {:.2} s: {shown}…: {ended}", start.elapsed().as_secs_f32());
        }
    }
    let patient = QueryLimits { time: Some(PATIENCE), ..limits };
    assert_eq!(run(&lake, &format!("SELECT {}", vec!["1"; 1_000].join("+")), &patient).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_lines_that_unfold_without_end_are_refused() {
    let lake = small_lake().await;
    let doubling = |step: &str| {
        let steps: Vec<String> =
            (1..40).map(|n| format!("t{n} AS ({})", step.replace('T', &format!("t{}", n - 1)))).collect();
        format!("WITH t0 AS (SELECT 1 AS x), {} SELECT count(*) FROM t39", steps.join(", "))
    };
    for step in ["SELECT x FROM T UNION ALL SELECT x FROM T", "SELECT a.x FROM T a JOIN T b ON a.x = b.x"] {
        let error = broken(&lake, &doubling(step), &limits()).await;
        assert!(matches!(error, LakeError::QueryLimit(QueryLimit::Plan { .. })), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ends_a_query_whatever_it_does() {
    let lake = small_lake().await;
    let limits = QueryLimits { time: Some(Duration::from_millis(300)), ..limits() };
    for query in [
        "SELECT count(*) FROM generate_series(1, 100000000000)",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    ] {
        // Each would take hours.
        let error = tokio::time::timeout(PATIENCE, broken(&lake, query, &limits)).await.expect("an end in time");
        assert!(matches!(error, LakeError::QueryLimit(QueryLimit::Time { .. })), "{query}: {error}");
    }
    // What the reader takes does not count: the pause is what is tested. And no query that was ended holds the threads still.
    let query = "SELECT status FROM labels";
    let start = Instant::now();
    run(&lake, query, &QueryLimits { time: Some(PATIENCE), ..limits }).await.unwrap();
    let pause = Duration::from_secs(2).max(10 * start.elapsed());
    let patient = QueryLimits { time: Some(pause), ..limits };
    let mut result = lake.sql_within(query, &patient).await.unwrap();
    tokio::time::sleep(pause + Duration::from_millis(100)).await;
    assert_eq!(result.next_rows().await.unwrap().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted() {
    let lake = small_lake().await;
    let query = "SELECT * FROM generate_series(1, 5000)";
    let exactly = QueryLimits { rows: 5_000, ..limits() };
    assert_eq!(run(&lake, query, &exactly).await.unwrap(), 5_000);
    let error = broken(&lake, query, &QueryLimits { rows: 4_999, ..limits() }).await;
    assert!(matches!(error, LakeError::QueryLimit(QueryLimit::Rows { limit: 4_999 })), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_make_no_more_than_a_part_of_the_memory() {
    let lake = small_lake().await;
    let limits = QueryLimits { memory_bytes: 64 << 20, ..limits() };
    for query in [
        "SELECT length(repeat('a', 1000000000))",
        "SELECT length(repeat(status, 100000000)) FROM labels",
        "SELECT sum(length(repeat('a', value))) FROM generate_series(1, 100000)",
        "SELECT length(lpad('a', 1000000000))",
        "SELECT length(rpad(status, 1000000000, 'xy')) FROM labels",
        "SELECT length(array_repeat('a', 1000000000))",
        "SELECT length(array_resize([1], 1000000000, 2))",
        "SELECT length(replace(repeat('a', 4000000), 'a', 'bbbbbbbb'))",
        "SELECT length(concat(s, s, s, s, s)) FROM (SELECT repeat(status, 130000) AS s FROM labels)",
    ] {
        let error = run(&lake, query, &limits).await.err().unwrap_or_else(|| panic!("ran: {query}"));
        assert!(matches!(error, LakeError::QueryMemory(_)), "{query}: {error}");
    }
    let error = broken(&lake, "SELECT unnest(range(1, 1000000000000))", &limits).await;
    assert!(error.to_string().contains("range"), "{error}");
    for (query, rows) in [
        (
            "SELECT repeat('-', 80), lpad('7', 3, '0'), concat('a', 'b', 1), replace('aXb', 'X', 'Y'), array_repeat(1, 3)",
            1,
        ),
        ("SELECT concat_ws('|', status, modality), repeat(status, 3) FROM labels", 4),
    ] {
        assert_eq!(run(&lake, query, &limits).await.unwrap(), rows, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_text_is_held_to_a_part_of_the_memory() {
    let lake = small_lake().await;
    let limits = QueryLimits { memory_bytes: 64 << 20, watched: true, ..limits() };
    let result =
        lake.sql_within("SELECT value, repeat('a', 100) FROM generate_series(1, 100000)", &limits).await.unwrap();
    let error = result.to_table().await.unwrap_err();
    assert!(matches!(error, LakeError::QueryLimit(QueryLimit::Table { .. } | QueryLimit::Memory { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sorted_goes_to_disk_as_far_as_that_is_allowed() {
    let lake = small_lake().await;
    let query = "SELECT value, repeat('a', 200) AS s FROM generate_series(1, 600000) ORDER BY s, value DESC";
    let limits = QueryLimits { memory_bytes: 64 << 20, ..limits() };
    assert_eq!(run(&lake, query, &limits).await.unwrap(), 600_000);
    let error = broken(&lake, query, &QueryLimits { disk_bytes: 4 << 20, ..limits }).await;
    assert!(matches!(error, LakeError::QueryLimit(QueryLimit::Disk { .. })), "{error}");
}
