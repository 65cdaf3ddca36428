"""Buttons in a chat and links in a mail, by which the reader says what became of the slots.

Very many messages share their content. So a button or a link names its notification by a tag, which is filled in for
each message. The links of a mail are one address for each answer, of one token.
"""

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from api.models.answer import AnswerValue
from api.models.bot_buttons import ALL, BACK, shorten_id, write_answer_button
from api.models.user import Channel
from configs.ground.signing import AnswerAlert, ReportLook, ShowSlots, write_link
from configs.ground.text import truncate_line
from notifier.content.message_kind_base import SLOT_DETECTED, ChoiceButton, Choices, ClaimedRow
from notifier.content.messages import write_words

_KIND = "slot_answered"
ANSWERED = "%answered%"  # the tag: the notification that a button answers
# Placeholder of each answer's address in a text that many readers share.
ANSWER_TAGS = {value.value: f"%answer_{value.value}%" for value in AnswerValue}
SLOTS_TAG = "%slots%"  # placeholder of the page that shows what is open
LOOK_TAG = "%look%"  # placeholder of the page where its reader says what a desk's page shows
UNSIGNED = dict.fromkeys((*ANSWER_TAGS.values(), SLOTS_TAG, LOOK_TAG), "")
_ROWS = (("found", "too_late"), ("nothing_there",), ("stopped",))
_CHOSEN = "\N{CHECK MARK} "
_LONGEST = 40  # characters of a name in a label
_MOST_OPTIONS = 95  # Telegram takes 100 buttons; a link, "all" and the way back are among them


@cache
def list_answer_choices(language: str, chosen: str | None = None) -> Choices:
    """Return the four answers in their rows; `chosen`: the one that was given, which is marked."""

    def build(answer: str) -> ChoiceButton:
        label = write_words(SLOT_DETECTED, language, "answer", answer)
        mark = _CHOSEN if answer == chosen else ""
        return ChoiceButton(f"{mark}{label}", write_answer_button(answer, ANSWERED))

    return tuple(tuple(map(build, row)) for row in _ROWS)


def list_option_choices(language: str, answer: str, options: Sequence[tuple[UUID, str]]) -> Choices:
    """Return a button for each of several matches that an answer may be about, one for all, and the way back.

    `options` are a match and the name of what it stands for. An appointment is found for one alert, never for all.
    """
    all_of_them, back = (write_words(_KIND, language, each) for each in ("all", "back"))
    buttons = [
        ChoiceButton(f"{number}. {truncate_line(name, _LONGEST)}", write_answer_button(answer, ANSWERED, key))
        for number, (key, name) in enumerate(options[:_MOST_OPTIONS], 1)
    ]
    if answer != "found":
        buttons.append(ChoiceButton(all_of_them, write_answer_button(answer, ANSWERED, ALL)))
    buttons.append(ChoiceButton(back, write_answer_button(BACK, ANSWERED)))
    return tuple((each,) for each in buttons)


def name_answered(row: ClaimedRow) -> dict[str, str]:
    """Return the substitution by which the buttons of a slot alert name it; nothing for other messages."""
    is_alert = row.channel is Channel.TELEGRAM and row.kind == SLOT_DETECTED
    return {ANSWERED: shorten_id(row.id)} if is_alert else {}


def write_slots_link(notification_ids: Sequence[UUID]) -> dict[str, str]:
    """Return by tag the pages that show what of a message's slots is open, and take what its reader sees."""
    first = notification_ids[0]
    return {SLOTS_TAG: write_link(ShowSlots(first)), LOOK_TAG: write_link(ReportLook(first))}


def write_answer_links(notification_ids: Sequence[UUID]) -> dict[str, str]:
    """Return the addresses by tag, for notifications that leave as one message; the token names the first one."""
    page = write_link(AnswerAlert(notification_ids[0]))
    return {tag: f"{page}?value={value}" for value, tag in ANSWER_TAGS.items()}
