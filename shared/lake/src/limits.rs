//! What one query may cost, and what can be said of that before it runs.

use std::collections::HashMap;
use std::time::Duration;

use deltalake::datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::logical_expr::LogicalPlan;
use deltalake::datafusion::sql::sqlparser::dialect::GenericDialect;
use deltalake::datafusion::sql::sqlparser::keywords::Keyword;
use deltalake::datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Parts of a query's plan, each name of a common table expression counted as often as it is used. An ordinary query has some
/// hundreds; a few lines of expressions that each name the one before twice have billions.
const PLAN_PARTS: usize = 100_000;

/// How many times its terms a text may unfold to.
const UNFOLDED: usize = 4;

/// Of the memory of a query, the part that one answer of a function may take, and a table of text.
const OF_MEMORY_AT_ONCE: usize = 16;

/// What one query may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Bytes of its text.
    pub text_bytes: usize,
    /// Operators, keywords and brackets of its text: nothing in it is nested deeper.
    pub terms: usize,
    /// Time in which it has to give its answer; what the reader takes to read it does not count. None: any.
    pub time: Option<Duration>,
    /// Rows of its answer.
    pub rows: usize,
    /// Memory that the process may grow by while it runs. Half of it is the query's own to sort and group in; what it sorts
    /// beyond goes to disk.
    pub memory_bytes: usize,
    /// Whether the growth of the process is watched, or only what the query accounts for.
    pub watched: bool,
    /// Bytes that it may put on disk.
    pub disk_bytes: u64,
}

impl QueryLimits {
    /// For the queries of this program itself: what they answer is read to its end, however long the lake is.
    pub(crate) const OWN: Self = Self {
        text_bytes: 1 << 20,
        terms: 2_000,
        time: None,
        rows: usize::MAX,
        memory_bytes: 512 << 20,
        watched: false,
        disk_bytes: 100 << 30,
    };

    /// For people's queries: none that makes sense comes near them.
    #[must_use]
    pub fn of_people() -> Self {
        Self {
            text_bytes: 256 << 10,
            terms: 2_000,
            time: Some(Duration::from_secs(600)),
            rows: 10_000_000,
            memory_bytes: 1 << 30,
            watched: true,
            disk_bytes: 16 << 30,
        }
    }

    /// Bytes that one answer of a function may take, and a table of text.
    pub(crate) fn at_once(&self) -> usize {
        self.memory_bytes / OF_MEMORY_AT_ONCE
    }

    /// Refuses a text that is too long or may be nested too deeply, without building anything of it.
    ///
    /// # Errors
    /// The limit that it breaks.
    pub fn check_text(&self, query: &str) -> Result<(), QueryLimit> {
        if query.len() > self.text_bytes {
            return Err(QueryLimit::Text { found: query.len(), limit: self.text_bytes });
        }
        let Terms { written, unfolded } = Terms::of(query);
        if written > self.terms {
            return Err(QueryLimit::Terms { found: written, limit: self.terms });
        }
        // Each use of a common table expression is planned anew, and doubles with the next: planning would not end.
        let limit = self.terms.saturating_mul(UNFOLDED);
        if unfolded > limit { Err(QueryLimit::Plan { limit }) } else { Ok(()) }
    }
}

/// A limit that a query broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryLimit {
    /// The text is too long.
    #[error(
        "the query has {found} bytes, the limit is {limit}: join a list of values as a table instead of writing it out"
    )]
    Text {
        /// Its bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The text may be nested too deeply.
    #[error(
        "the query has {found} operators, keywords and brackets, the limit is {limit}: say `x IN (a, b, …)` instead of \
         `x = a OR x = b …`, and one SELECT instead of a UNION of many"
    )]
    Terms {
        /// Its terms.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The plan is too large.
    #[error(
        "the query unfolds to more than {limit} parts: common table expressions use each other many times over; use each less often"
    )]
    Plan {
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("the query has not answered within {} s: ask for less, or give it more time", limit.as_secs_f32())]
    Time {
        /// The limit.
        limit: Duration,
    },
    /// The answer has too many rows.
    #[error("the answer has more than {limit} rows: add a LIMIT or a condition, or allow more rows")]
    Rows {
        /// The limit.
        limit: usize,
    },
    /// It took too much memory.
    #[error("the query needs more than its {limit} bytes of memory: ask for less at a time, or give it more memory")]
    Memory {
        /// The limit.
        limit: usize,
    },
    /// The answer is too large for a table.
    #[error(
        "the answer is too large for a table of {limit} bytes, which is held whole: add a LIMIT, or write CSV or JSON"
    )]
    Table {
        /// The limit.
        limit: usize,
    },
    /// It put too much on disk.
    #[error("the query puts more than its {limit} bytes on disk: sort, group or join less at a time")]
    Disk {
        /// The limit.
        limit: u64,
    },
}

/// What a text may unfold to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Terms {
    /// Everything that can nest: operators, keywords and opening brackets, and the commas between tables, each of which is a
    /// join.
    written: usize,
    /// The same, with each common table expression counted wherever it is used.
    unfolded: usize,
}

/// A bracket that is open, or the text as a whole.
#[derive(Debug, Default)]
struct Open {
    /// Whether the list of tables is being read.
    tables: bool,
    /// The common table expression that it defines.
    defines: Option<String>,
    unfolded: usize,
}

impl Terms {
    /// Counts without building anything. A text that has no tokens has no terms: the parser tells what is wrong with it.
    fn of(query: &str) -> Self {
        let Ok(tokens) = Tokenizer::new(&GenericDialect {}, query).tokenize() else { return Self::default() };
        let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        let mut written = 0;
        let mut open = vec![Open::default()];
        let mut defined: HashMap<String, usize> = HashMap::new();
        for (at, token) in tokens.iter().enumerate() {
            let innermost_reads_tables = open.last().is_some_and(|innermost| innermost.tables);
            let counts = match token {
                Token::Comma => innermost_reads_tables,
                Token::RParen => {
                    close(&mut open, &mut defined);
                    false
                }
                Token::LParen => {
                    open.push(Open { defines: defined_name(&tokens, at), ..Open::default() });
                    true
                }
                token => nests(token),
            };
            written += usize::from(counts);
            let Some(innermost) = open.last_mut() else { continue };
            innermost.unfolded = innermost.unfolded.saturating_add(usize::from(counts));
            if let Token::Word(word) = token {
                if let Some(reads_tables) = begins_tables(word.keyword) {
                    innermost.tables = reads_tables;
                }
                let used = defined.get(&word.value.to_lowercase()).filter(|_| is_table(&tokens, at, innermost.tables));
                innermost.unfolded = innermost.unfolded.saturating_add(used.copied().unwrap_or(0));
            }
        }
        while open.len() > 1 {
            close(&mut open, &mut defined);
        }
        Self { written, unfolded: open.first().map_or(0, |text| text.unfolded) }
    }
}

/// Takes the innermost bracket away. What defines a table counts where the table is used.
fn close(open: &mut Vec<Open>, defined: &mut HashMap<String, usize>) {
    if open.len() < 2 {
        return;
    }
    let Some(closed) = open.pop() else { return };
    match closed.defines {
        Some(name) => {
            defined.insert(name, closed.unfolded);
        }
        None => {
            if let Some(around) = open.last_mut() {
                around.unfolded = around.unfolded.saturating_add(closed.unfolded);
            }
        }
    }
}

/// Whether a token can nest. Names and values cannot.
fn nests(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_none() && word.keyword != Keyword::NoKeyword,
        Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => false,
        Token::EscapedStringLiteral(_) | Token::Period | Token::SemiColon | Token::EOF => false,
        Token::RBracket | Token::RBrace => false,
        _ => true,
    }
}

/// The name that the bracket at `at` defines: `name AS (`, `name (columns) AS (`, with or without MATERIALIZED.
fn defined_name(tokens: &[Token], at: usize) -> Option<String> {
    let keyword = |token: &Token| match token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let mut before = tokens.get(..at)?;
    while let Some((last, rest)) = before.split_last()
        && matches!(keyword(last), Keyword::MATERIALIZED | Keyword::NOT)
    {
        before = rest;
    }
    let (last, mut before) = before.split_last()?;
    if keyword(last) != Keyword::AS {
        return None;
    }
    if before.last() == Some(&Token::RParen) {
        let columns = before.iter().rposition(|token| *token == Token::LParen)?;
        before = before.get(..columns)?;
    }
    match before.last()? {
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// Whether the name at `at` stands where a table does.
fn is_table(tokens: &[Token], at: usize, reads_tables: bool) -> bool {
    if tokens.get(at + 1) == Some(&Token::Period) {
        return false;
    }
    match at.checked_sub(1).and_then(|before| tokens.get(before)) {
        Some(Token::Word(word)) => {
            matches!(word.keyword, Keyword::FROM | Keyword::JOIN | Keyword::TABLE | Keyword::LATERAL)
        }
        Some(Token::LParen) => true,
        Some(Token::Comma) => reads_tables,
        _ => false,
    }
}

/// Whether a keyword begins the list of tables, or ends it; none where it does neither.
fn begins_tables(keyword: Keyword) -> Option<bool> {
    match keyword {
        Keyword::FROM => Some(true),
        Keyword::SELECT
        | Keyword::WHERE
        | Keyword::GROUP
        | Keyword::HAVING
        | Keyword::ORDER
        | Keyword::LIMIT
        | Keyword::WINDOW
        | Keyword::QUALIFY => Some(false),
        _ => None,
    }
}

/// Refuses a plan that unfolds to too many parts, before anything walks through all of them.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<Result<(), QueryLimit>, DataFusionError> {
    let mut found = 0_usize;
    plan.apply_with_subqueries(|part| {
        found += 1 + part.schema().fields().len();
        part.apply_expressions(|expression| {
            expression.apply(|_| {
                found += 1;
                Ok(if found > PLAN_PARTS { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })?;
        Ok(if found > PLAN_PARTS { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(if found > PLAN_PARTS { Err(QueryLimit::Plan { limit: PLAN_PARTS }) } else { Ok(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(query: &str) -> usize {
        Terms::of(query).written
    }

    #[test]
    fn a_table_expression_counts_wherever_it_is_used() {
        let doubling = |step: &str, steps: usize| {
            let one = |n: usize| format!("t{n} AS ({})", step.replace('T', &format!("t{}", n - 1)));
            let steps: Vec<String> = (1..=steps).map(one).collect();
            Terms::of(&format!("WITH t0(x) AS (SELECT 1), {} SELECT count(*) FROM t{}", steps.join(", "), steps.len()))
        };
        for step in [
            "SELECT x FROM T UNION ALL SELECT x FROM T",
            "SELECT a.x FROM T a JOIN T b ON a.x = b.x",
            "SELECT a.x FROM T AS a, T AS b",
            "SELECT x FROM (T a CROSS JOIN T b)",
            "SELECT x FROM (SELECT x FROM T) WHERE x IN (SELECT x FROM T)",
        ] {
            let found = doubling(step, 40);
            assert!(found.written < 1_000 && found.unfolded > 1 << 40, "{step}: {found:?}");
            let limits = QueryLimits::of_people();
            assert!(doubling(step, 7).unfolded < limits.terms * UNFOLDED, "{step}: seven steps are no harm");
        }
        let chain = doubling("SELECT T.x, T.x + 1 AS y FROM T ORDER BY T.x", 40);
        assert!(chain.unfolded < 1_000, "{chain:?}");
        let unclosed = Terms::of("WITH a AS (SELECT (((1 FROM a");
        assert!(unclosed.written > 4);
    }

    #[test]
    fn what_can_nest_is_counted_and_lists_of_values_are_not() {
        let many = |part: &str, by: &str| vec![part; 1_000].join(by);
        assert!(terms(&format!("SELECT {}", many("1", "+"))) >= 999);
        assert!(terms(&many("SELECT 1", " UNION ALL ")) >= 999);
        assert!(terms(&format!("SELECT {}1{}", "(".repeat(1_000), ")".repeat(1_000))) >= 1_000);
        assert!(terms(&format!("SELECT {}1", "- ".repeat(1_000))) >= 1_000);
        assert!(terms(&format!("SELECT {}1", "NOT ".repeat(1_000))) >= 1_000);
        assert!(terms(&format!("SELECT a{}", "[1]".repeat(1_000))) >= 1_000);
        assert!(terms(&format!("SELECT 1{}", "::INT".repeat(1_000))) >= 1_000);
        assert!(terms(&format!("SELECT 1 FROM {}", many("labels", ","))) >= 999);
        assert!(terms(&format!("SELECT 1 FROM labels {}", "JOIN labels USING (a) ".repeat(1_000))) >= 1_000);
        assert!(terms(&format!("SELECT (SELECT 1 FROM labels {})", ", labels".repeat(1_000))) >= 1_000);
        let list = format!("SELECT x FROM labels WHERE x IN ({})", many("'1.2.840'", ", "));
        assert!(terms(&list) < 10, "{}", terms(&list));
        let columns = format!("SELECT {} FROM labels, series_labels ORDER BY {}", many("a.b", ", "), many("a", ", "));
        assert!(terms(&columns) < 10, "{}", terms(&columns));
        assert_eq!(terms("SELECT '"), 0, "the parser tells");
    }

    #[test]
    fn a_text_is_refused_by_the_limit_that_it_breaks() {
        let limits = QueryLimits { text_bytes: 100, terms: 10, ..QueryLimits::of_people() };
        assert_eq!(limits.check_text("SELECT 1"), Ok(()));
        let long = format!("SELECT '{}'", "a".repeat(200));
        assert_eq!(limits.check_text(&long), Err(QueryLimit::Text { found: 209, limit: 100 }));
        let deep = format!("SELECT {}1", "-".repeat(20));
        assert!(matches!(limits.check_text(&deep), Ok(())), "two hyphens begin a comment");
        let deep = format!("SELECT {}1", "+".repeat(20));
        assert_eq!(limits.check_text(&deep), Err(QueryLimit::Terms { found: 21, limit: 10 }));
    }
}
