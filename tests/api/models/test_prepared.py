from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from api.models.base import engine, session

TEXTS = ["plain", 'it\'s 100 % \\ "sure" %(value)s $1', "é \u202e", None, "x" * 6000]
QUERY: sa.Select[*tuple[Any, ...]] = sa.select(
    sa.bindparam("value", type_=sa.Text()).label("value"),
    sa.literal_column("'50 %%'").label("percent"),
    sa.bindparam("many", type_=postgresql.ARRAY(sa.Text())).label("many"),
    (
        sa.bindparam("value", type_=sa.Text())
        == sa.any_(sa.bindparam("many", type_=postgresql.ARRAY(sa.Text())))
    ).label("found"),
)
PREPARED = QUERY.execution_options(prepare=True)


@pytest.mark.parametrize("value", TEXTS)
def test_a_prepared_query_answers_as_the_query_itself(database: str, value: str | None) -> None:
    given = {"value": value, "many": TEXTS[:3]}
    with session() as s:
        assert s.execute(PREPARED, given).all() == s.execute(QUERY, given).all()


def test_a_connection_prepares_once(database: str) -> None:
    given: dict[str, Any] = {"value": "a", "many": []}
    engine().dispose()  # a connection of the pool may hold others
    with engine().connect() as connection:
        for _ in range(8):
            connection.execute(PREPARED, given)
        held = connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements"))
        connection.rollback()  # takes no prepared statement back
        assert (held, connection.execute(PREPARED, given).scalar()) == (1, "a")


def test_an_error_is_named_as_of_any_query(database: str) -> None:
    wrong: sa.Select[Any] = sa.select(sa.literal_column("nowhere")).execution_options(prepare=True)
    with pytest.raises(sa.exc.DBAPIError), session() as s:
        s.execute(wrong)
    with session() as s:
        assert s.execute(PREPARED, {"value": "a", "many": []}).scalar() == "a"
