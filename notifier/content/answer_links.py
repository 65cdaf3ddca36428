"""Links in the mail of a slot alert by which its reader answers it: one address for each answer, of one token."""

from collections.abc import Sequence
from uuid import UUID

from api.models.answer import AnswerValue
from configs.signed_links import AnswerAlert, write_token
from notifier.content.message_links import link

# Placeholder of each answer's address in a text that many readers share.
ANSWER_TAGS = {value.value: f"%answer_{value.value}%" for value in AnswerValue}
UNSIGNED = dict.fromkeys(ANSWER_TAGS.values(), "")


def write_answer_links(notification_ids: Sequence[UUID]) -> dict[str, str]:
    """Return the addresses by tag, for notifications that leave as one message; the token names the first one."""
    page = _write_page(notification_ids)
    return {tag: f"{page}?value={value}" for value, tag in ANSWER_TAGS.items()}


def write_date_link(notification_ids: Sequence[UUID]) -> str:
    """Return the address at which a reader who found an appointment says when it is."""
    return f"{_write_page(notification_ids)}?value={AnswerValue.FOUND.value}"


def _write_page(notification_ids: Sequence[UUID]) -> str:
    return link("answer", write_token(AnswerAlert(notification_ids[0])))
