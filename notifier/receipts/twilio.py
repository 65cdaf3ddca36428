"""Twilio's calls of our webhooks: their signature, the states of messages and calls, and answers such as STOP.

https://www.twilio.com/docs/usage/security#validating-requests
https://www.twilio.com/docs/voice/answering-machine-detection
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qsl

from api.models.provider_event import ReceiptKind
from configs.settings import SettingMissing, settings
from notifier.content.message_links import CALL_WEBHOOK, IDS, RETRIES, SMS_WEBHOOK, webhook_address
from notifier.receipts import LONGEST_CODE, LONGEST_ID, Receipt, ReceiptReader, parse_ids

_SIGNATURE = "x-twilio-signature"

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

MACHINE = "machine"  # the code of a call that an answering machine took
_MACHINES = ("machine", "fax")  # how the words of Twilio for them begin; a person is `human` or `unknown`
_MISSED = frozenset({"busy", "no-answer", "failed", "canceled"})


class _TwilioReader(ReceiptReader):
    """A call carries a form about one message."""

    PATH: ClassVar[str]  # of the webhook
    SIDS: ClassVar[Sequence[str]]  # fields with Twilio's id of the message

    def is_genuine(self, headers: Mapping[str, str], body: bytes, query: str) -> bool:
        """Return whether our token signed API_URL's address and the form, and the account is ours."""
        return _is_signed(headers, body, webhook_address(self.PATH, query))

    def read_receipts(self, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:
        """Return the receipt, if the form is one; as Twilio names no time, its arrival counts."""
        form = {name: value.replace("\0", "") for name, value in _read_form(body).items()}
        sid = next((form[each] for each in self.SIDS if form.get(each)), "")
        if not 1 <= len(sid) <= LONGEST_ID // 2:
            raise ValueError(f"no {self.SIDS[0]}")
        kind, code = self.read_form(form)
        if kind is None:
            return []
        if kind is ReceiptKind.STOPPED and code is None:  # the person wrote it
            return [Receipt(f"{sid}:stop", kind, now, form.get("From", ""))]
        ids = parse_ids(dict(parse_qsl(query)).get(IDS, ""))
        return [Receipt(f"{sid}:{kind.value}", kind, now, form.get("To", ""), sid, ids, code)]

    @abstractmethod
    def read_form(self, form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
        """Return what a form says, and its code."""


class TwilioReceipts(_TwilioReader):
    """An SMS's new state, or an SMS that a person sent us."""

    PATH, SIDS = SMS_WEBHOOK, ("MessageSid", "SmsSid")

    def read_form(self, form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
        """Return the state with its error code; or that a person answered STOP, without one."""
        state, code = form.get("MessageStatus"), form.get("ErrorCode", "")
        if state is None:  # Twilio names an answer where the account manages opt-outs
            stops = form.get("OptOutType") == "STOP" or _asks_to_stop(form.get("Body", ""))
            return ReceiptKind.STOPPED if stops else None, None
        shown = code[:LONGEST_CODE] if code.isdecimal() else None
        if state in _NOT_DELIVERED:
            return _KINDS.get(code, ReceiptKind.REFUSED), shown
        return (ReceiptKind.DELIVERED, shown) if state in _DELIVERED else (None, None)


class TwilioCallReceipts(_TwilioReader):
    """How a call ended: whether a person answered, or a machine, or no one."""

    PATH, SIDS = CALL_WEBHOOK, ("CallSid",)

    def read_form(self, form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
        """Return the end, with the code of a call that no person answered."""
        status = form.get("CallStatus", "")
        if status in _MISSED:
            return ReceiptKind.REFUSED, status
        if status != "completed":
            return None, None
        is_machine = form.get("AnsweredBy", "").startswith(_MACHINES)
        return (ReceiptKind.REFUSED, MACHINE) if is_machine else (ReceiptKind.DELIVERED, None)


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


def _read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a call.

    Raises:
        ValueError: there are too many of them.
    """
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200))


def _is_signed(headers: Mapping[str, str], body: bytes, address: str) -> bool:
    """Return whether our token signed the address and the form, and the account is ours. Header names are lower."""
    try:
        token, form = settings().require("twilio_auth_token"), _read_form(body)
    except (SettingMissing, ValueError):
        return False
    given = headers.get(_SIGNATURE, "").encode()
    # Its documentation does not say whether what is behind the # is signed, too.
    is_ours = any(
        hmac.compare_digest(_sign(token, each, form), given) for each in (address, address + RETRIES)
    )
    return is_ours and form.get("AccountSid", "") == settings().twilio_account_sid


def _sign(token: str, address: str, form: Mapping[str, str]) -> bytes:
    signed = address + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest())
