"""A month of an association with thirty people: what each costs, an outage, leavers, the invoice, a dispute."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from api.alerts.schemas import FoundAppointment
from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import session
from api.models.invoice import Invoice
from api.models.user import Channel
from api.organisations.own_help import take_over
from api.organisations.people import end_help, mark_found
from api.organisations.schemas import Acceptance, TakeOver
from api.organisations.service import list_versions
from api.payments.exchange.book_checks import find_book_faults
from api.payments.organisations.service import TERMS, accept_terms
from configs.ground.clock import clock
from configs.ground.signing import ShowHelp, write_token
from tests.api.payments.organisations.house import NOVEMBER_ENDS, House, check_desk, open_house, write_prices
from tests.api.payments.shop import Shop, find_intent
from tests.factories import PASSWORD, add_contact, one

pytestmark = pytest.mark.months


@pytest.fixture
def house(app: Flask, shop: Shop, settings_env: Callable[..., None], tmp_path: Path) -> House:
    settings_env(PLANS_FILE=write_prices(tmp_path))
    shop.clock.move_to(NOVEMBER_ENDS - timedelta(hours=3))
    made = open_house(shop, app, granted_until=NOVEMBER_ENDS)
    made.act(lambda s, caller: accept_terms(s, caller, Acceptance(version=list_versions(TERMS)[0])))
    return made


def move_to(house: House, at: datetime) -> None:
    house.pass_days((at - clock()) / timedelta(days=1), step=6)


def read(house: House) -> str:
    """Return the text of the page, with plain blanks."""
    return " ".join(house.browse().page.text.split())


@pytest.mark.journey  # the random lives of `make test` bill shorter ones
def test_a_month_of_thirty_people_is_explained_to_the_cent(house: House) -> None:
    people = house.add_people(30)
    outage = datetime(2026, 12, 10, tzinfo=UTC), datetime(2026, 12, 11, 12, tzinfo=UTC)
    check_desk(33, [outage])
    move_to(house, datetime(2026, 12, 5, 12, tzinfo=UTC))
    house.act(lambda s, caller: end_help(s, caller, people[0]))
    contact = add_contact(people[1], Channel.EMAIL, "fatou@example.org")
    take_over(write_token(ShowHelp(contact.id)), TakeOver(password=PASSWORD))
    alert = one(Alert, Alert.user_id == people[2])
    house.act(lambda s, caller: mark_found(s, caller, people[2], alert.id, FoundAppointment()))
    move_to(house, datetime(2027, 1, 1, 5, tzinfo=UTC))
    # From midnight in Paris: 4 days and 13 h for who left; the month of 744 h less 36 h of outage for the others.
    invoice = one(Invoice)
    assert [line["hours"] for line in invoice.contents["lines"]][:4] == [109, 109, 109, 708]
    # 109 h of 50 / 24 cents are 227.08 cents, 708 h = 1,475; above 600 days 10 cents less, for 19,443 h of all less 14,400 h.
    lines = {each["reference"]: each["amount_cents"] for each in invoice.contents["lines"]}
    assert (lines[1], lines[4], lines[None]) == (227, 1475, -2101)
    assert (invoice.amount_cents, invoice.number) == (3 * 227 + 27 * 1475 - 2101, "F2027-000001")
    browser = house.browse()
    assert ["#4", "29 j 12 h", "14,75 €"] in [
        [each.replace("\xa0", " ").replace("\u202f", " ") for each in row] for row in browser.page.rows
    ]
    house.pay(browser)
    jobs.issue_invoices()
    assert "Payé384,05 €" in read(house)
    shop = house.shop
    shop.control.dispute(find_intent(invoice.payment_id), amount=500)
    shop.deliver()
    (opened,) = shop.control.objects("dispute")
    shop.control.close_dispute(opened["id"], "lost")
    shop.deliver()
    jobs.issue_invoices()
    assert one(Invoice).number == invoice.number, "what the bank took is due again, on the same invoice"
    assert "À payer" in read(house)
    with session() as s:
        assert find_book_faults(s, clock()) == []
