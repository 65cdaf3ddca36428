"""A shop whose payments get documents, and a store for their files."""

from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask.testing import FlaskClient

from api.payments import client as stripe_client
from deploy.sandbox.stripe.control_client import StripeControl
from tests.api.payments.shop import Shop
from tests.api.world import Door, Person


@pytest.fixture
def shop(
    frozen: time_machine.Traveller, stripe_stand_in: StripeControl, client: FlaskClient, door: Door
) -> Iterator[Shop]:
    yield Shop(stripe_stand_in, client, door, frozen)
    stripe_client._make_client.cache_clear()


@pytest.fixture
def buyer(person: Callable[..., Person]) -> Person:
    return person()
