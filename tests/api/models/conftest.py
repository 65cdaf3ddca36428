"""Ground of the tests of tables: Alembic on the test's own database."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.config import Config

from api.migrations.__main__ import config


@pytest.fixture
def alembic(database: str) -> Iterator[Config]:
    made = config()
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    made.attributes["engine"] = engine
    yield made
    engine.dispose()
