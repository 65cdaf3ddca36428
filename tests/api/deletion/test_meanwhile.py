"""Deletion while something else works on the account; and what arrives for an account that is gone."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

import notifier
from api.accounts.passwords import hash_password
from api.auth.mailbox_claims import sign_reset
from api.declarations.schemas import WithdrawalForm
from api.declarations.service import confirm, receive_form
from api.deletion.service import delete_account
from api.exports import jobs as exports
from api.models.alert import Alert
from api.models.base import session
from api.models.contact_linking import TelegramLink
from api.models.declaration import Declaration
from api.models.export import Export
from api.models.login import Login
from api.models.notification import Match, Notification, State
from api.models.payment import (
    FormerCustomer,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    Refund,
    RefundReason,
)
from api.models.user import Contact, Grant, User
from api.payments.objects import OBJECT_TYPES
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.object_store import Blobs
from configs.ground.signed_links import (
    OpenPortal,
    RefundClosedDesk,
    StopAlerts,
    VerifyAddress,
    WithdrawOrder,
    write_token,
)
from configs.world.plan import PlanName
from notifier.channels.batch_sender import providers
from notifier.jobs import deliver
from notifier.jobs import match as match_detection
from notifier.matching import match_service, notification_writer
from tests.api.declarations.orders import hand_over
from tests.api.deletion.traces import delete, is_one_waiting, prove
from tests.api.invoices.documents import pay
from tests.api.payments.shop import Shop, find_intent, get_payment
from tests.clients import People, Person, problem
from tests.factories import PASSWORD, add_alert, change, rows, see

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


def write_message(person: Person) -> str:
    with session() as s:
        (made,) = notifier.create_notifications(
            s, person.id, "password_changed", {"at": clock().isoformat()}, "key"
        )
    return str(made)


def test_deleted_while_a_message_is_sent_the_row_stays_gone(
    sandbox: "Running", camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, mail = write_message(camille), providers()["sendgrid"]
    take = mail.hand_over

    def send_late(message: Any) -> Any:
        answer = take(message)
        assert delete(camille).status_code == 204
        return answer

    monkeypatch.setattr(mail, "hand_over", send_late)
    deliver(key)
    monkeypatch.undo()
    assert len(sandbox.messages()) == 1
    assert [(each.kind, each.state) for each in rows(Notification)] == [("account_deleted", State.PENDING)]


def test_deleted_while_its_alert_is_matched_the_others_are_told(
    sandbox: "Running", person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Matching has read the alert; its account is gone when the notification is written."""
    camille = person(plan=PlanName.URGENCE_7J, confirmed=True)
    other = person("other@example.org", plan=PlanName.URGENCE_7J, confirmed=True)
    for each in (camille, other):
        add_alert(each.id)
    detection, _ = see("2099-01-05T09:00:00+01:00")

    def write_late(*given: Any, **named: Any) -> Any:
        monkeypatch.undo()
        assert delete(camille, {"understood": True}).status_code == 204
        return notification_writer.write(*given, **named)

    monkeypatch.setattr(match_service, "write", write_late)
    match_detection(str(detection))
    match_detection(str(detection))  # as the sweep asks again
    assert {each.user_id for each in rows(Notification) if each.kind == "slot_detected"} == {other.id}
    assert len(rows(Match)) == 1


def test_deleted_while_the_export_runs_no_file_and_no_mail_stays(
    camille: Person, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Blobs.put

    def put_late(self: Blobs, key: str, data: bytes) -> None:
        put(self, key, data)
        assert delete(camille).status_code == 204

    camille.get("/api/users/export")
    monkeypatch.setattr(Blobs, "put", put_late)
    assert exports.make_exports() == {"made": 0}
    assert (blobs.names(), rows(Export)) == ([], [])
    assert [each.kind for each in rows(Notification)] == ["account_deleted"]


def test_deleted_while_a_webhook_is_applied_its_money_goes_back(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.order(camille.id, PlanName.URGENCE_TOTAL)
    shop.control.pay(order.session_id)
    kind = OBJECT_TYPES["checkout_session"]

    def fetch_late(object_id: str) -> Any:
        facts = kind.fetch(object_id)
        assert delete(camille).status_code == 204
        return facts

    monkeypatch.setitem(OBJECT_TYPES, "checkout_session", replace(kind, fetch=fetch_late))
    sent = shop.control.take_deliveries()
    shop.deliver(each for each in sent if each.type == "checkout.session.completed")
    monkeypatch.undo()
    shop.deliver(sent)
    assert get_payment(order.payment_id).user_id is None
    assert [each.reason for each in rows(Refund)] == [RefundReason.NO_ACCOUNT]
    assert (rows(User), rows(Grant)) == ([], [])
    assert [each.payment_id for each in rows(FormerCustomer)] == [order.payment_id]


def test_a_late_dispute_is_applied_without_reviving_anything(shop: Shop, camille: Person) -> None:
    payment = shop.buy(camille.id)
    delete(camille, {"understood": True})
    shop.control.dispute(find_intent(payment))
    shop.deliver()
    kinds = {each.kind for each in rows(PaymentEvent)}
    assert PaymentEventKind.DISPUTE_OPENED in kinds
    assert (rows(User), rows(Grant)) == ([], [])
    assert {each.kind for each in rows(Notification) if each.user_id} == set()


@pytest.mark.parametrize("case", [("URGENCE_7J", 3.5, [750]), ("URGENCE_24H", 2, [])])
def test_a_withdrawal_after_the_deletion_gives_back_what_was_not_used(
    shop: Shop, client: FlaskClient, camille: Person, case: tuple[str, float, list[int]]
) -> None:
    name, days, refunds = case
    payment = shop.buy(camille.id, PlanName(name))
    hand_over()
    shop.pass_time(days=days)
    prove(camille)
    assert delete(camille, {"understood": True}).status_code == 204
    shop.pass_time(days=2)
    form = {"name": "Camille", "email": "later@example.org"}
    path = f"/l/{write_token(WithdrawOrder(payment))}"
    answer = client.post(path, data=form)
    assert answer.status_code == (200 if refunds else 409)
    assert [each.amount_cents for each in rows(Refund)] == refunds, answer.text


def test_old_links_and_tokens_open_nothing(client: FlaskClient, camille: Person) -> None:
    alert = add_alert(camille.id)
    with session() as s:
        user = s.get_one(User, camille.id)
        user.password_hash = hash_password(PASSWORD)
        contact = s.query(Contact).filter_by(user_id=camille.id).one()
        reset = sign_reset(contact, user)
    sent = contact.id, digest(camille.email)
    links = {
        "verify": write_token(VerifyAddress(*sent)),
        "reset": reset,
        "stop": write_token(StopAlerts((alert,))),
        "portal": write_token(OpenPortal(*sent)),
        "closed-desk": write_token(RefundClosedDesk(*sent, alert)),
    }
    delete(camille)
    left = [each.id for each in rows(Notification)]
    for page, token in links.items():
        assert client.get(f"/l/{token}").status_code < 500, page
        assert client.post(f"/l/{token}", data={"password": PASSWORD}).status_code < 500, page
    body = {"token": reset, "password": "another horse battery staple"}
    assert client.post("/api/auth/reset-password", json=body).status_code == 404
    assert client.post("/api/auth/verify-email", json={"token": links["verify"]}).status_code == 404
    wrong = {"email": camille.email, "password": PASSWORD}
    assert client.post("/api/auth/login", json=wrong).status_code == 401
    assert client.post("/api/auth/forgot-password", json={"email": camille.email}).status_code == 202
    assert camille.get("/api/auth/me").status_code == 401
    for table in (User, Contact, Login, Alert, TelegramLink):
        assert rows(table) == [], table
    assert [each.id for each in rows(Notification)] == left


def while_deleting(person: Person, act: Callable[[], Any]) -> Future[Any]:
    """Begin an act within the transaction of a deletion, which is committed when the act waits for it."""
    with ThreadPoolExecutor(1) as pool:
        with session() as s:
            delete_account(s, person.id, understood=True)
            s.flush()
            begun = pool.submit(act)
            while not begun.done() and not is_one_waiting():
                pass
        begun.exception(10)
        return begun


def name_order(person: Person) -> WithdrawalForm:
    change(Payment, Payment.id == pay(person.id), order_number="7KQ2M9XWPA")
    return WithdrawalForm(name="Camille", email=person.email, order="7KQ2M9XWPA")


def test_a_form_s_declaration_is_stored(camille: Person, blobs: Blobs) -> None:
    wish = name_order(camille)
    assert while_deleting(camille, lambda: receive_form(wish, "fr", bool)).result().id
    (row,) = rows(Declaration)
    assert (row.reference, row.user_id) == ("7KQ2M9XWPA", None)


def test_a_declaration_is_confirmed(camille: Person, blobs: Blobs) -> None:
    wish = name_order(camille)
    change(Payment, order_number="2KQ2M9XWPA")
    row = receive_form(wish, "fr", bool)
    with session() as s:  # it names the order only now
        s.execute(sa.update(Payment).values(order_number="7KQ2M9XWPA"))
    while_deleting(camille, lambda: confirm(row.id)).result()
    assert [each.confirmed_at is not None for each in rows(Declaration)] == [True]


def test_an_export_is_refused(camille: Person, blobs: Blobs) -> None:
    answer = while_deleting(camille, lambda: camille.get("/api/users/export")).result()
    assert (answer.status_code, problem(answer)[1]) == (401, "token-revoked")
    assert rows(Export) == []
