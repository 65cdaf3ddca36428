"""Buttons below a slot alert: stored once, for the right alert, and only in the chat that it was sent to."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState
from configs.ground.bot_buttons import ALL, shorten_id, write_answer_button
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.answers.announcing import read_answer
from tests.api.bot.chats import BotUser, announce_in_chat, button, link_chat, replies
from tests.api.bot.conftest import CHAT
from tests.api.world import Door, statements
from tests.clients import People, Person
from tests.factories import add_alert, change, remove, rows

VALUES = [each.value for each in AnswerValue]
CLOSED = {"found": ClosedBecause.FOUND, "stopped": ClosedBecause.STOPPED}


def value_of(told: Any) -> str | None:
    kept = read_answer(told)
    return kept.value.value if kept else None


def assert_refused(said: dict[str, Any], words: str) -> None:
    """Check that a press was ended with a box that says why nothing was done."""
    assert said["method"] == "answerCallbackQuery"
    assert said["show_alert"] is True
    assert words in said["text"]


@pytest.mark.parametrize("value", VALUES)
def test_each_button_stores_its_answer_and_edits_the_message(
    chat: BotUser, camille: Person, contact_id: UUID, door: Door, value: str
) -> None:
    told = announce_in_chat(camille, contact_id)
    said = chat.press(button(told, value))
    assert said["method"] == "answerCallbackQuery"
    assert said["callback_query_id"] == chat.sent[-1]["callback_query"]["id"]
    assert (said["show_alert"], "noté" in said["text"]) == (False, True)
    kept = read_answer(told)
    assert kept is not None
    assert (kept.value.value, kept.via) == (value, AnswerVia.TELEGRAM)
    assert rows(Alert)[0].closed_because is CLOSED.get(value)
    (edit,) = replies("slot_answered")
    assert (edit["message"], edit["alerts"], "asks" in edit) == ("77", [str(told.message)], False)
    (written,) = [each for each in rows(Notification) if each.kind == "slot_answered"]
    assert (written.channel, written.contact_id, written.user_id) == (
        Channel.TELEGRAM,
        contact_id,
        camille.id,
    )
    assert written.id in door.nudged


def test_another_answer_opens_the_alert_again_and_the_first_one_s_repetition_does_not_come_back(
    chat: BotUser, camille: Person, contact_id: UUID, door: Door
) -> None:
    told = announce_in_chat(camille, contact_id)
    chat.press(button(told, "found"))
    assert not rows(Alert)[0].waits
    assert "de nouveau active" in chat.press(button(told, "too_late"))["text"]
    assert door.caught_up == [told.alert]
    assert "text" not in chat.repeat(0)
    assert value_of(told) == "too_late"
    assert rows(Alert)[0].waits


def test_an_update_that_comes_again_changes_nothing_more_and_after_an_hour_the_answer_stands(
    frozen: time_machine.Traveller, chat: BotUser, camille: Person, contact_id: UUID
) -> None:
    told = announce_in_chat(camille, contact_id)
    chat.press(button(told, "too_late"))
    answered_at = clock()
    frozen.shift(1)
    assert chat.repeat()["method"] == "answerCallbackQuery"
    assert len(replies("slot_answered")) == 1
    kept = read_answer(told)
    assert kept is not None
    assert (kept.answered_at, kept.changed_at) == (answered_at, None)
    frozen.shift(timedelta(hours=1))
    assert_refused(chat.press(button(told, "found")), "plus d’une heure")
    assert value_of(told) == "too_late"
    assert rows(Alert)[0].waits
    assert len(replies("slot_answered")) == 2, "the second edit takes the buttons away"


def test_pressed_in_the_chat_of_another_account_it_does_nothing_and_says_so(
    client: FlaskClient, chat: BotUser, camille: Person, contact_id: UUID, person: People
) -> None:
    told = announce_in_chat(camille, contact_id)
    link_chat(person("robin@example.org", plan=PlanName.URGENCE_TOTAL), 4711)
    robin = BotUser(client, 4711)
    for value in [*VALUES, "back"]:
        assert_refused(robin.press(button(told, value)), "n’est pas à cette conversation")
        assert_refused(robin.press(button(told, value, told.match)), "n’est pas à cette conversation")
    assert rows(MatchAnswer) == []
    assert rows(Alert)[0].waits
    assert replies("slot_answered") == []


def test_pressed_in_a_chat_that_is_nobodys_it_does_nothing_and_says_so(
    stranger: BotUser, camille: Person, contact_id: UUID
) -> None:
    told = announce_in_chat(camille, contact_id)
    assert_refused(stranger.press(button(told, "stopped")), "liée à aucun compte")
    stranger.language = "de-AT"
    assert_refused(stranger.press(button(told, "stopped")), "gehört zu keinem Konto")
    stranger.language = "tlh"
    assert_refused(stranger.press(button(told, "stopped")), "liée à aucun compte")
    assert rows(MatchAnswer) == []


def test_pressed_in_a_group_or_by_somebody_else_it_does_nothing_and_says_so(
    client: FlaskClient, chat: BotUser, camille: Person, contact_id: UUID
) -> None:
    told = announce_in_chat(camille, contact_id)
    found = button(told, "found")
    other: Any = {"id": 4711, "is_bot": False, "first_name": "Robin"}
    groups = [BotUser(client, key, kind) for key in (-100, CHAT) for kind in ("group", "channel")]
    refused = [each.press(found) for each in groups]
    refused += [chat.press(found, **{"from": other}), chat.press(found, message=None)]
    for said in refused:
        assert_refused(said, "conversation privée")
    assert rows(MatchAnswer) == []


def test_data_that_names_no_announcement_does_nothing_and_says_so(
    chat: BotUser, camille: Person, contact_id: UUID
) -> None:
    told = announce_in_chat(camille, contact_id)
    chat.write("/help")
    (reply,) = [each for each in rows(Notification) if each.kind == "bot_reply"]
    others = [write_answer_button("found", shorten_id(key)) for key in (reply.id, uuid4())]
    for data in ("x", "a:f:", "a:f:" + "A" * 22, "\0", *others):
        assert_refused(chat.press(data), "ne vaut plus")
    assert rows(MatchAnswer) == []
    assert rows(Alert)[0].waits
    remove(Alert)
    assert_refused(chat.press(button(told, "too_late")), "ne vaut plus")


def test_a_chat_that_is_switched_off_answers_a_chat_that_was_lost_does_not(
    chat: BotUser, camille: Person, contact_id: UUID
) -> None:
    told = announce_in_chat(camille, contact_id)
    set_contact(enabled=False)
    assert chat.press(button(told, "too_late"))["show_alert"] is False
    assert len(replies("slot_answered")) == 1
    set_contact(state=ContactState.BLOCKED)
    assert_refused(chat.press(button(told, "found")), "liée à aucun compte")
    assert value_of(told) == "too_late"


def set_contact(**columns: Any) -> None:
    change(Contact, Contact.channel == Channel.TELEGRAM, **columns)


def test_the_reply_is_in_the_language_of_the_account_and_back_offers_the_answers_again(
    chat: BotUser, camille: Person, contact_id: UUID
) -> None:
    told = announce_in_chat(camille, contact_id, language="ar")
    camille.patch("/api/users/profile", {"language": "en"})
    assert "text" not in chat.press(button(told, "back"))
    assert (rows(MatchAnswer), len(replies("slot_answered"))) == ([], 1)
    assert chat.press(button(told, "too_late"))["text"] == "Noted, thank you."
    languages = [each.language for each in rows(Notification) if each.kind == "slot_answered"]
    assert languages == ["ar", "ar"], "the message keeps its own"


def test_of_several_alerts_in_one_message_the_button_asks_which(
    chat: BotUser, camille: Person, contact_id: UUID
) -> None:
    first = announce_in_chat(camille, contact_id)
    second = announce_in_chat(camille, contact_id, alert=add_alert(camille.id))
    other = announce_in_chat(camille, contact_id, message_id=78, alert=add_alert(camille.id))
    assert_refused(chat.press(button(first, "found", other.match)), "ne vaut plus")
    assert "text" not in chat.press(button(first, "found"))
    assert rows(MatchAnswer) == []
    assert [each["asks"] for each in replies("slot_answered") if "asks" in each] == ["found"]
    chat.press(button(first, "found", second.match))
    assert (value_of(first), value_of(second)) == (None, "found")
    assert [each.id for each in rows(Alert) if not each.waits] == [second.alert]
    assert sorted(replies("slot_answered")[-1]["alerts"]) == sorted([str(first.message), str(second.message)])


@pytest.mark.parametrize(("value", "match"), [("nothing_there", None), ("stopped", ALL)])
def test_what_is_about_a_desk_is_not_asked_by_alert_and_all_can_be_meant(
    chat: BotUser, camille: Person, contact_id: UUID, value: str, match: str | None
) -> None:
    first = announce_in_chat(camille, contact_id)
    second = announce_in_chat(camille, contact_id, alert=add_alert(camille.id))
    chat.press(button(second, value, match))
    assert (value_of(first), value_of(second)) == (value, value)
    assert [each.waits for each in rows(Alert)] == [value != "stopped"] * 2


def test_a_flood_of_presses_is_stopped_and_says_so(chat: BotUser, camille: Person, contact_id: UUID) -> None:
    told = announce_in_chat(camille, contact_id)
    answers = [chat.press(button(told, "too_late")) for _ in range(31)]
    assert answers[29]["show_alert"] is False
    assert_refused(answers[30], "Trop de demandes")
    assert len(replies("slot_answered")) == 30
    assert statements(lambda: chat.press(button(told, "found"))) == 0
