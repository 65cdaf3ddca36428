"""A user in a browser, with Stripe's stand-in behind the pages."""

import pytest

from api.models.user import User
from tests.api.pages.plan.buyer import Buyer
from tests.api.payments.shop import Shop
from tests.clients import Browser
from tests.factories import add_account


@pytest.fixture
def account() -> User:
    return add_account()


@pytest.fixture
def buyer(shop: Shop, visitor: Browser, account: User) -> Buyer:
    """Give camille@example.org, signed in, whose address is confirmed."""
    return Buyer(shop, visitor.sign_in(), account)
