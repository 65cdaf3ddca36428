"""Calls of Twilio to our webhooks: their form and their signature.

https://www.twilio.com/docs/usage/security#validating-requests
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl
from uuid import UUID

from configs.settings import SettingMissing, settings
from notifier.receipt_base import MOST_IDS, parse_ids

MESSAGES, CALLS = "/api/hooks/twilio", "/api/hooks/twilio/calls"  # our webhooks
_IDS = "notifications"
_SIGNATURE = "x-twilio-signature"
# Twilio gives up a call that we answer with an error, unless its address asks for retries; five, in 15 s:
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=5&rp=all"


def webhook_address(path: str, query: str = "") -> str:
    """Return the public address of a webhook, which Twilio signs."""
    address = f"{settings().api_url}{path}"
    return f"{address}?{query}" if query else address


def callback_of(path: str, ids: Sequence[UUID]) -> str:
    """Return where Twilio reports on the message of these notifications."""
    return webhook_address(path, f"{_IDS}={'.'.join(str(each) for each in ids[:MOST_IDS])}") + RETRIES


def read_ids(query: str) -> tuple[UUID, ...]:
    """Return the notifications that an address names."""
    return parse_ids(dict(parse_qsl(query)).get(_IDS, ""))


def read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a call.

    Raises:
        ValueError: there are too many of them.
    """
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200))


def is_signed(headers: Mapping[str, str], body: bytes, address: str) -> bool:
    """Return whether our token signed the address and the form, and the account is ours. Header names are lower."""
    try:
        token, form = settings().require("twilio_auth_token"), read_form(body)
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
