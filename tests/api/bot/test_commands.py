"""Commands of the bot and the buttons of its lists: for the linked chat alone, and with a reply each."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.alert import Alert, ClosedBecause
from api.models.notification import Notification
from api.models.user import Channel, Contact, Grant, User
from configs.ground.bot_buttons import ALL, write_alert_button, write_language_button
from configs.world.plan import PlanName
from tests.api.bot.chats import BotUser, link_chat, replies
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import add_alert, add_desk, change, get, remove, rows
from tests.in_turn import in_turn

COMMANDS = ["/alerts", "/pause", "/resume", "/stop", "/language", "/unlink", "/help"]


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
