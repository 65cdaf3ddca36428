"""Rights of consumers in a chaos run: buyers withdraw, cancel, ask for their data, and delete their accounts.

An act without an answer may have had its effect. A buyer who began to leave does nothing else, and tries until the
account is gone.
"""

import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import requests

from configs.ground.clock import clock
from configs.ground.signing import WithdrawOrder, write_token
from configs.world.withdrawal_period import ZONE
from tests.lab.chaos.subscribers import SHOPPERS

_BY_LINK = 0.3  # of the withdrawals
PASSWORD = "a shopper of the chaos run"  # of accounts that live for minutes
_PATIENCE = 20.0  # seconds
_AT_END, _UNDONE = 0.5, 0.3  # of the cancellations


class Refused(OSError):
    """The API answered an act by this status, which is no success."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__(f"{answer.url} answered {answer.status_code}: {answer.text[:500]}")
        self.status = answer.status_code


class ShopApi:
    """Asks on behalf of accounts. Each method raises OSError where there is no answer, or a refusal."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._tokens: dict[str, str] = {}

    def sign_in(self, email: str) -> None:
        """Keep a token of an account."""
        login = {"email": email, "password": PASSWORD}
        self._tokens[email] = self._send("POST", "/api/auth/login", json=login).json()["token"]

    def ask(
        self, email: str, path: str, body: Mapping[str, Any] | None = None, method: str | None = None
    ) -> Any:
        """Return the JSON that an account gets, None where there is none; POST where there is a body."""
        if email not in self._tokens:
            self.sign_in(email)
        headers = {"Authorization": f"Bearer {self._tokens[email]}"}
        answer = self._send(method or ("GET" if body is None else "POST"), path, json=body, headers=headers)
        return answer.json() if answer.content else None

    def send_form(self, path: str, fields: Mapping[str, str]) -> None:
        """Send the form of a page that needs no account."""
        self._send("POST", path, data=fields)

    def open_page(self, email: str, path: str, fields: Mapping[str, str] | None = None) -> str:
        """Return the HTML of a page of an account; with `fields` its form is sent. The token is the page's cookie."""
        headers = {"Cookie": f"__Host-access={self._tokens[email]}"}
        return self._send("GET" if fields is None else "POST", path, data=fields, headers=headers).text

    def _send(self, method: str, path: str, **given: Any) -> requests.Response:
        answer = requests.request(method, self._url + path, timeout=_PATIENCE, **given)
        if not answer.ok:
            raise Refused(answer)
        return answer


@dataclass(frozen=True)
class Buyer:
    """Account of a buyer with the ids of its rows. `name` is for the invoices, where it is not empty."""

    email: str
    name: str = ""
    ids: frozenset[str] = frozenset()
    user_id: str = ""


@dataclass(frozen=True)
class FormerBuyer:
    """A deleted account, and from when on we know that it was deleted."""

    buyer: Buyer
    deleted_at: datetime


@dataclass
class Consumers:
    """All buyers, and what they were promised. Acts may be called by several threads."""

    api: ShopApi
    buyers: list[Buyer] = field(default_factory=list)  # those whose accounts stay so far
    leaving: list[Buyer] = field(default_factory=list)  # asked for the deletion, and got no answer yet
    former: list[FormerBuyer] = field(default_factory=list)
    paid: list[tuple[Buyer, UUID]] = field(default_factory=list)  # orders
    monthly: list[Buyer] = field(default_factory=list)  # who paid a monthly plan, which may have ended
    answered: set[UUID] = field(default_factory=set)  # withdrawals that the API answered
    exported: set[Buyer] = field(default_factory=set)
    _turn: threading.Lock = field(default_factory=threading.Lock)  # of leaving

    def withdraw(self, rng: random.Random) -> None:
        """Withdraw from an order, in the account or by the link of its order mail, which outlives the account."""
        buyer, payment_id = rng.choice(self.paid)
        if buyer in self.buyers and rng.random() > _BY_LINK:
            self.withdraw_own(buyer, payment_id)
        else:
            self._withdraw_by_link(buyer, payment_id)

    def withdraw_own(self, buyer: Buyer, payment_id: UUID) -> None:
        """Withdraw in the account; once more where no answer came, which must not count twice."""
        body = {"paymentId": str(payment_id), "name": buyer.name}
        answer = click(lambda: self.api.ask(buyer.email, "/api/billing/withdraw", body))
        self.answered.add(UUID(answer["declarationId"]))

    def cancel(self, rng: random.Random) -> None:
        """Give notice of a monthly plan's end, today or with the paid period; some undo it."""
        buyer, at_end = rng.choice(self.monthly), rng.random() < _AT_END
        choice = {"periodEnd": True} if at_end else {"on": clock().astimezone(ZONE).date().isoformat()}
        click(lambda: self.api.ask(buyer.email, "/api/billing/cancel", choice))
        if rng.random() < _UNDONE:
            click(lambda: self.api.ask(buyer.email, "/api/billing/cancel/undo", {}))

    def export(self, rng: random.Random) -> None:
        """Ask for the data of an account that has no export so far."""
        buyer = rng.choice([each for each in self.buyers if each not in self.exported])
        self.exported.add(buyer)
        self.api.ask(buyer.email, "/api/users/export")

    def leave(self, buyer: Buyer) -> None:
        """Delete an account; one that is deleted stays so."""
        with self._turn:
            if buyer in self.buyers:
                self.buyers.remove(buyer)
                self.leaving.append(buyer)
            if buyer in self.leaving:
                self._delete(buyer)

    def _delete(self, buyer: Buyer) -> None:
        try:
            self.api.ask(buyer.email, "/api/users/me", {"understood": True}, "DELETE")
        except Refused as refusal:
            if refusal.status == HTTPStatus.FORBIDDEN:
                self.api.sign_in(buyer.email)  # who signed in before the clock was set back does so again
            if refusal.status != HTTPStatus.UNAUTHORIZED:  # it is deleted: only the answer was lost
                raise
        self.leaving.remove(buyer)
        self.former.append(FormerBuyer(buyer, clock()))

    def finish_leaving(self) -> None:
        """Delete the accounts whose deletion had no answer so far, as far as that is possible now."""
        for buyer in list(self.leaving):
            with suppress(OSError):
                self.leave(buyer)

    def _withdraw_by_link(self, buyer: Buyer, payment_id: UUID) -> None:
        fields = {"name": "Camille"}  # not the buyer's: it stays with the declaration
        if buyer not in self.buyers:
            fields["email"] = f"later-{payment_id}{SHOPPERS}"
        path = f"/l/{write_token(WithdrawOrder(payment_id))}"
        click(lambda: self.api.send_form(path, fields))


def click(act: Callable[[], Any]) -> Any:
    """Do it; where no answer comes, once more, as by a second click."""
    try:
        return act()
    except Refused:
        raise
    except OSError:
        return act()
