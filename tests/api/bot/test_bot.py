"""The bot: commands and the buttons of its lists, and the buttons below a slot alert, each for the linked chat alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.bot_buttons import (
    ALL,
    shorten_id,
    write_alert_button,
    write_answer_button,
    write_language_button,
    write_look_button,
)
from api.models.notification import Notification
from api.models.report import Report, ReportKind, ReportVia
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.alerts.test_answers import read_answer
from tests.api.bot.chats import SECRET, BotUser, announce_in_chat, button, link_chat, replies
from tests.api.world import Door, statements
from tests.clients import People, Person
from tests.factories import add_alert, add_desk, change, get, remove, rows
from tests.in_turn import in_turn

READ = "melun_77/visa"  # people watch it
COMMANDS = ["/vu", "/alerts", "/pause", "/resume", "/stop", "/language", "/unlink", "/help"]


@pytest.fixture
def mine(camille: Person) -> UUID:
    """Give an alert that waits."""
    add_desk()
    return add_alert(camille.id)


@pytest.mark.parametrize("command", ["/alerts", "/language", "/help"])
def test_a_command_is_replied_to_once(
    chat: BotUser, camille: Person, contact_id: UUID, door: Door, command: str
) -> None:
    assert chat.write(command) == {}
    assert chat.repeat() == {}
    (reply,) = [each for each in rows(Notification) if each.kind == "bot_reply"]
    assert reply.params == {"view": command[1:]}
    assert (reply.channel, reply.contact_id, reply.language) == (Channel.TELEGRAM, contact_id, "fr")
    assert door.nudged == [reply.id]


def test_other_commands_explain_what_there_is_but_not_in_a_flood(chat: BotUser) -> None:
    for text in ("/unknown", "/alerts@rdvpriority_bot", *["/help"] * 38):
        assert chat.write(text) == {}
    assert [each["view"] for each in replies()] == ["help", "alerts", *["help"] * 28]


@in_turn("text", ["bonjour", "", "/", "/é"])
def test_what_is_no_command_is_not_replied_to(chat: BotUser, text: str) -> None:
    assert chat.write(text) == {}
    assert replies() == []


def test_the_only_alert_is_paused_and_resumed_at_once(chat: BotUser, mine: UUID, door: Door) -> None:
    chat.write("/pause")
    assert not get(Alert, mine).enabled
    chat.write("/resume")
    assert get(Alert, mine).enabled
    assert replies() == [{"view": "alerts", "event": "paused"}, {"view": "alerts", "event": "resumed"}]
    assert door.caught_up == [mine]


def test_an_update_that_comes_again_late_undoes_nothing(chat: BotUser, mine: UUID) -> None:
    chat.write("/pause")
    chat.press(write_alert_button("resume", mine))
    chat.repeat(0)
    assert get(Alert, mine).enabled
    chat.press(write_alert_button("pause", mine))
    assert chat.repeat(1)["method"] == "answerCallbackQuery"
    assert not get(Alert, mine).enabled
    assert len(replies()) == 3


def test_the_only_alert_is_stopped_and_can_be_resumed_for_a_day(
    frozen: time_machine.Traveller, chat: BotUser, mine: UUID, door: Door
) -> None:
    chat.write("/stop")
    assert get(Alert, mine).closed_because is ClosedBecause.STOPPED
    assert "last_way_stopped" in {each.kind for each in rows(Notification)}
    chat.write("/resume")
    assert get(Alert, mine).waits
    assert door.caught_up == [mine]
    for command in ("/pause", "/stop", "/resume"):
        chat.write(command)
    assert get(Alert, mine).waits, "although it was paused"
    chat.write("/stop")
    frozen.shift(timedelta(days=1))
    chat.write("/resume")
    assert not get(Alert, mine).waits
    assert replies()[-1] == {"view": "alerts", "event": "nothing"}


def test_of_several_alerts_it_asks_which(chat: BotUser, camille: Person, mine: UUID) -> None:
    other = add_alert(camille.id)
    for command in ("/pause", "/stop"):
        chat.write(command)
    assert replies() == [{"view": "pause"}, {"view": "stop"}]
    assert get(Alert, mine).waits
    assert get(Alert, other).waits


def test_nothing_to_do_is_said(chat: BotUser, camille: Person) -> None:
    for command in ("/pause", "/resume", "/stop"):
        chat.write(command)
    assert [each["event"] for each in replies()] == ["nothing"] * 3


def test_a_button_of_a_list_acts_on_its_alert_alone(
    chat: BotUser, camille: Person, mine: UUID, door: Door
) -> None:
    other = add_alert(camille.id)
    said = chat.press(write_alert_button("pause", mine), message_id=81)
    assert (said["method"], said["show_alert"]) == ("answerCallbackQuery", False)
    assert "en pause" in said["text"]
    assert (get(Alert, mine).enabled, get(Alert, other).enabled) == (False, True)
    assert replies() == [{"view": "alerts", "event": "paused", "replaces": "81"}]
    assert "reprend" in chat.press(write_alert_button("resume", mine))["text"]
    assert door.caught_up == [mine]
    assert "arrêtée" in chat.press(write_alert_button("stop", mine))["text"]
    assert "arrêtée" in chat.press(write_alert_button("stop", mine))["text"]
    assert (get(Alert, mine).waits, get(Alert, other).waits) == (False, True)


@pytest.mark.parametrize("action", ["pause", "stop"])
def test_all_alerts_at_once(chat: BotUser, camille: Person, mine: UUID, action: str) -> None:
    add_alert(camille.id)
    chat.press(write_alert_button(action, ALL))
    assert [each.waits for each in rows(Alert)] == [False, False]


def test_what_the_plan_does_not_carry_is_said(chat: BotUser, camille: Person, mine: UUID) -> None:
    change(Grant, plan=PlanName.URGENCE_24H)
    other = add_alert(camille.id)
    change(Alert, Alert.id == other, enabled=False)
    said = chat.press(write_alert_button("resume", other))
    assert (said["show_alert"], "formule" in said["text"]) == (True, True)
    assert not get(Alert, other).enabled
    remove(Grant)
    chat.write("/resume")
    assert [each["event"] for each in replies()] == ["plan_limit", "plan_needed"]


def test_an_alert_of_another_account_is_left_alone(chat: BotUser, person: People) -> None:
    robin = person("robin@example.org", plan=PlanName.URGENCE_TOTAL)
    other = add_alert(robin.id)
    before = get(Alert, other).updated_at
    for action in ("pause", "resume", "stop"):
        for key in (other, uuid4()):
            said = chat.press(write_alert_button(action, key))
            assert (said["show_alert"], "n’existe plus" in said["text"]) == (True, True)
        chat.press(write_alert_button(action, ALL))
    assert (get(Alert, other).waits, get(Alert, other).updated_at) == (True, before)


def test_an_alert_that_is_over_is_left_alone(
    frozen: time_machine.Traveller, chat: BotUser, mine: UUID
) -> None:
    chat.write("/stop")
    frozen.shift(timedelta(days=1))
    for action in ("pause", "resume", "stop"):
        assert "n’existe plus" in chat.press(write_alert_button(action, mine))["text"]


def test_the_language_is_changed(client: FlaskClient, chat: BotUser, camille: Person) -> None:
    said = chat.press(write_language_button("hi"))
    assert "हिन्दी" in said["text"]
    assert rows(User)[0].language == "hi"
    (reply,) = [each for each in rows(Notification) if each.kind == "bot_reply"]
    assert (reply.language, reply.params["view"], reply.params["event"]) == ("hi", "help", "language")


@pytest.mark.parametrize(("language", "words"), [("fr", "n’est plus liée"), ("hi", "जुड़ी नहीं")])
def test_a_chat_leaves_its_account_by_a_command(
    chat: BotUser, camille: Person, language: str, words: str
) -> None:
    change(User, language=language)
    said = chat.write("/unlink")
    assert (said["method"], said["chat_id"]) == ("sendMessage", chat.chat)
    assert words in said["text"]
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]
    (told,) = rows(Notification)
    assert (told.kind, told.channel) == ("channel_lost", Channel.EMAIL)
    assert told.params == {"channel": "telegram", "state": "unlinked"}
    assert chat.repeat()["method"] == "sendMessage"
    assert len(rows(Notification)) == 1


def test_in_a_group_or_a_chat_that_is_nobodys_a_command_does_nothing_and_says_so(
    client: FlaskClient, stranger: BotUser, camille: Person, mine: UUID
) -> None:
    group = BotUser(client, -100, "group")
    for command in COMMANDS:
        said = stranger.write(command)
        assert (said["method"], said["chat_id"]) == ("sendMessage", stranger.chat)
        assert "liée à aucun compte" in said["text"]
        assert "conversation privée" in group.write(command)["text"]
    assert group.write("/start") == group.write("/weather") == {}
    assert get(Alert, mine).waits
    assert rows(Notification) == []


def test_the_chat_of_another_account_acts_on_its_own_alerts(
    client: FlaskClient, chat: BotUser, mine: UUID, person: People
) -> None:
    robin = person("robin@example.org", plan=PlanName.URGENCE_TOTAL)
    link_chat(robin, 4711)
    theirs = add_alert(robin.id)
    BotUser(client, 4711).write("/stop")
    assert (get(Alert, mine).waits, get(Alert, theirs).waits) == (True, False)


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


CHAT = 9_876_543_210


@pytest.fixture(autouse=True)
def _webhook(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_WEBHOOK_SECRET=SECRET, TELEGRAM_BOT_NAME="rdvpriority_bot")


@pytest.fixture
def camille(frozen: time_machine.Traveller, person: People) -> Person:
    return person(plan=PlanName.URGENCE_TOTAL, confirmed=True)


@pytest.fixture
def contact_id(camille: Person) -> object:
    return link_chat(camille, CHAT)


@pytest.fixture
def chat(client: FlaskClient, contact_id: object) -> BotUser:
    """Give Camille's chat, which is linked."""
    return BotUser(client, CHAT)


@pytest.fixture
def stranger(client: FlaskClient) -> BotUser:
    """Give a chat without an account."""
    return BotUser(client, 55_555)


def test_a_look_is_given_by_vu_which_leads_to_the_page_first(
    frozen: time_machine.Traveller, chat: BotUser, camille: Person
) -> None:
    chat.write("/vu")
    add_desk(READ)
    add_alert(camille.id, AlertTarget(desk_id=READ), is_free=True)
    change(User, created_at=clock() - timedelta(days=2))
    chat.write("/vu")
    frozen.shift(timedelta(seconds=30))
    answer = chat.press(write_look_button("none", READ))
    assert answer["text"] == "Merci, c’est noté."
    assert replies() == [
        {"view": "vu"},
        {"view": "look", "desks": [READ]},
        {"view": "look", "event": "look_noted", "replaces": "77", "desks": [READ]},
    ]
    (report,) = rows(Report)
    assert (report.kind, report.via, report.opened_at) == (
        ReportKind.NONE, ReportVia.TELEGRAM, clock() - timedelta(seconds=30),
    )  # fmt: skip


def test_a_look_by_who_may_not_report_or_at_another_desk_is_refused(chat: BotUser, camille: Person) -> None:
    add_desk(READ)
    add_alert(camille.id, AlertTarget(desk_id=READ), is_free=True)  # the account is younger than a day
    for desk_id in (READ, "bobigny_93/titre-sejour"):
        assert chat.press(write_look_button("slots", desk_id))["show_alert"]
    assert rows(Report) == []
