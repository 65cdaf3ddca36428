"""A user in a browser, with Stripe's stand-in behind the pages."""

from collections.abc import Iterator

import pytest
import time_machine

from api.models.user import User
from api.payments import client as stripe_client
from deploy.sandbox.control_client import StripeControl
from tests.api.pages.accounts import create_account, sign_in
from tests.api.pages.browser import Browser
from tests.api.pages.plan.buyer import Buyer
from tests.api.payments.shop import Shop
from tests.api.world import Door


@pytest.fixture
def account() -> User:
    return create_account()


@pytest.fixture
def buyer(
    frozen: time_machine.Traveller,
    stripe_stand_in: StripeControl,
    visitor: Browser,
    door: Door,
    account: User,
) -> Iterator[Buyer]:
    """Give camille@example.org, signed in, whose address is confirmed."""
    shop = Shop(stripe_stand_in, visitor.client.application.test_client(), door, frozen)
    yield Buyer(shop, sign_in(visitor), account)
    stripe_client._make_client.cache_clear()
