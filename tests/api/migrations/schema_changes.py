"""Comparison of two states of the tables: what a migration changed that code of the release before cannot bear."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
"""
_RULES = """
SELECT r.contype::text, c.relname, r.conname, pg_get_constraintdef(r.oid),
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.conkey))
FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND r.contype IN ('c', 'f')
UNION ALL
SELECT 'u', c.relname, i.relname, regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING ', ''),
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey))
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND x.indisunique
"""
_KINDS = {"c": "check", "f": "foreign key", "u": "unique index"}
_WORD = re.compile(r"'((?:[^']|'')*)'(?:::[a-z ]+(?:\(\d+\))?)?(?:, )?")  # of a list, with its cast


@dataclass(frozen=True)
class Column:
    """One column: its type, whether it refuses NULL, whether it fills itself in."""

    type: str
    is_required: bool
    has_default: bool


@dataclass(frozen=True)
class Rule:
    """A check, foreign key or unique index: its definition, and the columns that it names."""

    definition: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """Columns by table and name; rules by kind, table and name."""

    columns: Mapping[tuple[str, str], Column]
    rules: Mapping[tuple[str, str, str], Rule]

    @property
    def tables(self) -> set[str]:
        return {table for table, _ in self.columns}


def read_schema(connection: sa.Connection) -> Schema:
    """Read what the tables are now; daily partitions are as their parent."""
    columns = {
        (table, name): Column(*rest) for table, name, *rest in connection.exec_driver_sql(_COLUMNS).all()
    }
    rules = {
        (kind, table, name): Rule(definition, frozenset(named))
        for kind, table, name, definition, named in connection.exec_driver_sql(_RULES).all()
    }
    return Schema(columns, rules)


def find_breaks(before: Schema, after: Schema) -> list[str]:
    """Return, in words, each change that statements of the older code may fail on; nothing where it only grew."""
    return [*_find_lost(before, after), *_find_stricter_columns(before, after), *_find_rules(before, after)]


def _find_lost(before: Schema, after: Schema) -> Iterable[str]:
    yield from (f"table {table} is gone" for table in sorted(before.tables - after.tables))
    for table, name in sorted(before.columns.keys() - after.columns.keys()):
        if table in after.tables:
            yield f"column {table}.{name} is gone"


def _find_stricter_columns(before: Schema, after: Schema) -> Iterable[str]:
    for (table, name), now in sorted(after.columns.items()):
        was = before.columns.get((table, name))
        if was is None:
            if table in before.tables and now.is_required and not now.has_default:
                yield f"column {table}.{name} is new, NOT NULL and without a default"
            continue
        if was.type != now.type:
            yield f"column {table}.{name} was {was.type} and is {now.type}"
        if now.is_required and not was.is_required:
            yield f"column {table}.{name} is NOT NULL now"
        if now.is_required and was.has_default and not now.has_default:
            yield f"column {table}.{name} has lost its default"


def _find_rules(before: Schema, after: Schema) -> Iterable[str]:
    new = {each for each in after.columns if each not in before.columns}
    for (kind, table, name), rule in sorted(after.rules.items(), key=_key):
        if table not in before.tables or _is_known(kind, table, rule, before):
            continue
        only_new = any((table, column) in new for column in rule.columns)
        was = before.rules.get((kind, table, name))
        if not only_new and not (kind == "c" and was and _allows_more(was.definition, rule.definition)):
            yield f"{_KINDS[kind]} {name} is new or stricter: {rule.definition}"
    for (kind, table, name), rule in sorted(before.rules.items(), key=_key):
        # ON CONFLICT needs the index that it names: https://www.postgresql.org/docs/18/sql-insert.html
        if kind == "u" and table in after.tables and not _is_known(kind, table, rule, after):
            yield f"unique index {name} is gone, which ON CONFLICT may name"


def _key(item: tuple[tuple[str, str, str], Rule]) -> tuple[str, str, str]:
    return item[0]


def _is_known(kind: str, table: str, rule: Rule, schema: Schema) -> bool:
    """Whether a rule with this definition is there, by whatever name."""
    return any(
        (kind, table, rule.definition) == (other_kind, other_table, other.definition)
        for (other_kind, other_table, _), other in schema.rules.items()
    )


def _allows_more(was: str, now: str) -> bool:
    """Whether two checks differ only in words that the newer one adds to a list."""
    rest = _WORD.sub("", was)
    added_only = set(_WORD.findall(now)) >= set(_WORD.findall(was))
    return rest == _WORD.sub("", now) and added_only and "<>" not in rest
