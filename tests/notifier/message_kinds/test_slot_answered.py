"""The Telegram message of a slot alert has buttons; an answer is shown in its place, also when the slots are gone."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

import notifier
from api.background import jobs
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.desk import DeskState
from api.models.notification import Match, Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.bot_buttons import AnswerButton, read_button
from configs.ground.clock import clock
from notifier.jobs import deliver
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    URL,
    Person,
    alert,
    all_of,
    change,
    detection,
    gone,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Message
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
FOUR = ["Trouvé", "Trop tard", "La page ne montre rien", "Arrêter"]


@pytest.fixture
def camille(whole: "Running", frozen: time_machine.Traveller) -> Person:
    who = person(channels=(Channel.TELEGRAM, Channel.EMAIL))
    alert(who)
    return who


def announce(desk_id: str = DESK) -> list[int]:
    opened = slots(desk_id=desk_id)
    deliver(*map(str, matched(detection(opened, desk_id=desk_id))))
    return opened


def alerts_in_chat() -> list[Notification]:
    return [row for row in notifications() if row.kind == "slot_detected" and row.channel is Channel.TELEGRAM]


def answer(value: AnswerValue, *matches: UUID) -> None:
    """Store an answer to these matches, by default to all."""
    with session() as s:
        ids = matches or list(s.scalars(sa.select(Match.id)))
        for each in ids:
            s.merge(MatchAnswer(match_id=each, value=value, answered_at=clock(), via=AnswerVia.TELEGRAM))


def _wait_for_turn(frozen: time_machine.Traveller) -> None:
    frozen.shift(1)  # Telegram takes one message a second in a chat


def edit(frozen: time_machine.Traveller, who: Person, key: str = "1", **params: Any) -> Notification:
    """Write the edit of the one message, deliver it, and return its row."""
    rows = alerts_in_chat()
    sent = rows[0].accepted_at
    assert sent is not None
    values = {
        "message": rows[0].provider_id, "alerts": [str(row.id) for row in rows], "sent": sent.isoformat(),
    }  # fmt: skip
    with session() as s:
        (key_of,) = notifier.create_notifications(s, who.id, "slot_answered", values | params, f"edit:{key}")
    _wait_for_turn(frozen)
    deliver(str(key_of))
    return next(row for row in notifications() if row.id == key_of)


def shown(world: "Running") -> "Message":
    (message,) = world.messages("telegram")
    return message


def labels(message: "Message") -> list[str]:
    return [each.text for each in message.draft.buttons]


def test_a_slot_alert_asks_by_buttons_that_name_it(whole: "Running", camille: Person) -> None:
    announce()
    message = shown(whole)
    assert labels(message) == ["Réserver maintenant", *FOUR]
    assert [each.row for each in message.draft.buttons] == [0, 1, 1, 2, 3]
    (row,) = alerts_in_chat()
    asked = [read_button(each.data) for each in message.draft.buttons[1:]]
    assert asked == [AnswerButton(value.value, row.id, None) for value in AnswerValue]
    (mail,) = whole.messages("email")
    assert "%answered%" not in f"{mail.text}{mail.html}"


def test_each_of_a_crowd_has_buttons_of_its_own(whole: "Running", frozen: time_machine.Traveller) -> None:
    for number in range(3):
        alert(person(channels=(Channel.TELEGRAM,), addresses={Channel.TELEGRAM: f"{number + 1}"}))
    announce()
    asked = [read_button(message.draft.buttons[1].data) for message in whole.messages("telegram")]
    named = {each.notification_id for each in asked if isinstance(each, AnswerButton)}
    assert named == {row.id for row in alerts_in_chat()}
    assert len(named) == 3


@pytest.mark.parametrize("value", AnswerValue)
def test_the_answer_is_shown_and_marked_in_the_message(
    whole: "Running", frozen: time_machine.Traveller, camille: Person, value: AnswerValue
) -> None:
    announce()
    answer(value)
    row = edit(frozen, camille)
    assert row.state is State.DELIVERED
    message = shown(whole)
    label = FOUR[list(AnswerValue).index(value)]
    assert "Créneau détecté" in message.text
    assert f"Votre réponse\u00a0: {label}" in message.text
    assert [text for text in labels(message) if text.startswith("✓")] == [f"✓ {label}"]
    first = message.draft.buttons[0]
    if value is AnswerValue.FOUND:
        assert first.text == "Ajouter la date"
        assert "/l/answer." in first.url
        assert first.url.endswith("?value=found")
    else:
        assert (first.text, first.url) == ("Réserver maintenant", URL)


def test_after_an_hour_no_answer_is_offered(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    announce()
    answer(AnswerValue.FOUND)
    frozen.shift(timedelta(hours=1))
    edit(frozen, camille)
    assert labels(shown(whole)) == ["Réserver maintenant"]
    assert "Votre réponse\u00a0: Trouvé" in shown(whole).text


def test_what_was_announced_again_may_be_answered_anew(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    announce()
    answer(AnswerValue.TOO_LATE)
    frozen.shift(timedelta(hours=1))
    with session() as s:
        s.execute(sa.update(Match).values(decided_at=clock()))
    edit(frozen, camille)
    assert "✓ Trop tard" in labels(shown(whole))


def test_a_message_that_is_too_old_stays(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    announce()
    frozen.shift(timedelta(hours=48))
    answer(AnswerValue.FOUND)
    assert edit(frozen, camille).reason == "too old to be edited"
    assert shown(whole).edited_at is None


def stay_gone(frozen: time_machine.Traveller, ids: list[int]) -> None:
    """Close slots, and run the job once they are gone for good."""
    gone(ids)
    frozen.shift(timedelta(minutes=5))
    change(DeskState, DESK, last_proven_at=clock())
    jobs.mark_gone_slots()
    deliver(*(str(row.id) for row in notifications(State.PENDING)))


def test_what_is_gone_can_still_be_answered_and_stays_gone(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    opened = announce()
    stay_gone(frozen, opened)
    assert labels(shown(whole)) == FOUR
    (row,) = alerts_in_chat()
    assert read_button(shown(whole).draft.buttons[0].data) == AnswerButton("found", row.id, None)
    answer(AnswerValue.TOO_LATE)
    edit(frozen, camille)
    assert "n’est plus proposé" in shown(whole).text
    assert "Votre réponse\u00a0: Trop tard" in shown(whole).text
    assert labels(shown(whole)) == ["Trouvé", "✓ Trop tard", *FOUR[2:]]


def test_slots_that_go_after_the_answer_leave_it_shown(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    opened = announce()
    answer(AnswerValue.FOUND)
    edit(frozen, camille)
    stay_gone(frozen, opened)
    assert "n’est plus proposé" in shown(whole).text
    assert "Votre réponse\u00a0: Trouvé" in shown(whole).text
    assert labels(shown(whole))[0] == "Ajouter la date"


def test_of_several_alerts_the_buttons_ask_which(
    whole: "Running", frozen: time_machine.Traveller, camille: Person
) -> None:
    alert(camille, name="Maman <b>")
    announce()
    edit(frozen, camille, asks="found")
    message = shown(whole)
    assert "De quelle alerte s’agit-il" in message.text
    assert [text.partition(" · ")[0] for text in labels(message)[1:-1]] == [
        "1. Essonne (91)",
        "2. Essonne (91)",
    ]
    assert any("Maman <b>" in text for text in labels(message))
    assert labels(message)[-1] == "Retour"
    chosen = [read_button(each.data) for each in message.draft.buttons[1:-1]]
    matches = {each.match for each in chosen if isinstance(each, AnswerButton)}
    assert matches == {row.id for row in all_of(Match)}
    answer(AnswerValue.FOUND, min((row.id for row in all_of(Match)), key=str))
    edit(frozen, camille, "2")
    assert "Votre réponse\u00a0: Trouvé" in shown(whole).text
    assert not any(text.startswith("✓") for text in labels(shown(whole)))
    assert labels(shown(whole)) == ["Réserver maintenant", *FOUR], "the other alert waits still"


def test_of_several_desks_what_is_about_a_page_asks_for_the_desk(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = person(channels=(Channel.TELEGRAM,))
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    written = [matched(detection(slots(desk_id=desk), desk_id=desk)) for desk in (DESK, OTHER_DESK)]
    deliver(str(written[0][0]))
    assert len(alerts_in_chat()) == 2
    edit(frozen, who, "1", asks="nothing_there")
    assert "De quel guichet s’agit-il" in shown(whole).text
    assert len(labels(shown(whole))) == 4, "two desks, all, back"
    edit(frozen, who, "2", asks="found")
    assert labels(shown(whole)) == FOUR, "it is about one alert"


def test_nothing_is_edited_in_a_chat_that_was_lost(frozen: time_machine.Traveller, camille: Person) -> None:
    announce()
    answer(AnswerValue.FOUND)
    with session() as s:
        values = {"message": "1", "alerts": [str(alerts_in_chat()[0].id)], "sent": clock().isoformat()}
        (key,) = notifier.create_notifications(s, camille.id, "slot_answered", values, "edit")
    _wait_for_turn(frozen)
    change(Contact, camille.contacts[Channel.TELEGRAM], state=ContactState.BLOCKED)
    deliver(str(key))
    (row,) = notifications(State.SKIPPED)
    assert (row.id, row.reason) == (key, "address blocked")
