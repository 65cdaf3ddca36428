"""Ends of a contract: withdrawals in the account, by the mail's link and without a login; a cancellation; a departure."""

import json
from pathlib import Path
from zipfile import ZipFile

import redis

from deploy.local.stack import Stack
from tests.api.deletion.traces import find, find_after_the_hourly_job, read_redis
from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.journeys.seats import ARABIC_NARROW, FRENCH_NARROW_BARE, FRENCH_WIDE, Seat, each
from tests.browser.navigators import account, declarations, plan, sign_in
from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK

pytestmark = seats.MARKS
_INVOICE, _CREDIT_NOTE = "Facture %(number)s", "Avoir %(number)s"


def come_as_stranger(make_person: MakePerson, seat: seats.Seat, person: Person) -> Person:
    """Return somebody with this person's mails in another browser without a login."""
    stranger = make_person(seat)
    stranger.visitor = person.visitor
    return stranger


def see_money_back(person: Person) -> None:
    """Check the newest payment: a refund, an invoice and its credit note, each with a PDF."""
    declarations.open_payment(person)
    declarations.see_refund(person)
    files = [declarations.read_pdf(person, each) for each in (_INVOICE, _CREDIT_NOTE)]
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


# Cancellation without a login: undone by the mail's link, then confirmed by it.


@each(FRENCH_WIDE, ARABIC_NARROW)
def test_a_contract_is_cancelled_without_a_login_and_the_notice_undone(
    make_person: MakePerson, seat: Seat
) -> None:
    person = make_person(seat)
    plan.become_customer(person, "URGENCE TOTAL")
    stranger = make_person(seat)  # another browser, without a sign-in
    stranger.visitor = person.visitor
    number = declarations.find_order_number(person)
    declarations.cancel_without_login(stranger, number)
    first = declarations.open_notice(stranger)
    stranger.press("Annuler la résiliation")
    stranger.see_notice("Cette résiliation est annulée : le contrat continue.")
    plan.open_plans(person)
    person.see("Chaque mois, jusqu’à votre résiliation")
    declarations.cancel_without_login(stranger, number)
    declarations.open_notice(stranger, first)
    stranger.press("Confirmer la résiliation")
    stranger.see_notice("Le contrat finit le %(end)s.")
    plan.open_plans(person)
    person.see("Aucun : résilié, fin le %(end)s")


# A user takes the data along and deletes the account; nothing names them any more, and the old link still works.


@each(ARABIC_NARROW, FRENCH_NARROW_BARE)
def test_a_user_leaves_with_the_data_and_without_a_trace(
    stack: Stack, make_person: MakePerson, tmp_path: Path, seat: Seat
) -> None:
    person = make_person(seat)
    plan.become_customer(person)
    link = declarations.find_link(person, "withdraw")
    account.open_data(person)
    archive = tmp_path / "archive.zip"
    account.take_archive(person, archive)
    with ZipFile(archive) as opened:
        assert json.loads(opened.read("users.json"))[0]["email"] == person.visitor.email
        assert person.visitor.email in opened.read("index.html").decode()
    account.delete_account(person)
    until(lambda: person.visitor.messages("email")[-1]["subject"].find("supprimé") >= 0, pause=LOOK)
    needles = {person.visitor.email.partition("@")[0]}
    until(lambda: find_after_the_hourly_job(needles) == [], seconds=60, pause=LOOK)
    assert find(needles, read_redis(redis.Redis.from_url(stack.environment["REDIS_URL"]))) == []
    sign_in.write_credentials(person)
    person.see("Aucun compte n’a cette adresse et ce mot de passe.")
    person.page.goto(link)
    person.arrive("Se rétracter de la commande")
