"""Replies of the bot: lists of alerts with their buttons, in every language, in place of the reply before."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.bot_buttons import ALL, AlertButton, AnswerButton, LanguageButton, read_button
from api.models.notification import Match, Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.desk import Procedure
from deploy.sandbox.providers.telegram import visible_text
from notifier.content.message_kind_base import TemplateContext
from notifier.content.messages import render
from notifier.jobs import deliver
from notifier.message_kinds.telegram import COMMANDS
from tests.factories import one
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.content.test_messages import FACTS

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Message
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
VIEWS = ["alerts", "pause", "resume", "stop", "language", "help"]
EVENTS = ["paused", "resumed", "stopped", "language", "nothing", "gone", "plan_needed", "plan_limit", "fair_use",
          "not_watched", "refused"]  # fmt: skip

TOASTS = ["not_linked", "not_yours", "not_private", "unknown", "too_many", "final", "found", "too_late",
          "nothing_there", "stopped", "reopened", "stays_closed"]  # fmt: skip


@pytest.fixture
def camille(whole: "Running", settings_env: Callable[..., None]) -> world.Person:
    settings_env(TELEGRAM_PER_SECOND="1000")
    return world.person(channels=(Channel.TELEGRAM, Channel.EMAIL))


def reply(who: world.Person, view: str, language: str = "fr", **params: Any) -> None:
    """Write a reply as the API does, and deliver it."""
    key = f"reply:{len(world.notifications())}"
    with session() as s:
        written = notifier.create_notifications(
            s, who.id, "bot_reply", {"view": view, **params}, key, channels=["telegram"], language=language
        )
    deliver(*map(str, written))


def newest(whole: "Running") -> "Message":
    return whole.messages("telegram")[-1]


def pressed(message: "Message") -> list[AlertButton]:
    read = [read_button(each.data) for each in message.draft.buttons if each.data]
    return [each for each in read if isinstance(each, AlertButton)]


def test_a_look_leads_to_the_page_by_a_link_that_notes_it(whole: "Running", camille: world.Person) -> None:
    reply(camille, "look", desks=[f"{world.PREFECTURE}/naturalisation-evry"])
    assert "/l/page." in str(newest(whole).draft.buttons[0].url)


def test_the_alerts_are_listed_with_what_can_be_done(whole: "Running", camille: world.Person) -> None:
    made = [
        world.alert(camille, name="Maman <b>"),
        world.alert(camille, enabled=False),
        world.alert(camille, enabled=False, awaits_watch=True),
    ]
    stopped = world.alert(camille, closed_at=clock(), closed_because=ClosedBecause.STOPPED)
    world.alert(camille, closed_at=clock() - timedelta(days=1), closed_because=ClosedBecause.STOPPED)
    world.alert(camille, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    world.alert(world.person(channels=(Channel.EMAIL,)), name="Robin")
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


def test_no_alert_is_said(whole: "Running", camille: world.Person) -> None:
    reply(camille, "alerts", event="nothing")
    assert "Aucune de vos alertes n’est concernée." in newest(whole).text
    assert "Vous n’avez pas d’alerte." in newest(whole).text
    assert pressed(newest(whole)) == []


@pytest.mark.parametrize(("view", "places"), [("pause", [0, 2]), ("resume", [1]), ("stop", [0, 1, 2])])
def test_a_list_for_one_action_has_the_alerts_that_it_is_for(
    whole: "Running", camille: world.Person, view: str, places: list[int]
) -> None:
    made = [
        world.alert(camille),
        world.alert(camille, enabled=False),
        world.alert(camille, world.for_procedure(Procedure.VISA)),
    ]
    reply(camille, view)
    chosen: list[UUID | str] = [made[place] for place in places]
    assert [each.alert for each in pressed(newest(whole))] == chosen + ([ALL] if len(places) > 1 else [])
    assert {each.action for each in pressed(newest(whole))} == {view}


def test_more_alerts_than_fit_lead_to_the_account(whole: "Running", camille: world.Person) -> None:
    for number in range(12):
        world.alert(camille, name=f"{number} " + "W" * 78)
    reply(camille, "alerts")
    message = newest(whole)
    assert "Vos autres alertes" in message.text
    assert len(pressed(message)) == 20
    assert len(visible_text(message.text)[0]) <= 4096


def test_a_reply_takes_the_place_of_the_one_before(whole: "Running", camille: world.Person) -> None:
    key = world.alert(camille)
    reply(camille, "alerts")
    before = newest(whole)
    world.change(Alert, key, enabled=False)
    reply(camille, "alerts", event="paused", replaces=before.provider_id)
    (message,) = whole.messages("telegram")
    assert message.edited_at is not None
    assert message.text.startswith("C’est noté\u00a0: en pause.")
    assert pressed(message)[0] == AlertButton("resume", key)


def test_a_reply_that_its_reader_deleted_is_over(whole: "Running", camille: world.Person) -> None:
    reply(camille, "alerts", replaces="424242")
    (row,) = world.notifications(State.EXPIRED)
    assert row.kind == "bot_reply"


def test_every_language_can_be_chosen(whole: "Running", camille: world.Person) -> None:
    reply(camille, "language")
    read = [read_button(each.data) for each in newest(whole).draft.buttons]
    assert read == [LanguageButton(code) for code in MESSAGE_LANGUAGES]
    assert [each.text for each in newest(whole).draft.buttons] == list(MESSAGE_LANGUAGES.values())


@in_turn("language", MESSAGE_LANGUAGES)
def test_every_view_is_whole_in_every_language(language: str) -> None:
    for view in VIEWS:
        values = FACTS["bot_reply"] | {"view": view, "event": "stopped"}
        shown, problem = visible_text(render("bot_reply", "telegram", language, TemplateContext(values)).html)
        assert problem is None
        assert "None" not in shown
        assert "{" not in shown
    assert all(f"/{command} – " in shown for command in COMMANDS), "the last one is the help"


@in_turn("language", MESSAGE_LANGUAGES)
def test_what_the_bot_says_at_once_is_short_and_in_every_language(language: str) -> None:
    lines = [notifier.write_words("bot_reply", language, "toast", word) for word in TOASTS]
    lines += [notifier.write_words("bot_reply", language, "event", word) for word in EVENTS]
    assert len(set(lines)) == len(lines)
    assert all(0 < len(line) <= 200 for line in lines), (
        "https://core.telegram.org/bots/api#answercallbackquery"
    )
    if language != "fr":
        french = {notifier.write_words("bot_reply", "fr", "toast", word) for word in TOASTS}
        assert not french & set(lines)
    assert notifier.write_words("bot_reply", "tlh", "toast", "final") == notifier.write_words(
        "bot_reply", "fr", "toast", "final"
    )


def test_a_reply_goes_to_the_chat_alone_also_where_it_is_switched_off(
    whole: "Running", camille: world.Person
) -> None:
    world.change(Contact, camille.contacts[Channel.TELEGRAM], enabled=False)
    reply(camille, "help")
    assert [row.channel for row in world.notifications()] == [Channel.TELEGRAM]
    assert len(whole.messages()) == 1


# The buttons of a slot alert, and its message once it is answered

FOUR = ["Trouvé", "Trop tard", "La page ne montre rien", "Arrêter"]


@pytest.fixture
def answering(whole: "Running", frozen: time_machine.Traveller) -> world.Person:
    who = world.person(channels=(Channel.TELEGRAM, Channel.EMAIL))
    world.alert(who)
    return who


def alerts_in_chat() -> list[Notification]:
    return [
        row
        for row in world.notifications()
        if row.kind == "slot_detected" and row.channel is Channel.TELEGRAM
    ]


def answer(value: AnswerValue, *matches: UUID) -> None:
    """Store an answer to these matches, by default to all."""
    with session() as s:
        ids = matches or list(s.scalars(sa.select(Match.id)))
        for each in ids:
            s.merge(MatchAnswer(match_id=each, value=value, answered_at=clock(), via=AnswerVia.TELEGRAM))


def edit(frozen: time_machine.Traveller, who: world.Person, key: str = "1", **params: Any) -> Notification:
    """Write the edit of the one message, deliver it, and return its row."""
    rows = alerts_in_chat()
    sent = rows[0].accepted_at
    assert sent is not None
    values = {
        "message": rows[0].provider_id, "alerts": [str(row.id) for row in rows], "sent": sent.isoformat(),
    }  # fmt: skip
    with session() as s:
        (key_of,) = notifier.create_notifications(s, who.id, "slot_answered", values | params, f"edit:{key}")
    frozen.shift(1)  # Telegram takes one message a second in a chat
    deliver(str(key_of))
    return next(row for row in world.notifications() if row.id == key_of)


def shown(whole: "Running") -> "Message":
    (message,) = whole.messages("telegram")
    return message


def labels(message: "Message") -> list[str]:
    return [each.text for each in message.draft.buttons]


def test_a_slot_alert_asks_by_buttons_that_name_it_each_of_a_crowd_its_own(
    whole: "Running", answering: world.Person
) -> None:
    for number in range(3):
        world.alert(world.person(channels=(Channel.TELEGRAM,), addresses={Channel.TELEGRAM: f"{number + 1}"}))
    world.announce()
    named = set()
    for message in whole.messages("telegram"):
        assert labels(message) == ["Réserver maintenant", *FOUR]
        assert [each.row for each in message.draft.buttons] == [0, 1, 1, 2, 3]
        asked = [read_button(each.data) for each in message.draft.buttons[1:]]
        (key,) = {each.notification_id for each in asked if isinstance(each, AnswerButton)}
        assert asked == [AnswerButton(value.value, key, None) for value in AnswerValue]
        named.add(key)
    assert named == {row.id for row in alerts_in_chat()}
    assert len(named) == 4
    (mail,) = whole.messages("email")
    assert "%answered%" not in f"{mail.text}{mail.html}"


@pytest.mark.parametrize("value", AnswerValue)
def test_the_answer_is_shown_and_marked_in_the_message(
    whole: "Running", frozen: time_machine.Traveller, answering: world.Person, value: AnswerValue
) -> None:
    world.announce()
    answer(value)
    row = edit(frozen, answering)
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
        assert (first.text, first.url) == ("Réserver maintenant", world.URL)


@pytest.mark.parametrize(("again", "offered"), [(False, []), (True, ["Trouvé", "✓ Trop tard", *FOUR[2:]])])
def test_after_an_hour_an_answer_is_offered_only_to_what_was_announced_again(
    whole: "Running",
    frozen: time_machine.Traveller,
    answering: world.Person,
    offered: list[str],
    *,
    again: bool,
) -> None:
    world.announce()
    answer(AnswerValue.TOO_LATE)
    frozen.shift(timedelta(hours=1))
    if again:
        world.change(Match, one(Match).id, decided_at=clock())
    edit(frozen, answering)
    assert labels(shown(whole)) == ["Réserver maintenant", *offered]
    assert "Votre réponse\u00a0: Trop tard" in shown(whole).text


def test_what_is_gone_can_still_be_answered_and_stays_gone_until_it_is_too_old(
    whole: "Running", frozen: time_machine.Traveller, answering: world.Person
) -> None:
    opened = world.announce()
    world.stay_gone(frozen, opened)
    world.run_job()
    assert labels(shown(whole)) == FOUR
    (row,) = alerts_in_chat()
    assert read_button(shown(whole).draft.buttons[0].data) == AnswerButton("found", row.id, None)
    answer(AnswerValue.TOO_LATE)
    edit(frozen, answering)
    assert "n’est plus proposé" in shown(whole).text
    assert "Votre réponse\u00a0: Trop tard" in shown(whole).text
    assert labels(shown(whole)) == ["Trouvé", "✓ Trop tard", *FOUR[2:]]
    frozen.shift(timedelta(hours=48))
    answer(AnswerValue.FOUND)
    assert edit(frozen, answering, "2").reason == "too old to be edited"
    assert "Trop tard" in shown(whole).text


def test_slots_that_go_after_the_answer_leave_it_shown(
    whole: "Running", frozen: time_machine.Traveller, answering: world.Person
) -> None:
    opened = world.announce()
    answer(AnswerValue.FOUND)
    edit(frozen, answering)
    world.stay_gone(frozen, opened)
    world.run_job()
    assert "n’est plus proposé" in shown(whole).text
    assert "Votre réponse\u00a0: Trouvé" in shown(whole).text
    assert labels(shown(whole))[0] == "Ajouter la date"


def test_of_several_alerts_the_buttons_ask_which(
    whole: "Running", frozen: time_machine.Traveller, answering: world.Person
) -> None:
    world.alert(answering, name="Maman <b>")
    world.announce()
    edit(frozen, answering, asks="found")
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
    assert matches == {row.id for row in world.all_of(Match)}
    answer(AnswerValue.FOUND, min((row.id for row in world.all_of(Match)), key=str))
    edit(frozen, answering, "2")
    assert "Votre réponse\u00a0: Trouvé" in shown(whole).text
    assert not any(text.startswith("✓") for text in labels(shown(whole)))
    assert labels(shown(whole)) == ["Réserver maintenant", *FOUR], "the other alert waits still"


def test_of_several_desks_what_is_about_a_page_asks_for_the_desk(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = world.person(channels=(Channel.TELEGRAM,))
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    written = [
        world.matched(world.detection(world.slots(desk_id=desk), desk_id=desk))
        for desk in (world.DESK, world.OTHER_DESK)
    ]
    deliver(str(written[0][0]))
    assert len(alerts_in_chat()) == 2
    edit(frozen, who, "1", asks="nothing_there")
    assert "De quel guichet s’agit-il" in shown(whole).text
    assert len(labels(shown(whole))) == 4, "two desks, all, back"
    edit(frozen, who, "2", asks="found")
    assert labels(shown(whole)) == FOUR, "it is about one alert"


def test_nothing_is_edited_in_a_chat_that_was_lost(answering: world.Person) -> None:
    world.announce()
    answer(AnswerValue.FOUND)
    with session() as s:
        values = {"message": "1", "alerts": [str(alerts_in_chat()[0].id)], "sent": clock().isoformat()}
        (key,) = notifier.create_notifications(s, answering.id, "slot_answered", values, "edit")
    world.change(Contact, answering.contacts[Channel.TELEGRAM], state=ContactState.BLOCKED)
    deliver(str(key))
    (row,) = world.notifications(State.SKIPPED)
    assert (row.id, row.reason) == (key, "address blocked")
