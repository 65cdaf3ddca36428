"""Addresses of our own pages, as messages carry them; the links and headers that stop mails.

One click: https://www.rfc-editor.org/rfc/rfc8058
"""

from dataclasses import replace

from api.models.user import Channel
from configs.ground.contact_addresses import digest
from configs.ground.message_groups import STOPPABLE, MessageGroup
from configs.ground.signed_links import StopGroup, write_token
from configs.settings import settings
from notifier.message_kind_base import ClaimedRow, TemplateContext

_TAG = "%stop_group%"


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
