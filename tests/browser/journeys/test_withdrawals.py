"""Withdrawals: in the account, by the order mail's link, and without a login; then refund, credit note and PDF."""

from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import declarations, documents, plan
from tests.browser.navigators.person import Person

pytestmark = seats.MARKS
_INVOICE, _CREDIT_NOTE = "Facture %(number)s", "Avoir %(number)s"


def come_as_stranger(make_person: MakePerson, seat: seats.Seat, person: Person) -> Person:
    """Return somebody with this person's mails in another browser without a login."""
    stranger = make_person(seat)
    stranger.visitor = person.visitor
    return stranger


def see_money_back(person: Person) -> None:
    """Check the newest payment: a refund, an invoice and its credit note, each with a PDF."""
    documents.open_payment(person)
    documents.see_refund(person)
    files = [documents.read_pdf(person, each) for each in (_INVOICE, _CREDIT_NOTE)]
    assert all(each.startswith(b"%PDF-") for each in files)
    assert files[0] != files[1]


@seats.each(seats.FRENCH_WIDE, seats.ARABIC_NARROW)
def test_an_order_is_withdrawn_in_the_account(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    plan.become_customer(person)
    plan.open_plans(person)
    declarations.withdraw_in_account(person)
    see_money_back(person)
    plan.open_plans(person)
    person.see("Aucune formule en cours")


@seats.each(seats.FRENCH_NARROW_BARE, seats.ARABIC_WIDE)
def test_an_order_is_withdrawn_by_the_link_of_its_mail(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    plan.become_customer(person)
    stranger = come_as_stranger(make_person, seat, person)
    stranger.page.goto(declarations.find_link(person, "withdraw"))
    declarations.confirm_withdrawal(stranger)
    see_money_back(person)


@seats.each(seats.FRENCH_WIDE, seats.ARABIC_NARROW)
def test_an_order_is_withdrawn_without_a_login(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    plan.become_customer(person)
    stranger = come_as_stranger(make_person, seat, person)
    declarations.withdraw_without_login(stranger, declarations.find_order_number(person))
    declarations.confirm_by_mail(stranger)
    see_money_back(person)
