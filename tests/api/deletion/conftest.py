from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine
from flask.testing import FlaskClient

from api.payments import client as stripe_client
from configs.object_store import Blobs, export_blobs
from deploy.sandbox.control_client import StripeControl
from tests.api.payments.shop import Shop
from tests.api.world import Door, Person


@pytest.fixture
def blobs(client: FlaskClient, settings_env: Callable[..., None], tmp_path: Path) -> Blobs:
    settings_env(EXPORTS_URL=tmp_path / "exports")
    return export_blobs()


@pytest.fixture
def camille(person: Callable[..., Person]) -> Person:
    return person(confirmed=True)


@pytest.fixture
def shop(
    frozen: time_machine.Traveller, stripe_stand_in: StripeControl, client: FlaskClient, door: Door
) -> Iterator[Shop]:
    yield Shop(stripe_stand_in, client, door, frozen)
    stripe_client._make_client.cache_clear()
