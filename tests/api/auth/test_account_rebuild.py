"""Columns of an account: each one that there is has its rule for the first confirmation."""

import api.models.all  # noqa: F401 -- every table
from api.auth.account_rebuild import RULES, ColumnRules
from api.models.base import Base


def _list_ruled(rules: ColumnRules) -> list[str]:
    return f"{rules.stays} {rules.given} {rules.reset} {rules.goes}".split()


def test_every_column_of_a_user_has_a_rule_for_the_first_confirmation() -> None:
    tables = {
        name: sorted(column.name for column in table.columns)
        for name, table in Base.metadata.tables.items()
        if name == "users"
        or "user_id" in table.columns
        or any(key.column.table.name == "users" for key in table.foreign_keys)
    }
    assert {name: sorted(_list_ruled(rules)) for name, rules in RULES.items()} == tables
