"""A shop with Stripe's stand-in behind it; the folders whose tests buy import these fixtures in their conftest."""

from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask.testing import FlaskClient

from api.payments import client as stripe_client
from deploy.sandbox.control_client import StripeControl
from tests.api.billing.till import Till
from tests.api.payments.book import check_book
from tests.api.payments.shop import Shop
from tests.api.world import Door, Person


@pytest.fixture
def shop(
    frozen: time_machine.Traveller, stripe_stand_in: StripeControl, client: FlaskClient, door: Door
) -> Iterator[Shop]:
    """Give a shop that Stripe's own library serves; where all was heard, the book ends with the cash of Stripe's."""
    yield Shop(stripe_stand_in, client, door, frozen)
    check_book(stripe_stand_in)
    stripe_client._make_client.cache_clear()


@pytest.fixture
def buyer(person: Callable[..., Person]) -> Person:
    """Give a user whose address is not confirmed."""
    return person()


@pytest.fixture
def till(shop: Shop, person: Callable[..., Person]) -> Till:
    """Give a user at the till, whose address is confirmed."""
    return Till(shop, person(confirmed=True))
