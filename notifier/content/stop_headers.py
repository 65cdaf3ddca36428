"""Headers by which the reader of a mail stops such mails in one click.

https://www.rfc-editor.org/rfc/rfc8058
"""

from configs.unsubscribe_links import STOPPABLE, write_group_token
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of


def write_stop_headers(row: ClaimedRow, address: str, context: TemplateContext) -> dict[str, str]:
    """Return the headers for a notification's mail; none where its reader cannot stop such mails."""
    token = context.stop_token or _write_group_token(row, address)
    if not token:
        return {}
    return {
        "List-Unsubscribe": f"<{link('unsubscribe', token)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _write_group_token(row: ClaimedRow, address: str) -> str:
    group = kind_of(row.kind).group
    if group not in STOPPABLE or row.contact_id is None:
        return ""
    return write_group_token(group, row.contact_id, address)
