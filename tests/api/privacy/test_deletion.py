"""DELETE /api/users/me: what it asks for, what it deletes, what stays without a name."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import session, write_once
from api.models.declaration import Declaration, DeclaredBy
from api.models.login import Login
from api.models.notification import FORGOTTEN, Notification, State
from api.models.payment import FormerCustomer, Payment, Refund, RefundReason
from api.models.support import SupportRequest
from api.models.user import Contact, ContactState, Role, User
from api.payments.billing.schemas import Cancellation
from api.payments.declarations.forms import store_declaration
from api.payments.declarations.records import Author
from api.payments.declarations.schemas import WithdrawalForm
from api.payments.declarations.service import cancel_own, withdraw_order
from api.payments.exchange import jobs as payments
from api.privacy import access
from api.privacy.access import delete_named
from api.privacy.deletion import apply_notices, delete_account
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.channels.batch_sender import providers
from notifier.jobs import deliver
from tests.api.payments.shop import Shop, get_payment
from tests.api.privacy.traces import URL, delete, find, is_one_waiting, prove, read_tables
from tests.api.world import Door
from tests.clients import People, Person, problem, seat_operator
from tests.factories import add_alert, add_match, add_payment, change, get, rows, save, see
from tests.waiting import until

if TYPE_CHECKING:
    from tests.running_sandbox import Running


def test_an_account_without_a_plan_is_deleted_at_once_and_others_keep_everything(
    client: FlaskClient, camille: Person, person: People
) -> None:
    other = person("other@example.org", plan=PlanName.URGENCE_7J, confirmed=True)
    alert = add_alert(other.id)
    detection, slots = see("2099-01-05T09:00:00+01:00")
    add_match(add_alert(camille.id), detection, slots)
    assert delete(camille).status_code == 204
    assert {each.user_id for table in (Contact, Login) for each in rows(table)} == {other.id}
    assert camille.get("/api/auth/me").status_code == 401
    assert delete(camille).status_code == 401
    assert other.get(f"/api/alerts/{alert}").status_code == 200
    assert [each.email for each in rows(User)] == ["other@example.org"]
    again = {"email": camille.email, "password": "correct horse battery staple"}
    assert client.post("/api/auth/register", json=again).status_code == 202
    assert camille.id not in {each.id for each in rows(User)}


def test_it_needs_a_body_that_means_it_a_user_and_a_recent_proof(
    client: FlaskClient, camille: Person
) -> None:
    for body in ({"understood": "yes"}, {"understood": 1}, {"why": "x"}):
        assert delete(camille, body).status_code == 422
    assert client.delete(URL, data="{", headers=camille.headers).status_code in (400, 415)
    assert camille.delete(URL, []).status_code == 422
    change(User, User.id == camille.id, role=Role.SUPPORT)
    answer = delete(camille, {"understood": True})
    assert (answer.status_code, problem(answer)[1]) == (409, "operator")
    change(User, User.id == camille.id, role=Role.USER)
    change(Login, Login.id == camille.login_id, proven_at=clock() - timedelta(hours=1))
    answer = delete(camille, {"understood": True})
    assert (answer.status_code, problem(answer)[1]) == (403, "recent-proof-needed")
    assert client.delete(URL).status_code == 401
    assert len(rows(User)) == 1


def test_with_a_plan_it_says_first_what_is_lost(shop: Shop, camille: Person) -> None:
    payment = shop.buy(camille.id, PlanName.URGENCE_7J)
    shop.clock.shift(timedelta(days=3, hours=12))
    prove(camille)
    answer = delete(camille)
    assert (answer.status_code, problem(answer)[1]) == (409, "plan-running")
    assert answer.json
    assert "withdraw" in answer.json["detail"]
    (lost,) = answer.json["lost"]
    assert (lost["plan"], lost["amount"], lost["renews"]) == ("URGENCE_7J", 749, False)
    assert lost["endsAt"] == "2026-11-27T09:00:00Z"
    assert delete(camille, {"understood": False}).status_code == 409
    assert delete(camille, {"understood": True}).status_code == 204
    assert get_payment(payment).user_id is None


def test_a_subscription_is_cancelled_at_stripe(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    answer = delete(camille)
    assert answer.json
    assert [each["renews"] for each in answer.json["lost"]] == [True]
    assert delete(camille, {"understood": True}).status_code == 204
    payments.work_off()
    shop.deliver()
    assert [each["status"] for each in shop.control.objects("subscription")] == ["canceled"]
    paid = len(rows(Payment))
    shop.pass_time(days=40)
    assert len(rows(Payment)) == paid, "nothing is charged any more"


def test_payments_stay_without_a_name_which_admins_resolve_and_support_does_not(
    camille: Person, app: Flask
) -> None:
    payment = add_payment(camille.id)
    change(Payment, Payment.id == payment, alert_wish={"name": "Papa"})
    change(User, User.id == camille.id, stripe_customer_id="cus_1")
    save(Refund(payment_id=payment, amount_cents=100, reason=RefundReason.OPERATOR, note="Camille called"))
    assert delete(camille, {"understood": True}).status_code == 204
    kept = get_payment(payment)
    assert (kept.user_id, kept.alert_wish, kept.consented_at is None) == (None, None, False)
    assert [each.note for each in rows(Refund)] == [None]
    assert [(each.payment_id, each.customer) for each in rows(FormerCustomer)] == [(payment, "cus_1")]
    shown = [
        "cus_1" in seat_operator(app, role).get(f"/admin/paiements/{payment}").text
        for role in (Role.ADMIN, Role.SUPPORT)
    ]
    assert shown == [True, False]


def test_messages_to_support_go_also_those_sent_without_signing_in(
    client: FlaskClient, camille: Person
) -> None:
    mine = {"email": "Camille@example.org", "message": "Bonjour, c’est Camille"}
    assert client.post("/api/support", json=mine).status_code < 300
    save(SupportRequest(user_id=camille.id, email="x@example.org", message="encore moi"))
    save(SupportRequest(email="other@example.org", message="quelqu’un d’autre"))
    delete(camille)
    assert [each.email for each in rows(SupportRequest)] == ["other@example.org"]
    assert {each.kind for each in rows(Notification)} <= {"operations", "account_deleted"}


def test_the_last_mail_arrives_and_its_row_loses_the_address_within_the_hour(
    sandbox: "Running", camille: Person, door: Door
) -> None:
    delete(camille)
    (row,) = rows(Notification)
    assert (row.kind, row.address, door.nudged) == ("account_deleted", camille.email, [row.id])
    deliver(str(row.id))
    (mail,) = sandbox.messages()
    assert (mail.to, mail.subject) == (camille.email, "Votre compte est supprimé – RDVPriority")
    assert jobs.erase_addresses() == {"erased": 1}
    (row,) = rows(Notification)
    assert (row.state, row.address, row.params) == (State.SENT, FORGOTTEN, {})


def test_a_last_mail_that_is_refused_loses_the_address_after_a_week(
    sandbox: "Running", person: People
) -> None:
    delete(person("not-an-address@", confirmed=True))
    (row,) = rows(Notification)
    deliver(str(row.id))
    assert jobs.erase_addresses() == {"erased": 0}
    with session() as s:
        s.execute(sa.update(Notification).values(failed_at=clock() - timedelta(days=8)))
    jobs.erase_addresses()
    (row,) = rows(Notification)
    assert (row.state, row.address) == (State.FAILED, FORGOTTEN)


def test_a_deadlock_is_tried_again(camille: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another transaction holds an alert, for which the deletion waits, and then wants the account."""
    alert, real, tries = add_alert(camille.id), delete_account, []

    def count(*given: Any, **named: Any) -> Any:
        tries.append(True)
        return real(*given, **named)

    monkeypatch.setattr(access, "delete_account", count)
    with ThreadPoolExecutor(1) as pool:
        with session() as s:
            s.get_one(Alert, alert, with_for_update=True)
            answer = pool.submit(delete, camille)
            until(is_one_waiting)  # it waits first, so PostgreSQL ends it first, after its deadlock_timeout
            s.get_one(User, camille.id, with_for_update=True)
        assert answer.result(10).status_code == 204
    assert (len(tries), rows(User)) == (2, [])


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
    write_once(
        store_declaration, WithdrawalForm(name=NAME, email=camille.email, order=str(number)), "fr", bool
    )
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


def test_a_notice_that_takes_effect_beside_the_deletion_pays_nothing_twice(
    shop: Shop, camille: Person
) -> None:
    notify_end(shop, camille)
    with session() as s, ThreadPoolExecutor(1) as pool:
        notice = s.scalars(sa.select(Declaration).with_for_update()).one()
        paid_back = pool.submit(write_once, apply_notices, camille.id, clock())
        until(is_one_waiting)
        notice.applied_at = clock()
        s.commit()
        assert paid_back.result() == 0
    assert rows(Refund) == []


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
