"""A user who has bought, with Stripe's stand-in behind the routes."""

from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask.testing import FlaskClient

from api.payments import client as stripe_client
from deploy.sandbox.stripe.control_client import StripeControl
from tests.api.billing.till import Till
from tests.api.payments.shop import Shop
from tests.api.world import Door, Person


@pytest.fixture
def till(
    frozen: time_machine.Traveller,
    stripe_stand_in: StripeControl,
    client: FlaskClient,
    door: Door,
    person: Callable[..., Person],
) -> Iterator[Till]:
    """Give a user at the till, whose address is confirmed."""
    yield Till(Shop(stripe_stand_in, client, door, frozen), person(confirmed=True))
    stripe_client._make_client.cache_clear()
