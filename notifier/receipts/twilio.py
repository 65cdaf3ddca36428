"""Twilio's webhooks: their signature, the states of messages, and answers such as STOP.

https://www.twilio.com/docs/usage/security#validating-requests
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

from api.models.provider_event import ReceiptKind
from notifier.receipt_base import LONGEST_CODE, LONGEST_ID, Receipt, ReceiptReader
from notifier.twilio_webhooks import MESSAGES, is_signed, read_form, read_ids, webhook_address

_DELIVERED, _NOT_DELIVERED = frozenset({"delivered", "read"}), frozenset({"undelivered", "failed"})
# Error codes that are about the number; every other one is about the message: https://www.twilio.com/docs/api/errors
_KINDS = {
    "21610": ReceiptKind.STOPPED,
    **dict.fromkeys(
        ("21211", "21214", "21217", "21421", "21612", "21614", "30005", "30006"), ReceiptKind.BOUNCED
    ),
}
# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out, and the French words; without accents
_STOP_WORDS = frozenset(
    {"stop", "stopall", "stopsms", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "arret"}
)
_ALONE = frozenset({"arreter", "arretez", "stopper", "stoppez"})  # "arrêtez de plaisanter" asks for nothing
_STOPPED_THINGS = frozenset({"sms", "message", "messages", "envoyer", "envoi", "envois", "alerte", "alertes"})
_COURTESY = frozenset(
    "bonjour bonsoir salut hello hi merci thanks svp stp please pls veuillez de d".split()  # noqa: SIM905 -- a list of words
)
_UNSUBSCRIBE = ("desabo", "desinscri", "unsubscri")  # beginnings of words, wherever they stand
_NEGATIONS = frozenset({"ne", "n", "pas", "non", "jamais", "not", "don", "dont", "never"})
_WORD = re.compile(r"[^\W\d_]+")


class TwilioReceipts(ReceiptReader):
    """A call carries one message's new state, or one message that a person sent us."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes, query: str) -> bool:
        """Return whether our token signed API_URL's address and the form, and the account is ours."""
        return is_signed(headers, body, webhook_address(MESSAGES, query))

    def read_receipts(self, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:
        """Return the receipt, if the call is one; as Twilio names no time, its arrival counts."""
        form = {name: value.replace("\0", "") for name, value in read_form(body).items()}
        sid = form.get("MessageSid") or form.get("SmsSid") or ""
        if not 1 <= len(sid) <= LONGEST_ID // 2:
            raise ValueError("no MessageSid")
        if "MessageStatus" not in form:
            return _read_answer(form, sid, now)
        kind = _kind_of(form)
        if kind is None:
            return []
        code = form.get("ErrorCode", "")
        code_shown = code[:LONGEST_CODE] if code.isdecimal() else None
        return [
            Receipt(f"{sid}:{kind.value}", kind, now, form.get("To", ""), sid, read_ids(query), code_shown)
        ]


def _read_answer(form: Mapping[str, str], sid: str, now: datetime) -> list[Receipt]:
    """Return that a person answered STOP; Twilio names it where the account manages opt-outs."""
    stops = form.get("OptOutType") == "STOP" or _asks_to_stop(form.get("Body", ""))
    return [Receipt(f"{sid}:stop", ReceiptKind.STOPPED, now, form.get("From", ""))] if stops else []


def _asks_to_stop(text: str) -> bool:
    """Return whether an SMS asks to stop: people write « Stop. Merci », S.T.O.P. and « Désabonnez-moi »."""
    apart = unicodedata.normalize("NFKD", text)
    words = _WORD.findall("".join(each for each in apart if not unicodedata.combining(each)).casefold())
    if not words:
        return False
    said = [each for each in words if each not in _COURTESY]
    if {*said[:1], "".join(words)} & _STOP_WORDS or "".join(said) in _ALONE:
        return True
    if said and said[0] in _ALONE and _STOPPED_THINGS.intersection(said):
        return True
    return not _NEGATIONS.intersection(words) and any(each.startswith(_UNSUBSCRIBE) for each in words)


def _kind_of(form: Mapping[str, str]) -> ReceiptKind | None:
    if form["MessageStatus"] in _DELIVERED:
        return ReceiptKind.DELIVERED
    if form["MessageStatus"] in _NOT_DELIVERED:
        return _KINDS.get(form.get("ErrorCode", ""), ReceiptKind.REFUSED)
    return None
