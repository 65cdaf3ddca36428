from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from configs.object_store import Blobs, export_blobs
from tests.api.world import Person


@pytest.fixture
def blobs(client: FlaskClient, settings_env: Callable[..., None], tmp_path: Path) -> Blobs:
    settings_env(EXPORTS_URL=tmp_path / "exports")
    return export_blobs()


@pytest.fixture
def camille(person: Callable[..., Person]) -> Person:
    return person(confirmed=True)
