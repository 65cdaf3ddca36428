"""Addresses of our own pages and webhooks, as messages carry them; the links and headers that stop mails.

One click: https://www.rfc-editor.org/rfc/rfc8058
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from api.models.user import Channel
from configs.ground.contact_addresses import digest
from configs.ground.message_groups import STOPPABLE, MessageGroup
from configs.ground.signed_links import StopGroup, write_token
from configs.settings import settings
from notifier.content.message_kind_base import ClaimedRow, TemplateContext

_TAG = "%stop_group%"

# Webhooks that Twilio reports to, and what their query calls the notifications of a message.
SMS_WEBHOOK, CALL_WEBHOOK = "/api/hooks/twilio", "/api/hooks/twilio/calls"
IDS = "notifications"
MOST_IDS = 20  # of a message that every receipt of it names; the others are found by the provider's id of it
# Twilio gives up a call that we answer with an error, unless its address asks for retries; five, in 15 s:
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=5&rp=all"


def sms_stop_page() -> str | None:
    """Return the page, in few characters, that an SMS names for stopping alerts; None where STOP can be answered.

    A name cannot receive an answer, and a messaging service may send from one.
    """
    sender = settings().twilio_phone_number or ""
    if sender.removeprefix("+").isdecimal():
        return None
    return f"{str(settings().frontend_url).rstrip('/').partition('://')[2]}/alertes"


def account_page(path: str) -> str:
    """Return a page of its reader's account: `dashboard`, `canaux`, `donnees`, `messages`."""
    return f"{str(settings().frontend_url).rstrip('/')}/{path}"


def link(page: str, token: str = "") -> str:
    """Return `{API_URL}/l/<page>/<token>`; without a token the page that needs none."""
    return f"{str(settings().api_url).rstrip('/')}/l/{page}/{token}".rstrip("/")


def add_stop_link(
    row: ClaimedRow, group: MessageGroup | None, address: str, context: TemplateContext
) -> TemplateContext:
    """Return the context with the link that stops the group of a mail; unchanged where its reader cannot stop one."""
    if row.channel is not Channel.EMAIL or group not in STOPPABLE or row.contact_id is None:
        return context
    token = write_token(StopGroup(row.contact_id, digest(address), group))
    return replace(
        context,
        values={**context.values, "stop_url": _TAG},
        substitutions={**context.substitutions, _TAG: link("unsubscribe", token)},
        stop_token=token,
    )


def write_stop_headers(context: TemplateContext) -> dict[str, str]:
    """Return the headers of a mail; none where its reader cannot stop such mails."""
    if not context.stop_token:
        return {}
    return {
        "List-Unsubscribe": f"<{link('unsubscribe', context.stop_token)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def webhook_address(path: str, query: str = "") -> str:
    """Return the public address of a webhook, which Twilio signs."""
    address = f"{settings().api_url}{path}"
    return f"{address}?{query}" if query else address


def callback_of(path: str, ids: Sequence[UUID]) -> str:
    """Return where Twilio reports on the message of these notifications."""
    return webhook_address(path, f"{IDS}={'.'.join(str(each) for each in ids[:MOST_IDS])}") + RETRIES
