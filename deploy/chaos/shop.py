"""Purchases of a chaos run: shoppers who buy through the API, subscriptions that renew, refunds from both sides.

What fails meanwhile is left as it is, as customers do: the accounts compare what both sides hold at the end.
"""

import json
import random
import threading
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.accounts.passwords import hash_password
from api.models.base import session
from api.models.user import Channel, Contact, Role, User
from configs.clock import clock
from configs.plan import PlanName
from configs.sales_terms import find_newest_version
from deploy.chaos.subscribers import SHOPPERS
from deploy.local.ports import StackPorts
from deploy.sandbox.addresses import STRIPE, url
from deploy.sandbox.control_error import Refusal
from deploy.sandbox.stripe.control_client import StripeControl

# Many, because each ends with the monthly plan, beside which nothing more can be bought.
BUYERS = tuple(f"shopper{number}{SHOPPERS}" for number in range(60))
_OPERATOR = f"operator{SHOPPERS}"
PASSWORD = "a shopper of the chaos run"  # noqa: S105 -- of accounts that live for minutes
_SECOND_FACTOR = "JBSWY3DPEHPK3PXP"  # no code of it is ever asked for: the operator signed in before
_ALERT = {"prefectureId": "melun_77", "procedures": ["NATURALISATION"]}
_PLANS = (PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL)
_OFTEN = (6, 2, 1, 1)  # buying, renewing, refunds by the operator and in the dashboard
_PATIENCE = 20.0  # seconds
_TRIES = 5  # shoppers that are asked in turn: some have a plan beside which this one cannot be bought
RETRIES = [1, 2, 4, *[5] * 200]  # seconds until Stripe sends an event again
_PAUSE = (0.5, 2.0)  # seconds between two acts
# What an act may meet that a fault bent: no answer, a refusal, a stand-in that is away.
_MISSES = (OSError, HTTPException, Refusal, KeyError, ValueError)


@dataclass(frozen=True)
class Purchase:
    """An order whose page at Stripe is open."""

    payment_id: UUID
    session_id: str


@dataclass
class Shop:
    """The API, the stand-in of Stripe, and who buys. Its acts may be called by several threads."""

    ports: StackPorts
    acts: Counter[str] = field(default_factory=Counter)  # by their names, and those that missed
    _tokens: dict[str, str] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        """Reach the stand-in's controls."""
        self.control = StripeControl(url(STRIPE, self.ports.providers))

    def open(self) -> None:
        """Write shoppers and operator, and sign the operator in."""
        password = hash_password(PASSWORD)
        with session() as s:
            for email in (*BUYERS, _OPERATOR):
                mail = Contact(channel=Channel.EMAIL, address=email, verified_at=clock(), enabled=True)
                s.add(User(email=email, password_hash=password, contacts=[mail]))
        self.control.webhook(retry_seconds=RETRIES)
        self._sign_in(_OPERATOR)
        with session() as s:  # only now: a login by password alone is not possible afterwards
            operator = s.scalars(sa.select(User).where(User.email == _OPERATOR)).one()
            operator.role, operator.totp_secret = Role.ADMIN, _SECOND_FACTOR
            operator.totp_confirmed_at = clock() - timedelta(minutes=1)

    def start(self, rng: random.Random, slowness: float) -> None:
        """Let people buy and change their minds on a thread of its own; `slowness`: by how much more seldom."""
        self._thread = threading.Thread(target=self._trade, args=(rng, slowness), name="shop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def order(self, rng: random.Random) -> Purchase:
        """Have an order made, by a shopper who may buy the plan.

        Raises:
            OSError: no answer, or refusals.
        """
        for left in reversed(range(_TRIES)):
            try:
                return self._order(rng)
            except urllib.error.HTTPError as refusal:
                if refusal.code != HTTPStatus.CONFLICT or not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _order(self, rng: random.Random) -> Purchase:
        """Send an order; once more where no answer came, as by a second click."""
        email = rng.choice(BUYERS)
        body: dict[str, Any] = {"plan": rng.choices(_PLANS, (5, 3, 2))[0].value, "consent": _make_consent()}
        body |= {"alert": _ALERT} if rng.random() < 0.3 else {"withoutAlert": True}  # noqa: PLR2004
        try:
            made = self._ask(email, "/api/billing/checkout", body)
        except urllib.error.HTTPError:
            raise
        except (OSError, HTTPException):
            made = self._ask(email, "/api/billing/checkout", body)
        return Purchase(UUID(made["paymentId"]), made["checkoutUrl"].rpartition("/")[2])

    def pay(self, purchase: Purchase, card: str = "visa") -> None:
        """Pay an order on its page at Stripe.

        Raises:
            OSError: the page cannot be reached.
            deploy.sandbox.control_error.Refusal: the page has expired.
        """
        self.control.pay(purchase.session_id, card=card)

    def _trade(self, rng: random.Random, slowness: float) -> None:
        acts = (self._buy, self._renew, self._refund_as_operator, self._refund_in_dashboard)
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
        if rng.random() < 0.1:  # noqa: PLR2004 -- some cards are declined at first, some pages abandoned
            self.pay(purchase, "declined")
        if rng.random() < 0.95:  # noqa: PLR2004
            self.pay(purchase)

    def _renew(self, rng: random.Random) -> None:
        running = [each["id"] for each in self.control.objects("subscription") if each["status"] == "active"]
        if running:
            self.control.renew(rng.choice(running))

    def _refund_as_operator(self, rng: random.Random) -> None:
        paid = self._ask(_OPERATOR, "/api/admin/payments?status=COMPLETED&limit=50")["items"]
        if paid:
            chosen = rng.choice(paid)
            part = {} if rng.random() < 0.5 else {"amount": rng.randint(1, 200)}  # noqa: PLR2004
            body = {"note": "chaos", **part}
            self._ask(_OPERATOR, f"/api/admin/payments/{chosen['id']}/refunds", body)

    def _refund_in_dashboard(self, rng: random.Random) -> None:
        paid = [each for each in self.control.ledger() if each["net"] > 0]
        if paid:
            chosen = rng.choice(paid)
            amount = rng.choice([chosen["net"], rng.randint(1, chosen["net"])])
            self.control.refund(chosen["payment_intent"], amount=amount)

    def _ask(self, email: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if email not in self._tokens:
            self._sign_in(email)
        return self._send(path, body, {"Authorization": f"Bearer {self._tokens[email]}"})

    def _sign_in(self, email: str) -> None:
        credentials = {"email": email, "password": PASSWORD}
        self._tokens[email] = self._send("/api/auth/login", credentials, {})["token"]

    def _send(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports.api}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 -- loopback
            return json.loads(answer.read())


def _make_consent() -> dict[str, Any]:
    return {
        "termsVersion": find_newest_version(),
        "startNow": True,
        "acknowledgesLoss": True,
        "acceptsHourThreshold": True,
    }
