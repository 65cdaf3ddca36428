"""Purchases of a chaos run: shoppers who buy through the API, subscriptions that renew, refunds from both sides.

They withdraw, cancel, ask for their data and leave as well (consumers.py).
What fails meanwhile is left as it is, as customers do: the accounts compare what both sides hold at the end.
"""

import random
import re
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import UUID

from api.models.alert import AlertTarget
from api.models.user import Contact, Role
from api.payments.billing.referrals import write_friend_link
from configs.world.plan import PlanName
from configs.world.sales_terms import find_newest_version
from deploy.local.ports import StackPorts
from deploy.sandbox.addresses import STRIPE, url
from deploy.sandbox.request_body import Refusal
from tests.factories import add_alert, add_bill, add_organisation, add_user, give_role, one
from tests.lab.chaos.consumers import PASSWORD, Buyer, Consumers, Refused, ShopApi, click
from tests.lab.chaos.subscribers import SHOPPERS
from tests.sandbox_controls import StripeControl

# Many, because each ends with the monthly plan, beside which nothing more can be bought.
BUYERS = tuple(f"shopper{number}{SHOPPERS}" for number in range(60))
_NAME = "Camille Chaos"  # of each, with a number
_OPERATOR, _OWNER = f"operator{SHOPPERS}", f"owner{SHOPPERS}"
_ALERT = {"prefectureId": "melun_77", "procedures": ["NATURALISATION"]}
_PLANS = (PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL)
# Buying, renewing, refunds by the operator and in the dashboard; bills of an organisation, made and paid; disputes;
# withdrawals, cancellations, exports, deletions.
_OFTEN = (10, 3, 1, 1, 2, 3, 2, 4, 3, 3, 2)
_ASK_ANOTHER = (
    HTTPStatus.CONFLICT,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)  # the plan does not go; the account went meanwhile; no check proves the desk just now
_TRIES = 5  # shoppers that are asked in turn: some have a plan beside which this one cannot be bought
RETRIES = [1, 2, 4, *[5] * 200]  # seconds until Stripe sends an event again
_PAYS_LATE, _WITHDRAWS_FIRST = 0.3, 0.5  # of those who leave
_NAMES_A_FRIEND = 0.2  # of the orders
_ENDS, _WON, _APPEALS = 0.6, 0.5, 0.3  # of the disputes: one that is open ends, is won, is won after all
_PAUSE = (0.5, 2.0)  # seconds between two acts
# What an act may meet that a fault bent: no answer, a refusal, a stand-in that is away.
_MISSES = (OSError, Refusal, LookupError, ValueError)


@dataclass(frozen=True)
class Purchase:
    """An order whose page at Stripe is open."""

    payment_id: UUID
    session_id: str
    buyer: Buyer
    is_monthly: bool


@dataclass
class Shop:
    """The API, the stand-in of Stripe, and who buys. Its acts may be called by several threads."""

    ports: StackPorts
    acts: Counter[str] = field(default_factory=Counter)  # by their names, and those that missed
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        """Reach the API and the stand-in's controls."""
        self.control = StripeControl(url(STRIPE, self.ports.providers))
        self.api = ShopApi(self.ports.api)
        self.consumers = Consumers(self.api, [Buyer(email) for email in BUYERS])

    def open(self) -> None:
        """Write shoppers and operator, and sign the operator in."""
        self.control.webhook(retry_seconds=RETRIES)
        self.consumers.buyers = [_add_buyer(number, email) for number, email in enumerate(BUYERS)]
        owner = add_user(_OWNER, password=PASSWORD).id
        self._house = add_organisation(owner).id, owner
        self.api.sign_in(_OWNER)
        operator = add_user(_OPERATOR, password=PASSWORD).id
        self.api.sign_in(_OPERATOR)
        give_role(operator, Role.ADMIN)  # only now: a login by password alone is not possible afterwards

    def start(self, rng: random.Random, slowness: float) -> None:
        """Let people buy and change their minds on a thread of its own; `slowness`: by how much more seldom."""
        self._thread = threading.Thread(target=self._trade, args=(rng, slowness), name="shop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more but the deletions that had no answer."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        for each in self._list_disputes("needs_response"):
            self.control.close_dispute(each["id"], "won")
        self.consumers.finish_leaving()

    def order(self, rng: random.Random) -> Purchase:
        """Have an order made, by a shopper who may buy the plan.

        Raises:
            OSError: no answer, or refusals.
        """
        for left in reversed(range(_TRIES)):
            try:
                return self._order(rng, rng.choice(self.consumers.buyers))
            except Refused as refusal:
                if refusal.status not in _ASK_ANOTHER or not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _order(self, rng: random.Random, buyer: Buyer) -> Purchase:
        """Send an order; once more where no answer came, as by a second click."""
        name = rng.choices(_PLANS, (5, 3, 2))[0]
        body: dict[str, Any] = {"plan": name.value, "consent": _make_consent()}
        body |= {"clientName": buyer.name} if buyer.name else {}
        if self.consumers.paid and rng.random() < _NAMES_A_FRIEND:
            named, _ = rng.choice(self.consumers.paid)
            body |= {"friend": write_friend_link(UUID(named.user_id)).rpartition("/")[2]}
        body |= {"alert": _ALERT} if rng.random() < 0.3 else {"withoutAlert": True}
        made = click(lambda: self.api.ask(buyer.email, "/api/billing/checkout", body))
        self.acts["order that names a friend"] += "friend" in body
        session_id, is_monthly = made["checkoutUrl"].rpartition("/")[2], name is PlanName.URGENCE_TOTAL
        return Purchase(UUID(made["paymentId"]), session_id, buyer, is_monthly)

    def pay(self, purchase: Purchase, card: str = "visa") -> None:
        """Pay an order on its page at Stripe.

        Raises:
            OSError: the page cannot be reached.
            deploy.sandbox.request_body.Refusal: the page has expired.
        """
        answer = self.control.pay(purchase.session_id, card=card)
        if not answer["error"]:
            self.consumers.paid.append((purchase.buyer, purchase.payment_id))
            if purchase.is_monthly:
                self.consumers.monthly.append(purchase.buyer)

    def _trade(self, rng: random.Random, slowness: float) -> None:
        mine = self.consumers
        rights = (mine.withdraw, mine.cancel, mine.export, self._leave)
        gives_back = (self._refund_as_operator, self._refund_in_dashboard)
        acts = (
            self._buy, self._renew, *gives_back, self._use, self._pay_bill, self._dispute, *rights,
        )  # fmt: skip
        while not self._ended.wait(slowness * rng.uniform(*_PAUSE)):
            act = rng.choices(acts, _OFTEN)[0]
            name = act.__name__.strip("_")
            try:
                act(rng)
                self.acts[name] += 1
            except _MISSES:
                self.acts[f"{name} missed"] += 1

    def _buy(self, rng: random.Random) -> None:
        purchase = self.order(rng)
        if rng.random() < 0.1:
            self.pay(purchase, "declined")
        if rng.random() < 0.95:
            self.pay(purchase)

    def _renew(self, rng: random.Random) -> None:
        running = [each["id"] for each in self.control.objects("subscription") if each["status"] == "active"]
        if running:
            self.control.renew(rng.choice(running))

    def _use(self, _: random.Random) -> None:
        """An organisation used a day, which is billed."""
        add_bill(*self._house)

    def _pay_bill(self, rng: random.Random) -> None:
        """Pay a bill by card; sometimes the page is only opened, and paid by a later press."""
        self.api.sign_in(_OWNER)  # pages of money ask for the password again after some minutes
        page = self.api.open_page(_OWNER, "/organisation/argent")
        bill = rng.choice(re.findall(r"/organisation/argent/([0-9a-f-]{36})/carte", page))
        token = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))["csrf_token"]
        self.api.open_page(_OWNER, f"/organisation/argent/{bill}/carte", {"csrf_token": token})
        for each in self.control.objects("checkout.session"):
            if (
                (each["metadata"] or {}).get("payment") == bill
                and each["status"] == "open"
                and rng.random() < 0.8
            ):
                self.control.pay(each["id"], card="visa")

    def _list_disputes(self, status: str) -> list[Any]:
        return [each for each in self.control.objects("dispute") if each["status"] == status]

    def _dispute(self, rng: random.Random) -> None:
        """A bank takes money back, or ends such a dispute; one that was lost may be won by appeal."""
        running, lost = self._list_disputes("needs_response"), self._list_disputes("lost")
        if running and rng.random() < _ENDS:
            self.control.close_dispute(rng.choice(running)["id"], "won" if rng.random() < _WON else "lost")
        elif lost and rng.random() < _APPEALS:
            self.control.close_dispute(rng.choice(lost)["id"], "won")
        else:
            known = {each["payment_intent"] for each in self.control.objects("dispute")}
            paid = [each["payment_intent"] for each in self.control.ledger() if each["net"] > 0]
            self.control.dispute(rng.choice([each for each in paid if each not in known]))

    def _leave(self, rng: random.Random) -> None:
        """An account is deleted; some have just withdrawn, and some pay afterwards what they ordered before."""
        consumers = self.consumers
        consumers.finish_leaving()
        buyer, late = rng.choice(consumers.buyers), rng.random()
        purchase = self._order(rng, buyer) if late < _PAYS_LATE else None
        mine = [order for whose, order in consumers.paid if whose == buyer]
        if mine and late > _WITHDRAWS_FIRST:
            with suppress(Refused):  # it may have no such right any more
                consumers.withdraw_own(buyer, mine[-1])
        consumers.leave(buyer)
        if purchase:
            self.pay(purchase)

    def _refund_as_operator(self, rng: random.Random) -> None:
        """Give back all that is left of a payment, or a part, by the two pages that an operator sees."""
        listed = self.api.open_page(_OPERATOR, "/admin/paiements?status=COMPLETED")
        paid = re.findall(r"/admin/paiements/([0-9a-f-]{36})", listed)
        if paid:
            path = f"/admin/paiements/{rng.choice(paid)}/remboursement"
            part = "" if rng.random() < 0.5 else f"?amount={rng.randint(1, 200) / 100:.2f}"
            asked = self.api.open_page(_OPERATOR, path + part)
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked))
            number = re.search(r"recopiez le numéro : (\w+)", asked)
            if number:  # else it leads back: nothing is left
                self.api.open_page(_OPERATOR, path, fields | {"note": "chaos", "typed": number[1]})

    def _refund_in_dashboard(self, rng: random.Random) -> None:
        paid = [each for each in self.control.ledger() if each["net"] > 0]
        if paid:
            chosen = rng.choice(paid)
            amount = rng.choice([chosen["net"], rng.randint(1, chosen["net"])])
            self.control.refund(chosen["payment_intent"], amount=amount)


def _add_buyer(number: int, email: str) -> Buyer:
    """Write a buyer; return it with a name, and with the ids of the account and its contact."""
    user = add_user(email, password=PASSWORD).id
    add_alert(user, AlertTarget(prefecture_id="melun_77", procedure="NATURALISATION"), enabled=False)
    ids = user, one(Contact, Contact.user_id == user).id
    return Buyer(email, f"{_NAME}{number:02}", frozenset(map(str, ids)), str(user))


def _make_consent() -> dict[str, Any]:
    agreed = dict.fromkeys(("startNow", "acknowledgesLoss", "acceptsHourThreshold"), True)
    return {"termsVersion": find_newest_version(), **agreed}
