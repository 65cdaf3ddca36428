"""Replies of the bot: lists of alerts with their buttons, in every language, in place of the reply before."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.notification import State
from api.models.user import Channel, Contact
from configs.ground.bot_buttons import ALL, AlertButton, LanguageButton, read_button
from configs.ground.clock import clock
from configs.world.languages import MESSAGE_LANGUAGES
from configs.world.prefecture import Procedure
from deploy.sandbox.providers.telegram import visible_text
from notifier.jobs import deliver
from notifier.message_kinds.telegram import COMMANDS
from tests.notifier.world import Person, alert, change, for_procedure, notifications, person

if TYPE_CHECKING:
    from uuid import UUID

    from deploy.sandbox.outbox import Message
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
VIEWS = ["alerts", "pause", "resume", "stop", "language", "help"]
EVENTS = ["paused", "resumed", "stopped", "language", "nothing", "gone", "plan_needed", "plan_limit", "fair_use",
          "not_watched", "refused"]  # fmt: skip
TOASTS = ["not_linked", "not_yours", "not_private", "unknown", "too_many", "final", "found", "too_late",
          "nothing_there", "stopped", "reopened", "stays_closed"]  # fmt: skip


@pytest.fixture
def camille(whole: "Running", settings_env: Callable[..., None]) -> Person:
    settings_env(TELEGRAM_PER_SECOND="1000")
    return person(channels=(Channel.TELEGRAM, Channel.EMAIL))


def reply(who: Person, view: str, language: str = "fr", **params: Any) -> None:
    """Write a reply as the API does, and deliver it."""
    key = f"reply:{len(notifications())}"
    with session() as s:
        written = notifier.create_notifications(
            s, who.id, "bot_reply", {"view": view, **params}, key, channels=["telegram"], language=language
        )
    deliver(*map(str, written))


def newest(world: "Running") -> "Message":
    return world.messages("telegram")[-1]


def pressed(message: "Message") -> list[AlertButton]:
    read = [read_button(each.data) for each in message.draft.buttons if each.data]
    return [each for each in read if isinstance(each, AlertButton)]


def test_the_alerts_are_listed_with_what_can_be_done(whole: "Running", camille: Person) -> None:
    made = [
        alert(camille, name="Maman <b>"),
        alert(camille, enabled=False),
        alert(camille, enabled=False, awaits_watch=True),
    ]
    stopped = alert(camille, closed_at=clock(), closed_because=ClosedBecause.STOPPED)
    alert(camille, closed_at=clock() - timedelta(days=1), closed_because=ClosedBecause.STOPPED)
    alert(camille, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    alert(person(channels=(Channel.EMAIL,)), name="Robin")
    reply(camille, "alerts")
    message = newest(whole)
    assert message.text.splitlines()[2:] == [
        "1. Essonne (91) – active · <tg-spoiler>Maman &lt;b&gt;</tg-spoiler>",
        "2. Essonne (91) – en pause",
        "3. Essonne (91) – attend que son guichet puisse être surveillé",
        "4. Essonne (91) – arrêtée",
    ]
    assert pressed(message) == [
        AlertButton("pause", made[0]), AlertButton("stop", made[0]), AlertButton("resume", made[1]),
        AlertButton("stop", made[1]), AlertButton("stop", made[2]), AlertButton("resume", stopped),
    ]  # fmt: skip
    assert message.draft.buttons[0].url.endswith("/dashboard")
    assert message.draft.buttons[1].text == "⏸ Pause · 1"


def test_no_alert_is_said(whole: "Running", camille: Person) -> None:
    reply(camille, "alerts", event="nothing")
    assert "Aucune de vos alertes n’est concernée." in newest(whole).text
    assert "Vous n’avez pas d’alerte." in newest(whole).text
    assert pressed(newest(whole)) == []


@pytest.mark.parametrize(("view", "places"), [("pause", [0, 2]), ("resume", [1]), ("stop", [0, 1, 2])])
def test_a_list_for_one_action_has_the_alerts_that_it_is_for(
    whole: "Running", camille: Person, view: str, places: list[int]
) -> None:
    made = [alert(camille), alert(camille, enabled=False), alert(camille, for_procedure(Procedure.VISA))]
    reply(camille, view)
    chosen: list[UUID | str] = [made[place] for place in places]
    assert [each.alert for each in pressed(newest(whole))] == chosen + ([ALL] if len(places) > 1 else [])
    assert {each.action for each in pressed(newest(whole))} == {view}


def test_more_alerts_than_fit_lead_to_the_account(whole: "Running", camille: Person) -> None:
    for number in range(12):
        alert(camille, name=f"{number} " + "W" * 78)
    reply(camille, "alerts")
    message = newest(whole)
    assert "Vos autres alertes" in message.text
    assert len(pressed(message)) == 20
    assert len(visible_text(message.text)[0]) <= 4096


def test_a_reply_takes_the_place_of_the_one_before(whole: "Running", camille: Person) -> None:
    key = alert(camille)
    reply(camille, "alerts")
    before = newest(whole)
    change(Alert, key, enabled=False)
    reply(camille, "alerts", event="paused", replaces=before.provider_id)
    (message,) = whole.messages("telegram")
    assert message.edited_at is not None
    assert message.text.startswith("C’est noté\u00a0: en pause.")
    assert pressed(message)[0] == AlertButton("resume", key)


def test_a_reply_that_its_reader_deleted_is_over(whole: "Running", camille: Person) -> None:
    reply(camille, "alerts", replaces="424242")
    (row,) = notifications(State.EXPIRED)
    assert row.kind == "bot_reply"


def test_every_language_can_be_chosen(whole: "Running", camille: Person) -> None:
    reply(camille, "language")
    read = [read_button(each.data) for each in newest(whole).draft.buttons]
    assert read == [LanguageButton(code) for code in MESSAGE_LANGUAGES]
    assert [each.text for each in newest(whole).draft.buttons] == list(MESSAGE_LANGUAGES.values())


@pytest.mark.parametrize("language", MESSAGE_LANGUAGES)
def test_every_view_is_whole_in_every_language(whole: "Running", camille: Person, language: str) -> None:
    alert(camille, name="Maman")
    for view in VIEWS:
        reply(camille, view, language, event="stopped")
        shown, problem = visible_text(newest(whole).text)
        assert problem is None
        assert "None" not in shown
        assert "{" not in shown
    assert all(f"/{command} – " in shown for command in COMMANDS), "the last one is the help"


@pytest.mark.parametrize("language", MESSAGE_LANGUAGES)
def test_what_the_bot_says_at_once_is_short_and_in_every_language(language: str) -> None:
    lines = [notifier.write_bot_line("toast", word, language) for word in TOASTS]
    lines += [notifier.write_bot_line("event", word, language) for word in EVENTS]
    assert len(set(lines)) == len(lines)
    assert all(0 < len(line) <= 200 for line in lines), (
        "https://core.telegram.org/bots/api#answercallbackquery"
    )
    if language != "fr":
        french = {notifier.write_bot_line("toast", word, "fr") for word in TOASTS}
        assert not french & set(lines)
    assert notifier.write_bot_line("toast", "final", "tlh") == notifier.write_bot_line("toast", "final", "fr")


def test_a_reply_goes_to_the_chat_alone_also_where_it_is_switched_off(
    whole: "Running", camille: Person
) -> None:
    change(Contact, camille.contacts[Channel.TELEGRAM], enabled=False)
    reply(camille, "help")
    assert [row.channel for row in notifications()] == [Channel.TELEGRAM]
    assert len(whole.messages()) == 1
