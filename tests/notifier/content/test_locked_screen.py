"""Locked screens show no procedure: an SMS, a subject, the beginning of a mail, a notice of Telegram."""

import re
from html import unescape
from typing import Any

import pytest
from werkzeug.routing import RequestRedirect

from api.app import create_app
from api.pages.choices import PROCEDURE_NAMES
from configs.world.prefecture import Procedure, desks
from notifier.content.desk_location import DeskInfo, desk_infos, name_desk
from notifier.content.message_kind_base import TemplateContext
from notifier.content.messages import choose_notice_language, languages_of, render, render_notice
from notifier.content.outgoing_message import RenderedMessage
from notifier.message_kinds import kinds
from tests.in_turn import in_turn
from tests.notifier.content.test_messages import FACTS, SLOT, SPOTS, TEXTS
from tests.notifier.world import URL

# To operators, about a page and no alert.
_OPERATORS = {"desk_trouble", "operations", "payment_trouble"}
_SHOWN = (
    150  # letters of a mail's beginning: a phone shows two to five lines, in each half as many of Chinese
)

_LABELS = {each: f"{each.value.replace('_', ' ').capitalize()} – renouvellement" for each in Procedure}
_SPOILER = re.compile(r"<tg-spoiler>.*?</tg-spoiler>", re.DOTALL)


def facts_with(kind: str, label: str) -> dict[str, Any]:
    """Return a kind's facts with every desk, and every alert, called by this label."""
    spots = [DeskInfo(spot.where, label, spot.url) for spot in SPOTS]
    named: dict[str, Any] = {
        "openings": [SLOT | {"label": label}], "stops": [(label, URL), (label, URL)], "sms_stop_page": URL,
        "spots": spots, "spot": spots[0],
        "name": label,
    }  # fmt: skip
    return FACTS[kind] | {key: value for key, value in named.items() if key in FACTS[kind]}


def strip_tags(page: str) -> str:
    """Return the words of a page, also those that only previews show."""
    body = re.sub(r"<(style|title)\b.*?</\1>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", body))


def list_shown(channel: str, made: RenderedMessage) -> list[str]:
    """Return the texts of a message that a locked screen may show."""
    if channel == "sms":
        return [made.text, made.brief]
    if channel == "telegram":
        return [strip_tags(_SPOILER.sub("", made.html)), made.button.label if made.button else ""]
    begins = (re.sub(r"\s*\n\s*", " ", each).strip() for each in (made.text, strip_tags(made.html)))
    return [
        made.subject,
        *(each[: _SHOWN - sum(character > "\u2e80" for character in each[:75])] for each in begins),
    ]


@in_turn("kind, language, channel", [each for each in TEXTS if each[0] not in _OPERATORS])
def test_no_procedure_stands_where_a_locked_screen_shows_it(kind: str, language: str, channel: str) -> None:
    for procedure, label in _LABELS.items():
        made = render(kind, channel, language, TemplateContext(facts_with(kind, label), URL))
        names = [label]
        if procedure is not Procedure.AUTRE:  # a common word
            names += [procedure.value, str(PROCEDURE_NAMES[procedure])]
        for shown in list_shown(channel, made):
            for name in names:
                assert not re.search(rf"\b{re.escape(name)}\b", shown, re.IGNORECASE)


def test_the_name_of_a_desk_is_in_the_message_all_the_same() -> None:
    for channel in ("email", "telegram"):
        made = render(
            "slot_detected", channel, "fr", TemplateContext(facts_with("slot_detected", "Visa"), URL)
        )
        assert "Visa" in made.html


def test_a_desk_whose_name_reveals_health_has_another_one_in_messages() -> None:
    revealing = [desk for desk in desks().values() if desk.reveals_health]
    assert "strasbourg_67/etrangers-malades-protection" in {desk.id for desk in revealing}
    for desk in revealing:
        assert name_desk(desk.id, desk.label) == desk.neutral_label
        assert [spot.label for spot in desk_infos([desk.id])] == [desk.neutral_label]


def test_a_desk_that_left_the_files_is_not_named_if_its_name_reveals_health() -> None:
    assert name_desk("gone_99/a", "Étrangers malades") == "Guichet de la préfecture"
    assert name_desk("gone_99/a", "Naturalisation") == "Naturalisation"


# Texts of notices

NOTICED = sorted(name for name, kind in kinds().items() if kind.makes_notice)
NOTICE_TEXTS = sorted(
    (kind, language)
    for kind in NOTICED
    for language in languages_of(kind)
    if choose_notice_language(kind, language) == language
)


@in_turn("kind, language", NOTICE_TEXTS)
def test_a_title_names_no_procedure(kind: str, language: str) -> None:
    for procedure in set(Procedure) - {Procedure.AUTRE}:
        label = f"{PROCEDURE_NAMES[procedure]} – renouvellement"
        title = render_notice(kind, language, facts_with(kind, label)).title.lower()
        assert label.lower() not in title
        assert str(PROCEDURE_NAMES[procedure]).lower() not in title


def test_a_text_of_ten_thousand_characters_is_cut() -> None:
    label = "<b>\u202e🏛️" * 2500
    made = render_notice("desk_unwatched", "fr", facts_with("desk_unwatched", label))
    assert len(made.body) == 4000
    assert "<b>🏛" in made.body  # text: who shows it escapes it
    assert "\u202e" not in made.body


@pytest.mark.usefixtures("redis_server")
def test_each_link_is_a_page(settings_env: Any) -> None:
    settings_env()
    router = create_app().url_map.bind("localhost", url_scheme="https")
    for kind in NOTICED:
        link = kinds()[kind].notice_link
        assert link is not None
        try:
            endpoint, _ = router.match(link, "GET")
        except RequestRedirect:
            endpoint = ""
        assert endpoint, link
