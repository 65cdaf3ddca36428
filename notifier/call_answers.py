"""Answers to Twilio while a call is under way: its words, and the effect of a key.

Twilio asks once the call is answered, so that the words are true at that moment. While the database is away a call says
in general words that there is something to read.
"""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from api.models.base import session
from api.models.notification import Notification
from configs.clock import clock
from configs.database_errors import passes
from notifier import receipt_store
from notifier.call_addresses import CallRequest, CallStep, call_address, read_call
from notifier.call_wishes import is_answered
from notifier.content.messages import choose_language, render
from notifier.content.text_files import read_words
from notifier.content.twiml import write_farewell, write_menu
from notifier.message_kind_base import Skip, TemplateContext
from notifier.message_kinds import SLOT_CALL
from notifier.message_kinds.calls import GONE, STOPPED, read_open
from notifier.receipts import receipt_readers
from notifier.receipts.twilio_calls import REPEAT_KEY, STOP_KEY, is_machine
from notifier.twilio_webhooks import RETRIES, read_form

PROVIDER = "twilio_calls"

log = structlog.get_logger(__name__)


def answer_call(body: bytes, query: str) -> str:
    """Store what a genuine request of Twilio's reports; return what it is to say, nothing once the call is over.

    A key and an end that cannot be stored raise the database's error: Twilio asks again.
    """
    call, now = read_call(query), clock()
    if call.step is CallStep.ANSWERED:
        return _begin(call, body, query, now)
    _store(body, query, now)
    return _answer_key(call, body, now) if call.step is CallStep.KEY else ""


def _begin(call: CallRequest, body: bytes, query: str, now: datetime) -> str:
    language = choose_language(SLOT_CALL, call.language)
    if is_machine(read_form(body)):
        _store(body, query, now)
        return write_farewell(language)
    try:
        _store(body, query, now)
        return _say_slots(call, language, now)
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("database away, a call says little", because=type(error.orig).__name__)
        return write_farewell(language, read_words(SLOT_CALL, language)["in_general"])


def _answer_key(call: CallRequest, body: bytes, now: datetime) -> str:
    language, key = choose_language(SLOT_CALL, call.language), read_form(body).get("Digits", "")
    words = read_words(SLOT_CALL, language)
    if key == STOP_KEY:
        return write_farewell(language, words["noted"])
    if key == REPEAT_KEY:
        return _say_slots(call, language, now)
    return _offer_keys(call, language, [words["unknown_key"]])


def _say_slots(call: CallRequest, language: str, now: datetime) -> str:
    found = _read_open(call.notification_id, language, now)
    if isinstance(found, Skip):
        word = "gone" if found is GONE else "nothing"
        return write_farewell(language, read_words(SLOT_CALL, language)[word])
    return _offer_keys(call, language, [render(SLOT_CALL, "voice", language, found).text])


def _offer_keys(call: CallRequest, language: str, texts: list[str]) -> str:
    words = read_words(SLOT_CALL, language)
    action = call_address(CallStep.KEY, call.token) + RETRIES
    return write_menu(language, [*texts, words["keys"]], words["farewell"], action)


def _read_open(notification_id: UUID, language: str, now: datetime) -> TemplateContext | Skip:
    """Return what is open still, or why there is nothing to say: only slots that are gone are called gone."""
    with session() as opened:
        row = opened.get(Notification, notification_id)
        if row is None or is_answered(opened, notification_id):
            return STOPPED
        return read_open(opened, notification_id, row.seen_at, language, now)


def _store(body: bytes, query: str, now: datetime) -> None:
    try:
        receipts = receipt_readers()[PROVIDER].read_receipts(body, query, now)
    except ValueError as error:
        log.warning("receipts not readable", provider=PROVIDER, because=str(error)[:80])
        return
    with session() as opened:
        receipt_store.store(opened, PROVIDER, receipts)
