"""A till for tests: one user's orders by the routes, paid at the stand-in."""

from dataclasses import dataclass
from typing import Any

from api.accounts.queries import find_entitlement
from api.models.base import session
from api.models.user import Contact, ContactState
from configs.ground.clock import clock
from configs.world.plan import PlanName
from configs.world.sales_terms import find_newest_version
from tests.api.payments.shop import Shop, find_customer
from tests.clients import Answer, Person, sign_in
from tests.desk_proofs import make_ready_to_order
from tests.factories import change

ALERT = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}


def make_consent(**changes: Any) -> dict[str, Any]:
    """Return a consent to the newest terms."""
    return {
        "termsVersion": find_newest_version(),
        "startNow": True,
        "acknowledgesLoss": True,
        "acceptsHourThreshold": True,
    } | changes


@dataclass
class Till:
    """The shop, and the user who buys."""

    shop: Shop
    person: Person

    def sign_in(self) -> None:
        """Sign the user in again, after days in which the login ended."""
        self.person = sign_in(self.shop.client.application, self.person.id)

    def confirm(self, *, confirmed: bool = True, state: ContactState = ContactState.OK) -> None:
        """Write whether the user's address is confirmed, and whether messages bounced from it."""
        change(
            Contact,
            Contact.user_id == self.person.id,
            verified_at=clock() if confirmed else None,
            state=state,
        )

    def get(self, path: str, **query: Any) -> Answer:
        return self.person.get(f"/api/billing/{path}", **query)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        return self.person.post(f"/api/billing/{path}", body)

    def order(
        self, name: PlanName = PlanName.URGENCE_7J, *, is_proven: bool = True, **changes: Any
    ) -> Answer:
        """Ask for a checkout; without an alert unless one is given. `is_proven`: after what lets both be ordered."""
        body: dict[str, Any] = {"plan": name.value, "consent": make_consent()} | changes
        if is_proven:
            make_ready_to_order(self.person.id, has_alert="alert" in body)
        return self.post("checkout", body if "alert" in body else {"withoutAlert": True} | body)

    def sessions(self) -> list[dict[str, Any]]:
        """Return Stripe's Checkout Sessions, the oldest first."""
        found: list[dict[str, Any]] = self.shop.control.objects("checkout.session")
        return sorted(found, key=lambda each: each["created"])

    def pay(self, answer: Answer, card: str = "visa") -> None:
        """Pay an order, and apply what Stripe sends."""
        session_id = answer.json["checkoutUrl"].rpartition("/")[2]
        assert self.shop.control.pay(session_id, card=card)["error"] is None
        self.shop.deliver()

    def buy(self, name: PlanName = PlanName.URGENCE_7J, **changes: Any) -> None:
        answer = self.order(name, **changes)
        assert answer.status_code == 200, answer.json
        self.pay(answer)

    def fail(self, name: PlanName = PlanName.URGENCE_7J) -> None:
        """Order by a debit that the bank refuses days later."""
        self.shop.buy(self.person.id, name, card="sepa_fails")
        self.shop.pass_time(days=3, hours=1)

    def use_bad_card(self) -> None:
        """Let the next renewals be refused."""
        self.shop.control.use_card(find_customer(self.person.id), "fails_later")

    def read_plan(self) -> PlanName:
        """Return the plan that the user holds now."""
        with session() as s:
            return find_entitlement(s, self.person.id, clock()).plan.name
