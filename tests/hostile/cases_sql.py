"""Item 5: SQL that overflows the stack, takes all memory, or never ends."""

import re

from harness import Limits, case, run

REFUSED = 1


def sql(world, query, *, expected, options=(), limits=None, answers=None):
    """Asks `query`; `expected` is a pattern of the refusal, or none where it is to be answered by `answers`."""
    command = [world.bolus, "sql", query, "--lake", world.lake(), "--format", "csv", *options]
    ended = run(command, limits or Limits(1_400, 60))
    if expected is None:
        right = ended.status == 0 and (answers is None or re.search(answers, ended.output))
        return ended, None if right else f"status {ended.status}: {ended.output[-300:]}"
    right = ended.status == REFUSED and re.search(expected, ended.output)
    return ended, None if right else f"status {ended.status}, expected {expected}: {ended.output[-300:]}"


TERMS = r"operators, keywords and brackets, the limit is"


@case(5)
def sql_8000_terms(world):
    return sql(world, "SELECT " + "+".join(["1"] * 8_000), expected=TERMS)


@case(5)
def sql_1000_unions(world):
    return sql(world, " UNION ".join(["SELECT status FROM labels"] * 1_000), expected=TERMS)


@case(5)
def sql_4000_ors(world):
    return sql(world, "SELECT 1 FROM labels WHERE " + " OR ".join(["gaps=1"] * 4_000), expected=TERMS)


@case(5)
def sql_4000_brackets(world):
    return sql(world, "SELECT " + "(" * 4_000 + "1" + ")" * 4_000, expected=TERMS)


@case(5)
def sql_4000_nots(world):
    return sql(world, "SELECT " + "NOT " * 4_000 + "true", expected=TERMS)


@case(5)
def sql_3000_tables(world):
    return sql(world, "SELECT count(*) FROM " + ",".join(["labels"] * 3_000), expected=TERMS)


@case(5)
def sql_terms_at_the_limit_are_answered(world):
    return sql(world, "SELECT " + "+".join(["1"] * 1_900), expected=None, answers=r"\b1900\b")


@case(5)
def sql_unions_at_the_limit_end(world):
    query = " UNION ALL ".join(["SELECT status FROM labels"] * 390)
    return sql(world, query, expected=None, options=["--timeout", "50s"])


@case(5)
def sql_text_as_long_as_an_argument(world):
    text = "SELECT length('" + "a" * 120_000 + "')"
    # The system takes no single argument beyond 128 KiB.
    return sql(world, text + " -- " + "c" * 8_000, expected=None, answers="120000")


@case(5)
def sql_doubling_tables(world):
    steps = ", ".join(f"t{n} AS (SELECT x FROM t{n - 1} UNION ALL SELECT x FROM t{n - 1})" for n in range(1, 40))
    return sql(world, f"WITH t0 AS (SELECT 1 AS x), {steps} SELECT count(*) FROM t39", expected="unfolds to more than")


@case(5)
def sql_doubling_columns(world):
    steps = ", ".join(f"t{n} AS (SELECT a.*, b.* FROM t{n - 1} a, t{n - 1} b)" for n in range(1, 40))
    query = f"WITH t0 AS (SELECT 1 AS x, 2 AS y), {steps} SELECT count(*) FROM t39"
    return sql(world, query, options=["--timeout", "5s"], expected="has not answered|bytes of memory|unfolds|more than|ambiguous|unique|duplicate")


@case(5)
def sql_doubling_text(world):
    steps = ", ".join(f"t{n} AS (SELECT x || x AS x FROM t{n - 1})" for n in range(1, 34))
    query = f"WITH t0 AS (SELECT status AS x FROM labels), {steps} SELECT length(x) FROM t33"
    return sql(world, query, options=["--timeout", "20s"], expected="memory|overflow|has not answered|broke off")


@case(5)
def sql_repeat_2_gigabytes(world):
    return sql(world, "SELECT length(repeat('a', 2000000000))", expected="needs more memory")


@case(5)
def sql_repeat_of_a_column(world):
    return sql(world, "SELECT length(repeat(status, 200000000)) FROM labels", expected="needs more memory")


@case(5)
def sql_padding_2_gigabytes(world):
    return sql(world, "SELECT length(lpad('a', 2000000000))", expected="needs more memory")


@case(5)
def sql_lists_of_a_billion(world):
    return sql(world, "SELECT length(array_repeat('a', 1000000000))", expected="needs more memory")


@case(5)
def sql_memory_of_an_aggregate(world):
    query = "SELECT cardinality(array_agg(repeat('a', 1000) || value)) FROM generate_series(1, 100000000)"
    return sql(world, query, options=["--memory", "256 MiB", "--timeout", "50s"], limits=Limits(600, 60), expected="memory|has not answered")


@case(5)
def sql_ordinary_text_functions_are_answered(world):
    return sql(world, "SELECT repeat('-', 80), lpad('7', 3, '0'), concat('a', 'b')", expected=None, answers=r"007")


@case(5)
def sql_without_end(world):
    query = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    return sql(world, query, options=["--timeout", "2s"], limits=Limits(1_400, 15), expected="has not answered within 2 s")


@case(5)
def sql_of_a_trillion_pairs(world):
    query = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    return sql(world, query, options=["--timeout", "2s"], limits=Limits(1_400, 15), expected="has not answered within 2 s")


@case(5)
def sql_rows_without_end(world):
    query = "SELECT value FROM generate_series(1, 1000000000)"
    return sql(world, query, options=["--max-rows", "100000"], limits=Limits(1_400, 30), expected="more than 100000 rows")


@case(5)
def sql_table_without_end(world):
    command = [world.bolus, "sql", "SELECT value FROM generate_series(1, 1000000000)", "--lake", world.lake()]
    ended = run(command, Limits(1_400, 60))
    right = ended.status == REFUSED and "too large for a table" in ended.output
    return ended, None if right else f"status {ended.status}: {ended.output[-300:]}"


@case(5)
def sql_on_disk_without_end(world):
    query = "SELECT value, repeat('a', 300) AS s FROM generate_series(1, 3000000) ORDER BY s, value DESC"
    options = ["--memory", "128 MiB", "--disk", "64 MiB"]
    return sql(world, query, options=options, limits=Limits(500, 60), expected="bytes on disk")


@case(5)
def sql_writes_nothing(world):
    return sql(world, f"COPY (SELECT 1) TO '{world.folder('copy')}/x.csv'", expected="(?i)not supported|allow|DML|COPY")
