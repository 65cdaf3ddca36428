import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from api.models.bot_buttons import ALL, BACK, MOST_BYTES, AnswerButton, read_button, shorten_id
from api.models.slot import Detection, SlotRow
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.prefecture import prefectures
from deploy.sandbox.providers.telegram import visible_text
from notifier.content.desk_location import location_of, name_city, write_day
from notifier.content.message_kind_base import Choices, RenderedMessage, TemplateContext
from notifier.content.messages import render, shorten
from notifier.content.slot_alert_content import (
    ANSWERED,
    ContentCache,
    SlotOpening,
    StopLink,
    list_answer_choices,
    list_option_choices,
    merge,
)
from notifier.content.sms_text import _BASIC, _EXTENDED, fit_text, length, segments, to_gsm
from tests.in_turn import in_turn
from tests.notifier.world import DESK, PREFECTURE, TOWN_HALLS, URL


@in_turn(
    "text, expected",
    [
        ("Créneau à Évry", "Créneau à Évry"),
        ("Forêt, île, août, Noël, ça", "Foret, ile, aout, Noel, ca"),
        ("l’alerte «\u202fété\u202f»…", 'l\'alerte " été "...'),
        ("cœur – 5\u00a0€", "coeur - 5 €"),
        ("rendez-vous 🎉 ici", "rendez-vous  ici"),
        ("Đà Nẵng", "à Nang"),
        ("[~]{}\\|^", "[~]{}\\|^"),
    ],
)
def test_what_does_not_fit_the_alphabet_is_said_otherwise(text: str, expected: str) -> None:
    assert to_gsm(text) == expected


@in_turn(
    "text, places, paid",
    [
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("€" * 80, 160, 1),
        ("€" * 81, 162, 2),
        ("a" * 307, 307, 3),
        ("", 0, 1),
        ("я" * 70, 70, 1),
        ("я" * 71, 71, 2),
        ("я" * 135, 135, 3),
        ("🎉" * 35, 70, 1),
        ("a" * 70 + "好", 71, 2),
    ],
)
def test_segments_are_counted_as_the_networks_do(text: str, places: int, paid: int) -> None:
    assert (length(text), segments(text)) == (places, paid)


@in_turn(
    "language, text, sent",
    [
        ("ru", "Место «Ж» – 5\u00a0€", 'Место "Ж" - 5 €'),
        ("ar", "\u2068Paris (75)\u2069 موعد", "Paris (75) موعد"),
        ("es", "¡Está aquí, mañana!", "¡Esta aqui, mañana!"),
        ("", "Место", ""),
    ],
)
def test_only_languages_without_latin_letters_leave_the_alphabet(language: str, text: str, sent: str) -> None:
    assert fit_text(RenderedMessage(text=text, language=language)) == sent


def test_the_brief_text_is_taken_where_it_saves_a_segment() -> None:
    long, brief = "я" * 71, "я" * 70
    assert fit_text(RenderedMessage(text=long, brief=brief, language="ru")) == brief
    assert fit_text(RenderedMessage(text=long, brief=long[:-1] + "яя", language="ru")) == long


def test_the_result_is_in_the_alphabet_and_what_is_in_it_stays_as_it_is() -> None:
    made = to_gsm("".join(map(chr, range(sys.maxunicode))))
    assert set(made) <= _BASIC | _EXTENDED
    assert to_gsm(made) == made.replace("`", "'")


@in_turn(
    "desk_id, prefecture_id, place",
    [
        (DESK, PREFECTURE, ("Essonne", "91", "Europe/Paris")),
        (f"{PREFECTURE}/gone", PREFECTURE, ("Essonne", "91", "Europe/Paris")),
        ("fort-de-france_972/x", "fort-de-france_972", ("Martinique", "972", "America/Martinique")),
        # without a file, read off the id
        ("nowhere_2a/x", "nowhere_2a", ("Nowhere", "2A", "Europe/Paris")),
        ("fort-of-nobody_972/x", "fort-of-nobody_972", ("Fort-Of-Nobody", "972", "Europe/Paris")),
        ("odd/x", "odd", ("Odd", "", "Europe/Paris")),
    ],
)
def test_a_place_has_its_prefectures_name_department_and_hours(
    desk_id: str, prefecture_id: str, place: tuple[str, ...]
) -> None:
    where = location_of(desk_id, prefecture_id)
    assert (where.name, where.department, where.zone.key) == place


@in_turn(
    "zone, language, city",
    [("Europe/Paris", "fr", "Paris"), ("Europe/Paris", "ru", "Париж"), ("Indian/Reunion", "de", "Réunion"),
     ("America/Cayenne", "zh", "卡宴")],
)  # fmt: skip
def test_a_desks_city_is_called_as_its_reader_calls_it(zone: str, language: str, city: str) -> None:
    assert name_city(ZoneInfo(zone), language) == city


# Ten desks with long names in one message, ten alerts with long names, and answers

_AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
_TELEGRAM = 4096  # UTF-16 code units: https://core.telegram.org/bots/api#sendmessage


def build_merged(language: str, letter: str) -> TemplateContext:
    """Return the context of one message about ten desks, of the prefectures with the longest names."""
    cache = ContentCache()
    slots = tuple(
        SlotRow(id=number, moment="2026-11-26T09:00:00+01:00", starts_at=_AT, opened_at=_AT)
        for number in range(9)
    )
    contexts = []
    for place in sorted(prefectures(), key=lambda each: -len(prefectures()[each].name))[:10]:
        detection = Detection(
            id=uuid4(), desk_id=f"{place}/x", prefecture_id=place, procedures=["NATURALISATION"], label=letter * 300,
            site=letter * 300, booking_url=URL, seen_at=_AT, committed_at=_AT,
        )  # fmt: skip
        opening = SlotOpening(detection, slots, _AT, _AT - timedelta(hours=2))
        contexts.append(cache.context([opening], [StopLink(uuid4(), letter * 80)] * 2, language))
    return merge(contexts, language)


def count_units(html: str) -> float:
    shown, problem = visible_text(html)
    assert problem is None
    return len(shown.encode("utf-16-le")) / 2


@pytest.mark.parametrize("letter", ["👩", "<"])
@in_turn("language", MESSAGE_LANGUAGES)
def test_ten_desks_and_ten_alerts_fit(language: str, letter: str) -> None:
    context = build_merged(language, letter)
    assert count_units(render("slot_detected", "telegram", language, context).html) <= _TELEGRAM
    answered = {
        "given": [{"value": "nothing_there", "name": letter * 120}] * 4, "asks": "nothing_there", "is_found": False,
        "gone_hour": "10:00",
    }  # fmt: skip
    for is_gone in (False, True):
        edit = replace(context, values=context.values | answered | {"is_gone": is_gone})
        assert count_units(render("slot_answered", "telegram", language, edit).html) <= _TELEGRAM


@in_turn(
    "told, site, url",
    [
        ([2], "Mairie de Palaiseau", "https://rendezvousonline.fr/alias/palaiseau-91120"),
        ([1, 2], "Mairie de Massy, Mairie de Palaiseau", "https://rendezvousonline.fr/"),
        ([1, 3], "Mairie de Massy", "https://rendezvousonline.fr/"),
    ],
)
def test_a_departments_message_names_the_town_halls_of_its_own_slots(
    told: list[int], site: str, url: str
) -> None:
    halls = {
        1: ("massy-91300", "Mairie de Massy"),
        2: ("palaiseau-91120", "Mairie de Palaiseau"),
        3: ("massy-91300-2", "Mairie de Massy"),
    }
    last = Detection(
        id=uuid4(), desk_id=TOWN_HALLS, prefecture_id=PREFECTURE, procedures=["PASSEPORT"], label="Mairies",
        site="Mairie de Massy", booking_url=URL, seen_at=_AT, committed_at=_AT,
    )  # fmt: skip
    slots = tuple(
        SlotRow(
            id=each, moment=_AT.isoformat(), starts_at=_AT, place_key=halls[each][0], place_label=halls[each][1],
            url=f"https://rendezvousonline.fr/alias/{halls[each][0]}",
        )
        for each in told
    )  # fmt: skip
    context = ContentCache().context([SlotOpening(last, slots, _AT)], [], "fr")
    (shown,) = context.values["openings"]
    assert (shown["site"], shown["url"], context.url) == (site, url, url)


def test_a_character_of_two_units_is_not_cut_in_half() -> None:
    assert [shorten("a👩👩", each) for each in (5, 4, 3, 2)] == ["a👩👩", "a👩…", "a…", "a…"]


# Buttons of slot alerts in a chat

ANSWERS = ["found", "too_late", "nothing_there", "stopped"]


def pressed(choices: Choices) -> list[AnswerButton]:
    """Return what the buttons send, once the tag is filled in."""
    key = shorten_id(uuid4())
    sent = [each.data.replace(ANSWERED, key) for row in choices for each in row]
    assert all(0 < len(data.encode()) <= MOST_BYTES for data in sent)
    read = [read_button(data) for data in sent]
    return [each for each in read if isinstance(each, AnswerButton)]


@in_turn("language", MESSAGE_LANGUAGES)
def test_the_four_answers_are_offered_in_every_language(language: str) -> None:
    choices = list_answer_choices(language)
    assert [each.answer for each in pressed(choices)] == ANSWERS
    labels = [each.label for row in choices for each in row]
    assert len(set(labels)) == len(labels)
    assert all(label == label.strip() and "\n" not in label for label in labels)


def test_of_very_many_matches_as_many_have_a_button_as_telegram_takes() -> None:
    choices = list_option_choices("fr", "stopped", [(uuid4(), f"Paris (75) · {each}") for each in range(200)])
    assert len([each for row in choices for each in row]) <= 99, "one more leads to the page"
    assert pressed(choices)[-1].answer == BACK


@in_turn("answer", ANSWERS)
def test_of_several_matches_each_has_a_button(answer: str) -> None:
    options = [(uuid4(), "Essonne (91) · Maman"), (uuid4(), "Paris (75) · " + "x" * 300)]
    choices = list_option_choices("fr", answer, options)
    sent = pressed(choices)
    assert [each.match for each in sent[:2]] == [match_id for match_id, _ in options]
    assert {each.answer for each in sent[:-1]} == {answer}
    assert (sent[-1].answer, sent[-1].match) == (BACK, None)
    assert (ALL in [each.match for each in sent]) is (answer != "found")
    labels = [each.label for row in choices for each in row]
    assert labels[0] == "1. Essonne (91) · Maman"
    assert max(map(len, labels)) < 50


@in_turn("form", ["medium", "long", "full"])
def test_only_french_writes_the_first_of_a_month_as_an_ordinal(form: str) -> None:
    days = [(date(2026, month, day), day == 1) for month in range(1, 13) for day in (1, 11, 21)]
    for language in MESSAGE_LANGUAGES:
        for day, is_first in days:
            assert ("1er " in write_day(day, language, form)) is (is_first and language == "fr")
