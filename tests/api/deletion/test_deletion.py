"""DELETE /api/users/me: what it asks for, what it deletes, what stays without a name."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from api.background import jobs
from api.deletion import access
from api.deletion.service import delete_account
from api.models.alert import Alert
from api.models.base import session
from api.models.login import Login
from api.models.notification import FORGOTTEN, Notification, State
from api.models.payment import FormerCustomer, Payment, Refund, RefundReason
from api.models.support import SupportRequest
from api.models.user import Contact, Role, User
from api.payments import jobs as payments
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.jobs import deliver
from tests.api.deletion.leaving import URL, delete, is_one_waiting, prove
from tests.api.payments.shop import Shop, get_payment
from tests.api.world import Door
from tests.clients import People, Person, problem, seat_operator
from tests.factories import add_alert, add_match, add_payment, change, rows, save, see
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


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
