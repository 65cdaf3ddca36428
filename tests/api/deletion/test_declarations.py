"""Declarations whose account is deleted: their acknowledgements are sent, and what was announced is paid back."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from api.background import jobs
from api.billing.schemas import Cancellation
from api.declarations.records import Author
from api.declarations.schemas import WithdrawalForm
from api.declarations.service import cancel_own, receive_form, withdraw_order
from api.deletion.access import delete_named
from api.models.base import session
from api.models.declaration import Declaration, DeclaredBy
from api.models.notification import FORGOTTEN, Notification, State
from api.models.payment import Payment, Refund
from api.models.user import Contact, ContactState, User
from api.payments import jobs as payments
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.channels.batch_sender import providers
from notifier.jobs import deliver
from tests.api.deletion.leaving import delete, prove
from tests.api.deletion.traces import find, read_tables
from tests.api.payments.shop import Shop
from tests.clients import Person
from tests.factories import get, rows

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

NAME = "Camille Okafor"
BY_ACCOUNT = Author(DeclaredBy.ACCOUNT, "fr", name=NAME)


def withdraw(shop: Shop, person: Person) -> None:
    payment = shop.buy(person.id, PlanName.URGENCE_7J)
    withdraw_order(payment, BY_ACCOUNT, person.id)


def notify_end(shop: Shop, person: Person, **wish: Any) -> None:
    """Buy a subscription and give notice of its end, which takes effect five days later."""
    shop.buy(person.id, PlanName.URGENCE_TOTAL)
    shop.deliver()
    shop.pass_time(days=3)
    wished = Cancellation(**(wish or {"on": (clock() + timedelta(days=4)).date()}))
    cancel_own(person.id, wished, BY_ACCOUNT)
    prove(person)


def list_open(*kinds: str) -> list[Notification]:
    return [each for each in rows(Notification) if each.kind in kinds and each.state is State.PENDING]


def test_the_acknowledgement_of_a_withdrawal_is_sent_then_forgotten(
    sandbox: "Running", shop: Shop, camille: Person
) -> None:
    withdraw(shop, camille)
    assert delete(camille, {"understood": True}).status_code == 204
    waiting = list_open("withdrawal_received", "withdrawn")
    assert {each.kind for each in waiting} == {"withdrawal_received", "withdrawn"}
    deliver(*(str(each.id) for each in waiting))
    texts = [str(each.text) for each in sandbox.messages() if each.to == camille.email]
    assert [NAME in each for each in texts if "Accusé de réception" in each] == [True]
    assert len(texts) == 2
    deliver(*(str(each.id) for each in list_open("account_deleted")))
    assert jobs.erase_addresses() == {"erased": 3}
    assert {each.address for each in rows(Notification)} == {FORGOTTEN}
    assert find({NAME.lower(), camille.email}, read_tables()) == []


def test_one_that_is_being_sent_is_forgotten_when_it_has_left(
    sandbox: "Running", shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdraw(shop, camille)
    (row,) = list_open("withdrawal_received")
    mail = providers()["sendgrid"]
    take = mail.hand_over

    def send_late(message: Any) -> Any:
        monkeypatch.undo()
        assert delete(camille, {"understood": True}).status_code == 204
        return take(message)

    monkeypatch.setattr(mail, "hand_over", send_late)
    deliver(str(row.id))
    jobs.erase_addresses()
    (row,) = [each for each in rows(Notification) if each.kind == "withdrawal_received"]
    assert (row.state, row.address, row.params) == (State.SENT, FORGOTTEN, {})
    with session() as s:
        assert s.scalars(sa.select(Notification.text).where(Notification.text.is_not(None))).all() == []


def test_an_address_that_took_no_mail_before_is_tried_all_the_same(
    sandbox: "Running", shop: Shop, camille: Person
) -> None:
    with session() as s:
        s.query(Contact).filter_by(user_id=camille.id).one().state = ContactState.BOUNCED
    withdraw(shop, camille)
    delete(camille, {"understood": True})
    deliver(*(str(each.id) for each in list_open("withdrawal_received")))
    assert [each.to for each in sandbox.messages("email")] == [camille.email]


def test_what_has_left_goes_with_the_account(
    sandbox: "Running", shop: Shop, client: FlaskClient, camille: Person
) -> None:
    withdraw(shop, camille)
    deliver(*(str(each.id) for each in list_open("withdrawal_received", "withdrawn")))
    shown = client.get("/api/notifications", headers=camille.headers).json
    assert shown
    assert {"withdrawal_received", "withdrawn"} <= {each["type"] for each in shown["items"]}
    delete(camille, {"understood": True})
    assert {each.kind for each in rows(Notification)} == {"account_deleted"}


def test_a_form_s_acknowledgement_keeps_its_link_until_it_has_left(
    sandbox: "Running", shop: Shop, client: FlaskClient, camille: Person
) -> None:
    payment = shop.buy(camille.id, PlanName.URGENCE_7J)
    number = get(Payment, payment).order_number
    receive_form(WithdrawalForm(name=NAME, email=camille.email, order=str(number)), "fr", bool)
    prove(camille)
    delete(camille, {"understood": True})
    (row,) = list_open("withdrawal_received")
    deliver(str(row.id))
    (mail,) = sandbox.messages()
    assert (mail.to, NAME in str(mail.text)) == (camille.email, True)
    jobs.erase_addresses()
    token = str(mail.text).split("/l/declaration.")[1].split()[0]
    assert client.post(f"/l/declaration.{token}", data={"confirm": "true"}).status_code == 200
    assert find({NAME.lower()}, read_tables()) == []


def test_the_next_account_of_an_address_leaves_it_in_peace(shop: Shop, camille: Person, person: Any) -> None:
    withdraw(shop, camille)
    delete(camille, {"understood": True})
    delete(person(camille.email, confirmed=True))
    assert len(list_open("withdrawal_received")) == 1


def test_a_notice_of_cancellation_is_paid_with_the_deletion(
    sandbox: "Running", shop: Shop, camille: Person
) -> None:
    notify_end(shop, camille)
    answer = delete(camille)
    assert answer.json
    (lost,) = answer.json["lost"]
    assert (lost["amount"], lost["refund"] > 0, lost["renews"]) == (0, True, False)
    assert delete(camille, {"understood": True}).status_code == 204
    payments.work_off()
    (refund,) = rows(Refund)
    assert refund.amount_cents == lost["refund"]
    assert sum(each["amount"] for each in shop.control.objects("refund")) == refund.amount_cents
    (row,) = rows(Declaration)
    assert (row.applied_at is not None, row.refund_cents, row.name) == (True, refund.amount_cents, None)
    deliver(*(str(each.id) for each in list_open("account_deleted", "cancel_noticed")))
    texts = {str(each.subject): str(each.text) for each in sandbox.messages()}
    last, noticed = (
        next(text for subject, text in texts.items() if word in subject)
        for word in ("supprimé", "résiliation")
    )
    assert f"{refund.amount_cents / 100:.2f}".replace(".", ",") in last
    assert ("pris fin avec" in noticed, "/l/resiliation." in noticed, NAME in noticed) == (True, False, True)


def test_a_notice_for_the_end_of_the_period_pays_nothing_back(shop: Shop, camille: Person) -> None:
    notify_end(shop, camille, periodEnd=True)
    answer = delete(camille)
    assert answer.json
    assert [each["refund"] for each in answer.json["lost"]] == [0]
    assert delete(camille, {"understood": True}).status_code == 204
    assert rows(Refund) == []


def test_a_deletion_that_is_repeated_after_a_restore_pays_nothing_twice(shop: Shop, camille: Person) -> None:
    notify_end(shop, camille)
    delete_named(camille.id)
    shop.pass_time(days=6)
    jobs.apply_declarations()
    assert (rows(Refund), rows(User)) == ([], [])
    assert [each.applied_at is not None for each in rows(Declaration)] == [True]
