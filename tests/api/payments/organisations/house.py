"""An organisation that pays, for tests: its people, its owner's page, its clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.organisation import Member, Organisation
from api.models.payment import Payment
from api.organisations.callers import Caller, read_caller
from api.organisations.ends import apply_grant
from configs.ground.clock import clock
from configs.world.plan import PLANS
from tests.api.payments.shop import Shop
from tests.clients import Browser
from tests.factories import (
    BOBIGNY,
    add_account,
    add_alert,
    add_beneficiary,
    add_checks,
    add_desk,
    add_organisation,
    one,
    rows,
)
from tests.factories import get as get_row

PAGE = "/organisation/argent"
PRICES = """
organisations:
  - {since: 2026-01-01, day_cents: 50, floor_cents: 500, steps: [{above_days: 600, day_cents: 40}]}
"""
NOVEMBER_ENDS = datetime(2026, 11, 30, 23, tzinfo=UTC)  # in Paris


def write_prices(folder: Path, prices: str = PRICES) -> Path:
    """Write the plans that are shipped with what organisations pay, for PLANS_FILE."""
    shipped = PLANS.read_text(encoding="utf-8").partition("organisations:")[0]
    folder.mkdir(exist_ok=True)
    file = folder / "plans.yaml"
    file.write_text(shipped + prices, encoding="utf-8")
    return file


@dataclass
class House:
    """An organisation, its owner, and the shop in which time passes."""

    id: UUID
    owner: UUID
    shop: Shop
    app: Flask

    @property
    def row(self) -> Organisation:
        return get_row(Organisation, self.id)

    def act(self, do: Callable[[Any, Caller], Any]) -> Any:
        """Do something as its owner."""
        with session() as s:
            return do(s, read_caller(s, self.owner))

    def add_people(self, number: int) -> list[UUID]:
        """Take people in, each with an alert at a desk that is checked."""
        made = [add_beneficiary(self.id) for _ in range(number)]
        for each in made:
            add_alert(each)
        with session() as s:
            apply_grant(s, s.get_one(Organisation, self.id, with_for_update=True))
        return made

    def pass_days(self, days: float, step: float = 2) -> None:
        """Let time pass, and the job run."""
        left = timedelta(days=days)
        while left:
            part = min(left, timedelta(days=step))
            self.shop.pass_time(seconds=part.total_seconds())
            left -= part
            assert jobs.bill_organisations()["failed"] == 0
            jobs.end_organisations()

    def browse(self) -> Browser:
        """Open the page of money as its owner, with a new login."""
        browser = Browser(self.app)
        browser.give_login(self.owner)
        browser.get(PAGE)
        return browser

    def bill(self) -> Payment:
        return one(Payment, Payment.due_at.is_not(None))

    def pay(self, browser: Browser, card: str = "visa") -> None:
        """Pay the newest bill by card, and apply what Stripe sends."""
        browser.send("/carte")
        address: str = browser.response.headers["Location"]
        assert self.shop.control.pay(address.rpartition("/")[2], card=card)["error"] is None
        self.shop.deliver()


def open_house(shop: Shop, app: Flask, **columns: Any) -> House:
    """Write an organisation with a desk that is asked each half hour."""
    owner = add_account("owner@example.org").id
    made = add_organisation(owner, **{"siren": "732829320"} | columns)
    add_desk(feasible_seconds=1800)
    return House(made.id, owner, shop, app)


def check_desk(days: float, holes: Iterable[tuple[datetime, datetime]] = ()) -> None:
    """Write an answer of the desk each half hour for so many days from now, but none within these times."""
    begins, gaps = clock(), list(holes)
    times = (begins + timedelta(minutes=30 * each) for each in range(round(days * 48)))
    kept = [each for each in times if not any(a < each < b for a, b in gaps)]
    add_checks(BOBIGNY, begins, [(each - begins).total_seconds() / 60 for each in kept])


def list_owners(house: House) -> list[Member]:
    return rows(Member, Member.organisation_id == house.id)
