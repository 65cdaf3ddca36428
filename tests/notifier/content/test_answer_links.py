"""Links in the mail of a slot alert by which its reader answers it."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from api.answers.matches import find_matches
from api.models.answer import AnswerValue
from api.models.notification import Match
from api.models.user import Channel
from configs.ground.signed_links import AnswerAlert, read_token
from notifier.content.slot_alert_content import ANSWER_TAGS
from notifier.delivery.delivery import claim, hand_over
from notifier.jobs import deliver
from tests.notifier.world import (
    DESK,
    MORNING,
    OTHER_DESK,
    alert,
    all_of,
    detection,
    in_one_transaction,
    matched,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
_LINK = re.compile(r"http://\S+?/l/(answer\.[^?\s\"]+)\?value=(\w+)")


def open_desk(desk_id: str = DESK) -> list[UUID]:
    return matched(detection(slots([MORNING], desk_id=desk_id), desk_id=desk_id, label="Titre de séjour"))


def read_links(text: str) -> tuple[set[UUID], list[str]]:
    """Return which messages the links of a text answer, and the answers in their order."""
    found = _LINK.findall(text)
    return {read_token(AnswerAlert, token).notification for token, _ in found}, [value for _, value in found]


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
def test_a_mail_has_a_link_for_each_answer(
    sandbox: "Running", settings_env: Callable[..., None], provider: str
) -> None:
    settings_env(MAIL_PROVIDERS=provider)
    alert(person())
    (key,) = open_desk()
    deliver(str(key))
    (mail,) = sandbox.messages("email")
    for text in (mail.text, mail.html or ""):
        assert read_links(text) == ({key}, list(AnswerValue))
        assert not any(tag in text for tag in ANSWER_TAGS.values())
    assert "La page ne montre rien" in mail.text


def test_mails_of_one_call_have_each_their_own_links(sandbox: "Running") -> None:
    for number in range(3):
        alert(person(addresses={Channel.EMAIL: f"p{number}@example.org"}))
    keys = open_desk()
    hand_over(claim(keys))
    mails = sandbox.messages("email")
    assert len({mail.provider_id for mail in mails}) == 1, "one call"
    answered = [read_links(mail.html or "") for mail in mails]
    assert {key for found, _ in answered for key in found} == set(keys)
    for mail, (found, _) in zip(mails, answered, strict=True):
        assert mail.custom["notification_id"] == str(*found)


def test_a_message_for_several_desks_is_answered_whole(sandbox: "Running") -> None:
    alert(person(), {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    keys = [*open_desk(), *open_desk(OTHER_DESK)]
    deliver(str(keys[1]))
    (mail,) = sandbox.messages("email")
    (named,), values = read_links(mail.text)
    assert (named in keys, len(values)) == (True, 4)
    assert set(in_one_transaction(find_matches, named)) == {each.id for each in all_of(Match)}
    assert len(all_of(Match)) == 2


def test_other_channels_carry_no_link_to_answer(sandbox: "Running") -> None:
    alert(person(channels=ALL))
    for key in open_desk():
        deliver(str(key))
    for channel in ("sms", "telegram"):
        (message,) = sandbox.messages(channel)
        text = f"{message.text}{message.html}"
        assert "/l/answer." not in text
        assert "%answer" not in text
