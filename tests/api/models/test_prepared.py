from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from api.models.base import engine, session
from configs.ground.database_errors import passes

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


def test_a_change_of_its_tables_costs_a_process_one_query_at_most(database: str) -> None:
    one_row = sa.text("SELECT name FROM zz_change WHERE id = :id")
    engine().dispose()  # those of the pool know no such table

    def ask() -> str:
        with engine().connect() as c:
            return str(c.execute(one_row, {"id": 1}, execution_options={"prepare": True}).scalar_one())

    with engine().begin() as c:
        c.execute(sa.text("CREATE TABLE zz_change (id integer PRIMARY KEY, name varchar(20))"))
        c.execute(sa.text("INSERT INTO zz_change VALUES (1, 'one')"))
    with engine().connect() as other:
        other.execute(one_row, {"id": 1}, execution_options={"prepare": True})
        assert ask() == "one", "two connections have prepared it"
    migration = sa.create_engine(engine().url, poolclass=sa.NullPool)
    try:
        with migration.begin() as c:
            c.execute(sa.text("ALTER TABLE zz_change ALTER COLUMN name TYPE text"))
        with pytest.raises(sa.exc.DBAPIError) as refused:
            ask()
        assert passes(refused.value), "a job's sweep asks again, a route says 503"
        assert [ask() for _ in range(4)] == ["one"] * 4
        with engine().connect() as c:
            c.execute(sa.text("DEALLOCATE ALL"))  # as another server behind the same address knows none
            with pytest.raises(sa.exc.DBAPIError):
                c.execute(one_row, {"id": 1}, execution_options={"prepare": True})
        assert [ask() for _ in range(4)] == ["one"] * 4
    finally:
        with migration.begin() as c:
            c.execute(sa.text("DROP TABLE zz_change"))
