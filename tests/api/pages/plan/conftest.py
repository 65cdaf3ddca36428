"""A user who buys by the pages, and pays in Stripe's stand-in."""

from dataclasses import dataclass
from typing import Any

import pytest

from api.models.user import User
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop
from tests.clients import Browser, Page
from tests.desk_proofs import make_ready_to_order
from tests.factories import add_account

TICKED = {
    "consent.startNow": "true",
    "consent.acknowledgesLoss": "true",
    "button_code": "order",
}


@dataclass
class Buyer:
    """The shop, the browser, and who sits before it."""

    shop: Shop
    browser: Browser
    user: User

    def get(self, url: str) -> Page:
        return self.browser.get(url)

    def open_order(self, name: PlanName = PlanName.URGENCE_7J, wish: str = "") -> Page:
        make_ready_to_order(self.user.id, has_alert=bool(wish))
        return self.get(f"/formule/commande?plan={name}{wish}")

    def press(self, **changes: Any) -> Page:
        """Tick all boxes of the open order and press its button."""
        (form,) = (each for each in self.browser.page.forms if "consent.termsVersion" in each["fields"])
        self.browser.page.forms = [form]  # not the one that adds an alert
        return self.browser.send("/formule/commande", **(TICKED | changes))

    def pay(self, card: str = "visa", *, hears: bool = True) -> None:
        """Pay where the answer leads; `hears`: Stripe's events arrive and are applied."""
        assert self.browser.status == 303, self.browser.response.text
        session_id = self.browser.location.rpartition("/")[2]
        self.shop.control.pay(session_id, card=card)
        if hears:
            self.shop.deliver()

    def buy(self, name: PlanName = PlanName.URGENCE_7J, wish: str = "") -> None:
        self.open_order(name, wish)
        self.press()
        self.pay()


@pytest.fixture
def buyer(shop: Shop, visitor: Browser) -> Buyer:
    """Give camille@example.org, signed in, whose address is confirmed."""
    account = add_account()
    visitor.give_login(account.id)
    return Buyer(shop, visitor, account)
