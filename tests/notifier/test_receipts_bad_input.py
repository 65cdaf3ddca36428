"""Receipts that no provider should send: odd letters, odd times, old ones again, many at once."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import pytest

import notifier
from api.models.notification import Notification, State
from api.models.provider_event import ReceiptKind
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.retention import RECEIPTS_KEPT_FOR
from deploy.sandbox.receipts.signatures import make_public_key, sign_events, sign_form
from notifier.content.outgoing_message import SMS_WEBHOOK, callback_of
from notifier.jobs import apply_receipts, deliver
from notifier.receipts.readers import Receipt
from notifier.receipts.receiving import READERS
from tests.notifier.receipts_world import SECRET, event_of, send_events
from tests.notifier.test_receipts import contact_of, losses, sent, state_of, stored, unknown
from tests.notifier.world import (
    ADDRESSES,
    alert,
    at_once,
    change,
    detection,
    get,
    matched,
    person,
)

pytestmark = pytest.mark.usefixtures("whole")
HALF = "\ud800"  # of a character: JSON can spell it, no table takes it


@pytest.fixture(autouse=True)
def _keys(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="http://127.0.0.1:4000")


def call(*events: dict[str, Any]) -> None:
    """Call the webhook, signed, with events that JSON spells as it can."""
    body = json.dumps(events).encode()
    notifier.receive("sendgrid", sign_events(SECRET, body, 1), body)


@pytest.mark.parametrize("signature", ["é", "===", "AAAA", ""])
def test_a_signature_of_odd_letters_is_none(signature: str) -> None:
    headers = {"X-Twilio-Email-Event-Webhook-Signature": signature}
    assert not notifier.is_genuine("sendgrid", headers | {"X-Twilio-Email-Event-Webhook-Timestamp": "é"}, b"")
    assert not notifier.is_genuine("twilio", {"X-Twilio-Signature": signature}, b"A=1")
    assert not notifier.is_genuine("telegram", {"X-Telegram-Bot-Api-Secret-Token": signature}, b"{}")


def test_a_key_that_was_copied_in_part_refuses_no_call_of_the_other(
    settings_env: Callable[..., None],
) -> None:
    whole = make_public_key(SECRET)
    settings_env(SENDGRID_WEBHOOK_KEY=f"{whole[:40]},{whole[:41]},{whole}")
    assert notifier.is_genuine("sendgrid", sign_events(SECRET, b"[]", 1), b"[]")
    assert not notifier.is_genuine("sendgrid", sign_events("a stranger's", b"[]", 1), b"[]")


@pytest.mark.parametrize(
    "name", ["sg_event_id", "sg_message_id", "email", "status", "notification_id", "reason"]
)
def test_half_a_character_in_one_event_loses_none_beside_it(name: str) -> None:
    key = sent()
    call(event_of(key, "bounce", type="blocked") | {name: f"1{HALF}\0"}, event_of(key))
    apply_receipts()
    assert len(stored()) == 2
    assert get(Notification, key).delivered_at


@pytest.mark.parametrize("at", [253402300799, 1, -62135596800])
@pytest.mark.parametrize("write", [sent, unknown])
def test_a_provider_whose_clock_is_wrong_writes_no_time_that_cannot_be(
    write: Callable[[], UUID], at: int
) -> None:
    key = write()
    call(event_of(key, message_id=get(Notification, key).provider_id or "first", timestamp=at))
    apply_receipts()
    row = get(Notification, key)
    assert row.state is State.DELIVERED
    assert row.created_at <= row.accepted_at <= row.delivered_at <= clock()


def test_a_mail_that_was_dropped_for_a_spam_report_did_not_arrive() -> None:
    key = sent()
    send_events(event_of(key, "dropped", reason="Spam Reporting Address"))
    apply_receipts()
    assert (state_of(key), contact_of(key).state) == (State.BOUNCED, ContactState.UNSUBSCRIBED)


def test_a_late_bounce_of_a_mail_from_before_the_owner_confirmed_the_address_loses_nothing() -> None:
    key = sent()
    change(Contact, contact_of(key).id, verified_at=clock())
    send_events(event_of(key, "bounce", type="bounce"))
    apply_receipts()
    assert (state_of(key), contact_of(key).state) == (State.BOUNCED, ContactState.OK)
    send_events(event_of(key, "spamreport"))
    apply_receipts()
    assert contact_of(key).state is ContactState.UNSUBSCRIBED, "a wish counts whatever it is about"


def test_a_call_that_is_replayed_when_its_row_is_dropped_loses_no_contact() -> None:
    key = sent()
    before = clock() - RECEIPTS_KEPT_FOR() - timedelta(hours=1)
    change(Notification, key, created_at=before)
    change(Contact, contact_of(key).id, verified_at=before)
    send_events(event_of(key, "bounce", type="bounce"))
    apply_receipts()
    assert contact_of(key).state is ContactState.OK


def test_a_bounce_of_a_domain_in_its_other_spelling_is_the_contact_s() -> None:
    key = sent()
    change(Contact, contact_of(key).id, address="camille@préfecture.example")
    send_events(event_of(key, "bounce", type="bounce", email="camille@xn--prfecture-c4a.example"))
    apply_receipts()
    assert contact_of(key).state is ContactState.BOUNCED


def test_many_bounces_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.receipts.applied_receipts.AT_ONCE", 10)
    key = sent(Channel.EMAIL, Channel.TELEGRAM)
    send_events(*(event_of(key, "bounce", type="bounce") for _ in range(12)))
    apply_receipts()
    assert sum(each.applied_at is None for each in stored()) == 2, "of more than a batch, alerts go first"
    apply_receipts()
    assert len(losses()) == 1
    assert all(each.applied_at for each in stored())


def test_the_same_events_at_once_in_two_orders_are_stored_once() -> None:
    key = sent()
    events = [event_of(key) for _ in range(20)]
    at_once(*(partial(send_events, *some) for some in (events, events[::-1]) * 2))
    assert len(stored()) == len(events)


_STOPS = """stop\r
«\xa0STOP\xa0»|Stop SMS|ARRÊT|arre\u0302t !|STOP ALL|S.T.O.P.|\u200eSTOP\u200e|STOP36180|opt out|Arrêtez !
STOP merci|Stop. Merci|STOP svp|Stop RDVPriority|STOP au 36180|STOP\u202f!|Arrêt des SMS svp
Désabonner|désinscription|Désabonnez-moi|DESABONNEMENT|Je me désabonne|merci de me désinscrire|please unsubscribe
Bonjour, STOP|Please stop|svp stop|Merci d'arrêter|Veuillez stopper|Arrêtez les SMS|Arrêtez de m'envoyer des messages"""

_GOES_ON = """arrêtez de plaisanter|unstop|START|ne stoppez pas|non, pas stop|Je ne veux pas de STOP|ne me désabonnez pas
merci, ne stoppez pas|arrêtez-vous au guichet|n'arrêtez pas les SMS|Bonjour|merci"""


def test_stop_is_understood_as_people_write_it_and_other_answers_stop_nothing() -> None:
    for words in (*re.split(r"[|\n]", _STOPS), "STOP\n\nEnvoyé de mon iPhone"):
        (said,) = read_answer(words)
        assert (said.kind, said.address) == (ReceiptKind.STOPPED, ADDRESSES[Channel.SMS]), words
    assert [words for words in re.split(r"[|\n]", _GOES_ON) if read_answer(words)] == []


def read_answer(words: str) -> Sequence[Receipt]:
    form = {"MessageSid": "SM1", "From": ADDRESSES[Channel.SMS], "Body": words}
    return READERS["twilio"].read_receipts(urlencode(form).encode(), "", clock())


def test_twilio_is_asked_to_repeat_what_we_could_not_take_and_may_sign_that_wish_or_not() -> None:
    address = callback_of(SMS_WEBHOOK, [uuid4()])
    assert address.endswith("#rc=5&rp=all")
    form = {"AccountSid": settings().require("twilio_account_sid"), "MessageSid": "SM1"}
    token, body = settings().require("twilio_auth_token"), urlencode(form).encode()
    for signed, is_genuine in (
        (address, True),
        (address.partition("#")[0], True),
        (f"{address}&tt=1", False),
    ):
        headers = sign_form(token, signed, form)
        assert notifier.is_genuine("twilio", headers, body, urlsplit(address).query) is is_genuine


def test_while_more_of_the_usual_kind_wait_only_failures_are_read_row_by_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("notifier.receipts.applied_receipts.MOST_DELIVERED", 1)
    for _ in range(3):
        alert(person())
    first, second, third = keys = matched(detection())
    deliver(*map(str, keys))
    send_events(event_of(first), event_of(second), event_of(third, event="bounce", type="bounce"))
    apply_receipts()
    assert state_of(third) is State.BOUNCED
    assert {state_of(first), state_of(second)} == {State.DELIVERED, State.SENT}
    apply_receipts()
    apply_receipts()
    assert {state_of(first), state_of(second)} == {State.DELIVERED}
