"""Bills: their edges in Paris, at once, twice, late, ended, coupons; the limit; what is not paid pauses."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from api.alerts.unwatched import begin_day, list_hours, locate
from api.ground.errors import ApiError
from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import session, write_once
from api.models.invoice import Invoice, InvoiceKind
from api.models.notification import Notification
from api.models.organisation import Beneficiary, Member, Organisation, WatchedDay
from api.models.payment import Payment, Refund, RefundReason
from api.models.user import Grant, User
from api.organisations.ends import end_by_owner
from api.organisations.schemas import Acceptance
from api.organisations.service import list_versions
from api.payments.exchange.book_checks import find_book_faults
from api.payments.exchange.objects import OBJECT_TYPES
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund, record_transfer
from api.payments.organisations.bills import bill_organisations
from api.payments.organisations.service import (
    TERMS,
    MoneySettings,
    accept_terms,
    change_money,
    record_received,
)
from configs.ground.clock import clock
from configs.world.plan import OrganisationPrices
from tests.api.pages.admin.conftest import plain
from tests.api.payments.organisations.house import PAGE, House, check_desk, open_house, write_prices
from tests.api.payments.shop import Shop
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_alert, add_beneficiary, add_organisation, change, one, rows

pytestmark = pytest.mark.months
PRICES = "organisations: [{since: 2026-11-01, day_cents: 2400}]"  # an hour is a Euro
EDGE = datetime(2026, 11, 30, 23, tzinfo=UTC)  # November ends in Paris


@pytest.fixture
def house(app: Flask, shop: Shop, settings_env: Callable[..., None], tmp_path: Path) -> House:
    """Give an organisation that pays from 20 November, 10 o'clock in Paris, with one person."""
    settings_env(PLANS_FILE=write_prices(tmp_path, PRICES))
    made = open_house(shop, app, granted_until=clock())
    made.act(lambda s, caller: accept_terms(s, caller, Acceptance(version=list_versions(TERMS)[0])))
    made.add_people(1)
    return made


def list_bills() -> list[tuple[int, datetime | None]]:
    found = sorted(rows(Payment, Payment.due_at.is_not(None)), key=lambda each: each.id)
    return [(each.amount_cents, each.used_until) for each in found]


def list_told(kind: str = "organisation_news") -> list[str]:
    found = rows(Notification, Notification.kind == kind, Notification.channel == "email")
    return [
        str(each.params.get("what", each.params.get("why")))
        for each in sorted(found, key=lambda each: each.id)
    ]


def test_a_month_ends_in_paris_and_is_billed_once_however_often_and_by_however_many(house: House) -> None:
    check_desk(20)
    house.pass_days(11)  # 1 December, 10 o'clock in Paris
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: bill_organisations(), range(2)))
    # From 10 o'clock on the 20th to midnight on the 30th: 14 h and ten days.
    assert list_bills() == [(25400, EDGE)]
    house.shop.clock.shift(timedelta(days=-3))
    bill_organisations()
    house.shop.clock.shift(timedelta(days=5))
    bill_organisations()
    assert list_bills() == [(25400, EDGE)]
    hours = [hour for row in rows(WatchedDay) for hour in list_hours(row)]
    assert len(set(hours)) == len(hours) == 254 + 56  # up to an hour and ten minutes ago


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-11-30", 24)])
def test_days_of_paris_have_23_to_25_hours(day: str, hours: int) -> None:
    begins = begin_day(datetime.fromisoformat(day).date())
    found = [locate(begins + timedelta(hours=each)) for each in range(hours)]
    assert {str(each) for each, _ in found} == {day}
    assert [place for _, place in found] == list(range(hours))
    assert locate(begins + timedelta(hours=hours))[1] == 0


@pytest.mark.journey
def test_an_organisation_that_ends_in_a_month_pays_up_to_that_hour_and_its_people_stay_without_a_name(
    house: House, settings_env: Callable[..., None]
) -> None:
    settings_env(SUPPORT_EMAIL="aide@example.org")
    check_desk(30)
    house.pass_days(1)
    house.act(end_by_owner)
    house.pass_days(15, step=1)
    ends = datetime(2026, 12, 5, 9, tzinfo=UTC)
    assert list_bills() == [(25400, EDGE), (10600, ends)]
    assert rows(Beneficiary) == []
    assert {each.reference for each in rows(WatchedDay)} == {1}
    last = one(Invoice, Invoice.amount_cents == 10600)
    assert last.contents["firm"]["name"] == "Accueil 93"
    # Its owners are members until they have paid, and operators hear of what is late.
    house.pass_days(40, step=10)
    assert list_told()[-1] == "bill_due"
    assert one(Notification, Notification.kind == "payment_trouble").params["trouble"] == "bill_late"
    assert last.number in house.browse().page.text
    for each in rows(Invoice):
        record_received(each.number, each.amount_cents)
    jobs.end_organisations()
    assert (rows(Member), one(Organisation).ended_at) == ([], clock())


def test_an_organisation_stays_until_all_that_it_used_is_on_an_invoice(
    house: House, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    check_desk(30)
    house.pass_days(9)
    house.act(end_by_owner)
    settings_env(
        PLANS_FILE=write_prices(tmp_path / "wrong", "organisations: [{since: 2026-11-02, day_cents: 1}]")
    )
    house.shop.pass_time(days=15)
    assert jobs.end_organisations()["failed"]
    assert one(Organisation).ended_at is None
    settings_env(PLANS_FILE=write_prices(tmp_path, PRICES))
    jobs.end_organisations()
    assert len(list_bills()) == 2


def test_a_coupon_makes_hours_free_and_is_taken_back_from_tomorrow_on(house: House) -> None:
    check_desk(30)
    midnight = datetime(2026, 11, 22, 23, tzinfo=UTC)
    change(Organisation, free_until=datetime(2026, 12, 31, 23, tzinfo=UTC))
    house.pass_days(2.2)  # then an operator takes it back, up to the end of the day
    assert "Bon de 100 %" in house.browse().page.text
    change(Organisation, free_until=midnight)
    house.pass_days(10)
    assert list_bills() == [(8 * 24 * 100, EDGE)]


def test_a_person_who_waits_for_a_place_costs_nothing_and_nobody_is_dropped(house: House) -> None:
    check_desk(30)
    second = house.add_people(1)[0]
    house.act(lambda s, caller: change_money(s, caller, MoneySettings(mostWatched=1)))
    assert len(rows(Grant, Grant.ends_at > clock())) == 2
    third = house.add_people(1)[0]
    assert not rows(Grant, Grant.user_id == third)
    assert "maintenant : 2." in house.browse().page.text
    house.pass_days(2)
    assert {each.reference for each in rows(WatchedDay)} == {1, 2}
    assert list_told().count("limit") == 1
    for each in rows(Beneficiary, Beneficiary.user_id != third):
        change(Alert, Alert.user_id == each.user_id, closed_at=clock(), closed_because="found")
    bill_organisations()
    assert one(Grant, Grant.user_id == third).ends_at > clock()
    assert one(Beneficiary, Beneficiary.user_id == second).placed_at is None


def test_what_is_not_paid_is_told_and_pauses_and_a_transfer_takes_it_back(house: House) -> None:
    check_desk(80)
    house.pass_days(12)
    house.pass_days(24, step=4)
    assert list_told() == ["billed", "bill_due"]
    house.pass_days(8, step=2)
    assert list_told()[2:] == ["billed", "bill_late"]
    pauses = one(Organisation).pauses_at
    assert pauses is not None
    assert one(Grant, Grant.ends_at > clock()).ends_at == pauses
    house.pass_days(14, step=7)
    assert not rows(Grant, Grant.ends_at > clock())
    number = one(Invoice, Invoice.amount_cents == 25400).number
    record_received(number, 400, waives=True)
    record_received(number, 25000)
    bill_organisations()
    assert (one(Organisation).pauses_at, list_told()[-1]) == (None, "bill_paid")
    assert rows(Grant, Grant.ends_at > clock())
    jobs.issue_invoices()
    assert one(Invoice, Invoice.kind == InvoiceKind.CREDIT_NOTE).amount_cents == 400
    with session() as s:
        assert find_book_faults(s, clock()) == []


def test_a_page_at_stripe_is_paid_once_whatever_comes_late_or_twice(house: House) -> None:
    check_desk(20)
    house.pass_days(11)
    browser = house.browse()
    browser.send("/carte")
    first = browser.response.headers["Location"]
    browser = house.browse()
    browser.send("/carte")
    assert browser.response.headers["Location"] == first
    house.shop.control.pay(first.rpartition("/")[2], card="visa")
    browser = house.browse()
    browser.send("/carte")  # it was paid, and no event came yet
    assert "argent" in browser.response.headers["Location"]
    late = house.shop.control.take_deliveries()
    house.shop.deliver([*late, *late])
    assert house.bill().status.value == "COMPLETED"
    with session() as s:
        assert find_book_faults(s, clock()) == []


def test_without_prices_nothing_is_shown_measured_or_billed(
    house: House, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(PLANS_FILE=write_prices(tmp_path / "others", "organisations: []"))
    change(Organisation, billed_since=None, billed_until=None, free_until=None, firm_terms_version=None, firm_terms_accepted_by=None)  # fmt: skip
    check_desk(20)
    house.pass_days(11)
    assert (rows(WatchedDay), list_bills()) == ([], [])
    browser = house.browse()
    assert browser.response.status_code == 404
    assert "argent" not in browser.get("/organisation").html
    with pytest.raises(ApiError, match="pay nothing"):
        house.act(lambda s, caller: accept_terms(s, caller, Acceptance(version=list_versions(TERMS)[0])))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"day_cents": 0}, "day_cents"),
        ({"since": "2026-12-15"}, "first day"),
        ({"steps": [{"above_days": 9, "day_cents": 60}]}, "lower price"),
        ({"steps": [{"above_days": 9, "day_cents": 40}, {"above_days": 9, "day_cents": 30}]}, "more days"),
    ],
)
def test_prices_are_read_strictly(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OrganisationPrices.model_validate({"since": "2026-12-01", "day_cents": 50} | wrong)


def test_less_than_stripe_takes_is_paid_by_transfer(
    house: House, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(
        PLANS_FILE=write_prices(tmp_path / "low", "organisations: [{since: 2026-11-01, day_cents: 1}]")
    )
    check_desk(20)
    house.pass_days(11)
    browser = house.browse()
    browser.send("/carte")
    assert "faites un virement" in browser.get(PAGE).text


@pytest.mark.parametrize("by_transfer", [False, True])
def test_what_goes_back_of_a_bill_is_told_to_owners_and_has_its_credit_note(
    house: House, *, by_transfer: bool
) -> None:
    check_desk(20)
    house.pass_days(11)
    invoice = one(Invoice)
    if by_transfer:
        record_received(invoice.number, 25400)
        with session() as s:
            record_transfer(s, lock_payment(s, invoice.payment_id), 1000, "VIR 1")
    else:
        house.pay(house.browse())
        with session() as s:
            plan_refund(s, lock_payment(s, invoice.payment_id), 1000, RefundReason.OPERATOR)
        house.shop.deliver()
        house.shop.deliver()
    jobs.issue_invoices()
    assert one(Invoice, Invoice.kind == InvoiceKind.CREDIT_NOTE).amount_cents == 1000
    told = one(Notification, Notification.kind == "refunded", Notification.channel == "email")
    assert (told.user_id, told.params["order"]) == (house.owner, invoice.number)
    with session() as s:
        assert find_book_faults(s, clock()) == []


@pytest.mark.parametrize("role", ["caseworker", "viewer"])
def test_money_is_for_owners_of_the_house_that_owes_it(house: House, role: str) -> None:
    check_desk(20)
    house.pass_days(11)
    invoice, other = one(Invoice), add_account("other@example.org").id
    add_organisation(other)
    browser = Browser(house.app)
    browser.give_login(other)
    document = f"{PAGE}/factures/{invoice.id}"
    assert browser.client.get(document).status_code == 404
    change(Member, Member.user_id == house.owner, role=role)
    browser.give_login(house.owner)
    assert [browser.client.get(each).status_code for each in (PAGE, document)] == [403, 403]


def test_people_at_desks_of_what_people_report_cost_nothing(house: House) -> None:
    other = add_beneficiary(house.id)
    add_alert(other, is_free=True)
    change(Alert, Alert.user_id == other, enabled=False)
    check_desk(3)
    house.pass_days(2)
    assert {each.reference for each in rows(WatchedDay)} == {1}
    assert rows(User, User.id == other)


def lose_dispute(house: House) -> str:
    """Have the bank take back what a card paid last; return the dispute's id."""
    intent = house.shop.control.objects("payment_intent")[-1]["id"]
    house.shop.control.dispute(intent)
    house.shop.deliver()
    dispute: str = house.shop.control.objects("dispute")[-1]["id"]
    house.shop.control.close_dispute(dispute, status="lost")
    house.shop.deliver()
    jobs.issue_invoices()
    return dispute


def list_faults() -> list[str]:
    with session() as s:
        return [each.object_id for each in find_book_faults(s, clock())]


def test_a_coupon_begins_when_an_operator_gives_it_and_names_what_stays_billed(house: House) -> None:
    check_desk(60)
    house.pass_days(5)
    operator = seat_operator(house.app)
    page = operator.get(f"/admin/organisations/{house.id}/ouverture")
    assert plain("118,00 €") in plain(page.text), (
        "five days, without the last two hours that are not measured yet"
    )
    for day in ("2026-11-25", "2026-11-27"):  # each ends at midnight, and what follows is paid
        operator = seat_operator(house.app, email=f"{day}@example.org")
        operator.get(f"/admin/organisations/{house.id}/ouverture")
        operator.send("/ouverture", until=day)
        house.pass_days(1.5, step=0.5)
    house.pass_days(4)
    # From 10 o'clock on the 25th to midnight, and from 22 o'clock on the 26th to the end of the 27th
    assert list_bills() == [((254 - 14 - 26) * 100, EDGE)]


def test_a_bill_that_a_dispute_takes_back_is_due_again_under_its_number(house: House) -> None:
    check_desk(90)
    house.pass_days(11)
    house.pay(house.browse())
    lose_dispute(house)
    bill = house.bill()
    assert (bill.status.value, bill.due_at) == ("PENDING", clock() + timedelta(days=14))
    house.pass_days(0.1)
    assert list_told() == ["billed", "bill_again"]
    assert [each.kind for each in rows(Invoice)] == [InvoiceKind.INVOICE], "no credit note"
    assert list_faults() == []
    old = house.shop.control.objects("checkout.session")[-1]["id"]
    sync = OBJECT_TYPES["checkout_session"]
    write_once(sync.apply, sync.fetch(old))
    assert house.bill().status.value == "PENDING", "what the page said before is no news"
    house.pass_days(15, step=5)
    assert list_told()[-1] == "bill_late"
    house.pay(house.browse())
    assert (house.bill().status.value, list_faults()) == ("COMPLETED", [])
    house.pass_days(0.1)
    assert one(Organisation).pauses_at is None


@pytest.mark.parametrize("is_paid_again", [False, True])
def test_a_won_appeal_pays_the_bill_and_what_came_twice_goes_back(
    house: House, *, is_paid_again: bool
) -> None:
    check_desk(90)
    house.pass_days(11)
    house.pay(house.browse())
    dispute = lose_dispute(house)
    number = one(Invoice).number
    if is_paid_again:
        record_received(number, 25400, "VIR 7")
    house.shop.control.close_dispute(dispute, status="won")
    house.shop.deliver()
    house.shop.deliver()
    jobs.issue_invoices()
    assert house.bill().status.value == "COMPLETED"
    assert [each.amount_cents for each in rows(Refund)] == [25400] * is_paid_again
    assert [each.kind for each in rows(Invoice)] == [InvoiceKind.INVOICE]
    house.shop.deliver()
    assert list_faults() == []


def test_a_transfer_may_pay_a_part_and_a_bill_that_is_waived_whole_ends(house: House) -> None:
    check_desk(90)
    house.pass_days(11)
    number = one(Invoice).number
    record_received(number, 5400, "VIR 1")
    with pytest.raises(ApiError, match="these words"):
        record_received(number, 5400, "VIR 1")
    assert house.bill().status.value == "PENDING"
    assert plain("200,00 €") in plain(house.browse().page.text)
    record_received(number, 15000, "VIR 2")
    record_received(number, 5000, waives=True)
    assert (house.bill().status.value, list_faults()) == ("COMPLETED", [])
    house.pass_days(31)
    second = one(Invoice, Invoice.number != number, Invoice.kind == InvoiceKind.INVOICE)
    record_received(second.number, second.amount_cents, waives=True)
    assert {each.status.value for each in rows(Payment, Payment.due_at.is_not(None))} == {"COMPLETED"}


def test_accounting_keeps_firms_out_of_what_is_reported_and_names_them_as_clients(house: House) -> None:
    check_desk(20)
    house.pass_days(11)
    operator = seat_operator(house.app)
    days = "first=2026-11-20&last=2026-12-01"
    assert operator.get(f"/admin/paiements/totaux?{days}").rows == []
    journal = operator.client.get(f"/admin/paiements/journal.txt?{days}").text
    clients = [line.split("\t")[4:8] for line in journal.split("\r\n")[1:-1]]
    assert clients[0] == ["411000", "Clients", "732829320", "Accueil 93"]
    assert {tuple(each[2:]) for each in clients[1:]} == {("", "")}


@pytest.mark.parametrize("is_paying", [False, True])
def test_a_firm_of_another_member_state_is_told_that_it_cannot_be_billed(
    house: House, *, is_paying: bool
) -> None:
    """Its VAT would be due there, by itself, on an invoice that says so."""
    browser = house.browse()
    if is_paying:
        browser.get("/organisation")
        browser.send("/organisation/reglages", vatNumber="DE123456789")
        assert one(Organisation).vat_number is None
    else:
        change(Organisation, billed_since=None, billed_until=None, free_until=None, firm_terms_version=None, firm_terms_accepted_by=None, vat_number="DE123456789")  # fmt: skip
        browser.get(PAGE)
        browser.send("/conditions")
        browser.follow()
        assert one(Organisation).billed_since is None
    assert "d’un autre État de l’Union" in browser.page.text
