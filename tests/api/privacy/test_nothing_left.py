"""The whole life of an account, then its deletion: nothing names the person; deletion while something else works on the account; what arrives for one that is gone."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from flask.testing import FlaskClient

from api.bot.service import handle_update
from api.jobs import schedule as background
from api.jobs.schedule import list_jobs
from api.models.contact_lookup import hash_address
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, User
from api.payments.exchange import jobs as payments
from api.privacy import export_files as exports
from configs.ground.object_store import Blobs
from configs.world.plan import PlanName
from deploy.sandbox.providers.push import make_subscription
from notifier.jobs import deliver, match
from tests.api.payments.shop import Shop
from tests.api.privacy.traces import find, read_files, read_redis, read_tables
from tests.desk_proofs import prove_desks
from tests.factories import rows, see

if TYPE_CHECKING:
    from tests.running_sandbox import Running
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

import notifier
from api.accounts.passwords import hash_password
from api.auth.mailbox_claims import sign_reset
from api.models.alert import Alert
from api.models.base import session, write_once
from api.models.contact_lookup import TelegramLink
from api.models.declaration import Declaration
from api.models.login import Login
from api.models.notification import Match
from api.models.payment import (
    FormerCustomer,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    Refund,
    RefundReason,
)
from api.models.user import Export, Grant
from api.payments.declarations.forms import store_declaration
from api.payments.declarations.schemas import WithdrawalForm
from api.payments.declarations.service import confirm
from api.payments.exchange.objects import OBJECT_TYPES
from api.privacy.deletion import delete_account
from configs.ground import signing
from configs.ground.addresses import digest
from configs.ground.clock import clock
from notifier.channels.batch_sender import providers
from notifier.jobs import match as match_detection
from notifier.matching import match_service, notification_writer
from tests.api.payments.declarations.orders import hand_over
from tests.api.payments.invoices.documents import pay
from tests.api.payments.shop import find_intent, get_payment
from tests.api.privacy.traces import delete, is_one_waiting, prove
from tests.clients import People, Person, problem
from tests.factories import PASSWORD, add_alert, change

if TYPE_CHECKING:
    from tests.running_sandbox import Running


EMAIL, NEW_EMAIL = "camille.lefevre@example.org", "lefevre.camille@example.net"
PHONE, CHAT, CHAT_NAME = "+33698765432", "778899001", "Camille L. sur Telegram"
NAME = "Camille Lefèvre-Okafor"  # on invoices
BROWSER, DEVICE = "browser-of-camille", "Firefox rue des Lilas"
OWN_PASSWORD, ALERT, PLACE = "correct horse battery staple", "Dossier de la mère", "Guichet de Bobigny"


class Life:
    """What a user does, by the API; messages are delivered by the notifier's own jobs."""

    def __init__(self, client: FlaskClient, sandbox: "Running", shop: Shop) -> None:
        self.client, self.sandbox, self.shop = client, sandbox, shop
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = self.client.open(path, method=method, json=body, headers=self.headers)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json

    def deliver_all(self) -> None:
        waiting = [str(each.id) for each in rows(Notification) if each.state is State.PENDING]
        deliver(*waiting)

    def token_of(self, word: str) -> str:
        """Return the token of the newest mail whose link has this word."""
        self.deliver_all()
        texts = [str(each.text) for each in self.sandbox.messages() if f"/l/{word}." in str(each.text)]
        return word + "." + texts[-1].split(f"/l/{word}.")[1].split()[0]

    def sign_up(self) -> None:
        body = {"email": EMAIL, "password": OWN_PASSWORD, "phone": "06 98 76 54 32"}
        self.ask("POST", "/api/auth/register", body, 202)
        self.ask("POST", "/api/auth/verify-email", {"token": self.token_of("verify")})
        wrong = {"email": EMAIL, "password": "not the password"}
        self.ask("POST", "/api/auth/login", wrong, 401)
        self.ask("POST", "/api/auth/forgot-password", {"email": EMAIL}, 202)
        given = self.ask("POST", "/api/auth/login", {"email": EMAIL, "password": OWN_PASSWORD})
        self.headers = {"Authorization": f"Bearer {given['token']}", "User-Agent": "Navigateur de Camille"}

    def link_channels(self) -> None:
        self.ask("PATCH", "/api/users/profile", {"phone": "06 98 76 54 32"})
        self.deliver_all()
        code = next(
            part for each in self.sandbox.messages() if each.to == PHONE for part in str(each.text).split()
            if part.strip(".,:").isdigit() and len(part.strip(".,:")) == 6
        ).strip(".,:")  # fmt: skip
        self.ask("POST", "/api/users/phone/verify", {"code": code})
        url = self.ask("POST", "/api/users/telegram-link")["url"]
        start = parse_qs(urlsplit(url).query)["start"][0]
        handle_update(_write_start(start))
        self.ask("POST", "/api/users/telegram-link/confirm")
        self.ask("POST", "/api/users/push-devices", make_subscription(BROWSER) | {"name": DEVICE}, 201)
        self.ask("PATCH", "/api/users/profile", {"email": NEW_EMAIL})

    def wait_for_slot(self) -> None:
        wish = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"], "name": ALERT}
        prove_desks()
        alert = self.ask("POST", "/api/alerts", wish, 201)
        detection, _ = see("2099-01-05T09:00:00+01:00")
        match(str(detection))
        self.deliver_all()
        found = {"place": PLACE, "at": "2026-12-01T09:00:00+01:00"}
        self.ask("POST", f"/api/alerts/{alert['id']}/found", found, 200)

    def write_to_support(self) -> None:
        self.ask("POST", "/api/support", {"message": f"Ici {CHAT_NAME}, {PHONE}"}, 201)
        anonymous = {"email": EMAIL, "message": f"Encore moi, {PHONE}"}
        assert self.client.post("/api/support", json=anonymous).status_code == 201


def _write_start(code: str) -> bytes:
    chat = {"id": int(CHAT), "type": "private", "first_name": CHAT_NAME}
    message = {
        "message_id": 1,
        "date": 1,
        "chat": chat,
        "from": chat | {"is_bot": False},
        "text": f"/start {code}",
    }
    return json.dumps({"update_id": 1, "message": message}).encode()


@pytest.fixture
def life(sandbox: "Running", client: FlaskClient, shop: Shop) -> Life:
    return Life(client, sandbox, shop)


def test_after_a_whole_life_nothing_names_the_person(
    life: Life,
    blobs: Blobs,
    redis_server: redis.Redis,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings_env = request.getfixturevalue("settings_env")
    caplog: pytest.LogCaptureFixture = request.getfixturevalue("caplog")
    capfd: pytest.CaptureFixture[str] = request.getfixturevalue("capfd")
    caplog.set_level(logging.INFO)
    settings_env(
        TELEGRAM_BOT_NAME="rdvpriority_bot",
        SUPPORT_EMAIL="support@example.org",
        INVOICES_URL=tmp_path / "invoices",
    )
    life.sign_up()
    (user,) = rows(User)
    life.shop.buy(user.id, PlanName.URGENCE_TOTAL, client_name=NAME)
    life.link_channels()
    life.wait_for_slot()
    life.write_to_support()
    life.ask("GET", "/api/users/export", status=202)
    exports.make_exports()
    life.deliver_all()
    needles = find_needles(user)
    before = "\n".join(text for _, text in read_tables())
    assert all(each in before for each in (EMAIL, NAME, str(user.id), ALERT, PLACE)), (
        "it looks in the right place"
    )

    life.ask("DELETE", "/api/users/me", status=409)
    life.ask("DELETE", "/api/users/me", {"understood": True}, 204)
    payments.work_off()
    life.shop.deliver()
    life.deliver_all()
    exports.drop_exports()
    for job in list_jobs():
        getattr(background, job.name)()

    # The keyed hash of the number that a code went to, for the day in which limits count it.
    assert {table for table, _ in find(needles, read_tables())} == {"phone_codes"}
    left = {name for name, _ in find(needles, read_redis(redis_server))}
    # A rate token names a contact by its id, for two minutes at most.
    assert all(name.startswith("notifier:rate:") and 0 < redis_server.ttl(name) <= 120 for name in left), left
    assert find(needles, read_files(tmp_path)) == []
    output = capfd.readouterr()
    logs = f"{caplog.text}\n{output.out}\n{output.err}"
    # Logs name accounts by id: an id that belongs to no account any more. They are bounded by size.
    assert find(needles - {str(user.id)}, [("log", logs)]) == []
    assert "an account was deleted" in logs

    life.shop.pass_time(days=1)
    background.apply_retention()
    assert find(needles, read_tables()) == []


def find_needles(user: User) -> set[str]:
    """Return what names the person: addresses, names, ids, and the keyed hashes of the number and the chat."""
    contacts = {str(each.id) for each in rows(Contact)}
    stored = {hash_address(Channel.SMS, PHONE)[0].hex(), hash_address(Channel.TELEGRAM, CHAT)[0].hex()}
    words = {NAME, EMAIL, NEW_EMAIL, PHONE, "698765432", CHAT, CHAT_NAME, ALERT, PLACE, BROWSER, DEVICE}
    return {each.lower() for each in words | stored | contacts | {str(user.id)}}


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
        return notification_writer.write_matches(*given, **named)

    monkeypatch.setattr(match_service, "write_matches", write_late)
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
    path = f"/l/{signing.write_token(signing.WithdrawOrder(payment))}"
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
        "verify": signing.write_token(signing.VerifyAddress(*sent)),
        "reset": reset,
        "stop": signing.write_token(signing.StopAlerts((alert,))),
        "portal": signing.write_token(signing.OpenPortal(*sent)),
        "closed-desk": signing.write_token(signing.RefundClosedDesk(*sent, alert)),
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
    assert while_deleting(camille, lambda: write_once(store_declaration, wish, "fr", bool)).result().id
    (row,) = rows(Declaration)
    assert (row.reference, row.user_id) == ("7KQ2M9XWPA", None)


def test_a_declaration_is_confirmed(camille: Person, blobs: Blobs) -> None:
    wish = name_order(camille)
    change(Payment, order_number="2KQ2M9XWPA")
    row = write_once(store_declaration, wish, "fr", bool)
    with session() as s:  # it names the order only now
        s.execute(sa.update(Payment).values(order_number="7KQ2M9XWPA"))
    while_deleting(camille, lambda: confirm(row.id)).result()
    assert [each.confirmed_at is not None for each in rows(Declaration)] == [True]


def test_an_export_is_refused(camille: Person, blobs: Blobs) -> None:
    answer = while_deleting(camille, lambda: camille.get("/api/users/export")).result()
    assert (answer.status_code, problem(answer)[1]) == (401, "token-revoked")
    assert rows(Export) == []
