"""Every kind of message on every channel in every language: complete, translated, escaped, not too long, and discreet."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from jinja2 import meta, nodes
from werkzeug.routing import RequestRedirect

from api.app import create_app
from api.models.notification import Priority
from api.models.user import Channel
from api.pages.choices import PROCEDURE_NAMES
from configs.ground.clock import clock
from configs.ground.text import FRENCH, MESSAGE_LANGUAGES, OTHER_SCRIPTS, RIGHT_TO_LEFT
from configs.world.desk import Procedure
from configs.world.prefecture import desks
from deploy.sandbox.providers.telegram import visible_text
from notifier.content.desk_location import DeskInfo, desk_infos, name_desk
from notifier.content.message_kind_base import ClaimedRow, RenderedMessage, TemplateContext
from notifier.content.messages import (
    SUMMARY,
    environment,
    find_part,
    languages_of,
    read_parts,
    render,
    render_notice,
    speaks,
)
from notifier.content.sms_text import LONGEST, fit_text, segments
from notifier.message_kinds import kinds, operators
from tests.in_turn import in_turn
from tests.notifier.content.message_samples import SampleSize, list_samples
from tests.notifier.content.test_messages import FACTS, SLOT, SPOTS, TEXTS
from tests.notifier.world import URL

pytestmark = pytest.mark.xdist_group("texts")  # templates are compiled once by each process
_SUBJECT, _TELEGRAM = 150, 4096  # characters; https://core.telegram.org/bots/api#sendmessage
# What binds is French, with English for its readers, below a summary in each other language.
_BINDING = {"order", "renewal_soon", "cancelled", "withdrawal_received", "withdrawn", "cancel_noticed"}
_TYPED = {"announcement", "news"}  # whose title an operator types in each language
_OURS = re.compile(
    r"RDVPriority|Telegram|Stripe|SMS|STOP\b:?|\S*://\S*|\S+@\S+|%\w+%|e-?mail|/unlink", re.IGNORECASE
)


def make(kind: str, language: str, channel: str, size: SampleSize = SampleSize.USUAL) -> RenderedMessage:
    return render(kind, channel, language, list_samples(kind, language, size))


def parts(made: RenderedMessage) -> dict[str, str]:
    label = made.button.label if made.button else ""
    choices = [each.label for row in made.choices for each in row]
    named = {f"choice {number}": label for number, label in enumerate(choices)} | {
        "text": made.text,
        "html": made.html,
        "subject": made.subject,
        "brief": made.brief,
        "button": label,
    }
    return {name: text for name, text in named.items() if text}


def strings(value: Any) -> set[str]:
    """Return every text among the values."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        return strings(list(value.values()))
    if isinstance(value, list | tuple):
        return {text for each in value for text in strings(each)}
    return set()


@lru_cache
def own_lines(kind: str, language: str, channel: str) -> set[str]:
    """Return the lines that the templates have of themselves: without the values, and with at least 15 letters."""
    made = make(kind, language, channel)
    text = made.text or strip_tags(made.html)
    for value in sorted(
        strings(list_samples(kind, language, SampleSize.USUAL).values), key=len, reverse=True
    ):
        text = text.replace(value, "") if len(value) > 1 else text
    lines = {_OURS.sub("", line).strip() for line in text.splitlines()}
    return {line for line in lines if sum(map(str.isalpha, line)) >= 15}


def test_what_a_person_can_get_has_no_hole_in_any_language() -> None:
    every, two = set(MESSAGE_LANGUAGES), {FRENCH, "en"}
    for kind in kinds().keys() - operators.KINDS.keys():
        summarized = {each for each in every if f"{SUMMARY}/{each}/{kind}" in read_parts()}
        assert languages_of(kind) == (two if kind in _BINDING else every), kind
        assert summarized == (every - two if kind in _BINDING else set()), kind
    assert all(languages_of(kind) <= two for kind in operators.KINDS)


def list_values(start: str, kind: str) -> set[str]:
    """Return the values of a kind that the texts of a language name, and their attributes."""
    found = set[str]()
    for source in (each for name, each in read_parts().items() if name.startswith(start)):
        text = environment(escaping=False).parse(source)
        found |= meta.find_undeclared_variables(text) & FACTS[kind].keys()
        found |= {
            f".{each.attr}"
            for each in text.find_all(nodes.Getattr)
            if isinstance(each.node, nodes.Name) and each.node.name not in ("words", "loop")
        }
    return found


@in_turn("kind", sorted(kinds().keys() - operators.KINDS.keys()))
def test_a_kind_names_the_same_values_in_each_language(kind: str) -> None:
    spoken = {each: list_values(f"{kind}/{each}/", kind) for each in languages_of(kind)}
    assert {each: named for each, named in spoken.items() if named != spoken[FRENCH]} == {}
    starts = [f"{SUMMARY}/{each}/{kind}" for each in MESSAGE_LANGUAGES.keys() - languages_of(kind)]
    assert len({frozenset(list_values(start, kind)) for start in starts}) <= 1


def test_a_kind_has_the_same_channels_and_parts_in_each_language() -> None:
    for kind in kinds():
        for channel in sorted(Channel):
            if speaks(kind, FRENCH, channel):
                found = {each: set(parts(make(kind, each, channel))) for each in languages_of(kind)}
                assert len({frozenset(each) for each in found.values()}) == 1, (kind, channel, found)
            else:
                assert not any(speaks(kind, each, channel) for each in languages_of(kind)), (kind, channel)


@pytest.mark.parametrize("size", SampleSize)
@in_turn("kind, language, channel", TEXTS)
def test_a_text_is_complete_and_escaped_with_every_value(
    kind: str, language: str, channel: str, size: SampleSize
) -> None:
    made = make(kind, language, channel, size)
    for name, part in parts(made).items():
        assert "None" not in part
        assert not re.search(r"{{|{%|\u202e", part)
        assert "<i7>" not in part or name != "html"
        assert name == "html" or not re.search(r"&(amp|lt|gt|#3[49]);", part)
    if channel == "email":
        assert made.html and made.text  # noqa: PT018 -- both or neither is one thing
        assert 0 < len(made.subject) <= _SUBJECT
    if channel == "telegram":
        shown, problem = visible_text(made.html)
        assert problem is None
        assert len(shown) <= _TELEGRAM


@in_turn("kind, language", sorted(each[:2] for each in TEXTS if each[2] == "sms"))
def test_an_sms_keeps_its_place_and_its_link(kind: str, language: str) -> None:
    for size in SampleSize:
        context = list_samples(kind, language, size)
        said = fit_text(render(kind, "sms", language, context))
        assert 0 < len(said) <= LONGEST
        if kind == "slot_detected":
            one = context.values["openings"][0]
            assert f"({one['department']})" in said
            assert f"{one['url']} " in f"{said} "
        if kind == "release_soon":
            assert context.values["spot"].url in said
            assert f"({context.values['spot'].where.partition('(')[2]}" in said
        assert segments(said) <= (2 if size is SampleSize.USUAL else 24)


@in_turn("kind", sorted(kinds().keys() - {"announcement", "news"}))  # operators write their words
def test_no_two_languages_say_the_same(kind: str) -> None:
    for channel in sorted(Channel):
        spoken = [each for each in sorted(languages_of(kind)) if speaks(kind, each, channel)]
        said = {each: parts(make(kind, each, channel)) for each in spoken}
        lines = {each: own_lines(kind, each, channel) for each in spoken}
        for one, other in combinations(spoken, 2):
            for name in said[one].keys() - ({"subject"} if kind in _TYPED else set()):
                assert said[one][name] != said[other][name], (kind, channel, name, one, other)
            assert not lines[one] & lines[other], (kind, channel, one, other)


@in_turn("kind", sorted(name for name, kind in kinds().items() if kind.notice_link))
def test_a_notice_exists_in_each_language_of_its_kind_and_its_title_names_no_procedure(kind: str) -> None:
    languages = sorted(languages_of(kind))
    assert all(find_part(kind, each, name) for each in languages for name in ("title", "notice"))
    made = [
        render_notice(kind, each, list_samples(kind, each, SampleSize.USUAL).values) for each in languages
    ]
    assert len({notice.title for notice in made}) == len({notice.body for notice in made}) == len(languages)
    for size in SampleSize:
        for each in languages:
            body = render_notice(kind, each, list_samples(kind, each, size).values).body
            assert body
            assert not re.search(r"None|{{|{%|\u202e|&(amp|lt|gt|#3[49]);|http://localhost:4000/l/", body)
    for each in languages:
        title = render_notice(kind, each, facts_with(kind, ", ".join(_LABELS))).title
        assert not _NAMED.search(title), title


def name_script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def test_languages_of_other_scripts_and_directions_are_known() -> None:
    assert (sorted(OTHER_SCRIPTS), sorted(RIGHT_TO_LEFT)) == (["ar", "hi", "ru", "zh"], ["ar"])


@in_turn("language", sorted(OTHER_SCRIPTS))
def test_a_language_is_written_in_its_own_letters(language: str) -> None:
    own_letters = {
        name_script(MESSAGE_LANGUAGES[language][0]),
        "IDEOGRAPHIC",
        "FULLWIDTH",
    }  # Chinese full stops, commas
    counted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for kind, spoken, channel in TEXTS:
        if spoken == language:
            for line in own_lines(kind, language, channel):
                counted[kind][0] += sum(name_script(each) in own_letters for each in line)
                counted[kind][1] += len(re.findall(r"[A-Za-zÀ-ÿ]", line))
    speaking = {kind for kind in kinds() if language in languages_of(kind)}
    assert speaking - set(counted) <= {"call_missed"}, "of few words"
    for kind, (own, latin) in counted.items():
        assert latin * 20 < own, (kind, own, latin)


def test_the_end_of_a_second_factor_differs_from_its_announcement() -> None:
    for kind, language, channel in TEXTS:
        if kind == "factor_end":
            values = list_samples(kind, language, SampleSize.USUAL).values
            coming, ended = (
                parts(render(kind, channel, language, TemplateContext(values | {"ended": each}, URL)))
                for each in (False, True)
            )
            assert all(coming[name] != ended[name] for name in coming), (language, channel)
            assert values["since_day"] in ended["html" if channel == "telegram" else "text"]


def test_an_unknown_language_is_french() -> None:
    for kind in kinds():
        for channel in sorted(Channel):
            if speaks(kind, FRENCH, channel):
                context = list_samples(kind, FRENCH, SampleSize.USUAL)
                assert render(kind, channel, "tlh", context) == render(kind, channel, FRENCH, context)
    row = ClaimedRow(UUID(int=0), Channel.EMAIL, "welcome", "tlh", {}, Priority.BULK, 1, 0, clock())
    assert row.language == FRENCH


@in_turn(
    "language, forms",
    [
        ("fr", ["0 créneau ouvert", "1 créneau ouvert", "2 créneaux ouverts"]),
        ("en", ["0 open slots", "1 open slot", "2 open slots"]),
        ("ru", ["0 свободных мест", "1 свободное место", "2 свободных места", "5 свободных мест", "21 свободное место"]),
        ("ar", ["لا مواعيد متاحة", "موعد واحد متاح", "موعدان متاحان", "3 مواعيد متاحة", "11 موعدًا متاحًا", "100 موعد متاح"]),
    ],
)  # fmt: skip
def test_numbers_have_the_forms_of_their_language(language: str, forms: list[str]) -> None:
    counts = {"ru": (0, 1, 2, 5, 21), "ar": (0, 1, 2, 3, 11, 100)}.get(language, (0, 1, 2))
    context = list_samples("slot_detected", language, SampleSize.USUAL)
    for count, form in zip(counts, forms, strict=True):
        openings = [context.values["openings"][0] | {"count": count}]
        made = render(
            "slot_detected", "email", language, TemplateContext(context.values | {"openings": openings})
        )
        assert f"\n{form}\n" in made.text


# Locked screens show no procedure: an SMS, a subject, the beginning of a mail, a notice of Telegram


# To operators, about a page and no alert.
_OPERATORS = {"desk_trouble", "operations", "payment_trouble"}
_SHOWN = (
    150  # letters of a mail's beginning: a phone shows two to five lines, in each half as many of Chinese
)

_NAMES = {
    each.value: str(PROCEDURE_NAMES[each]) for each in Procedure if each is not Procedure.AUTRE
}  # a common word
_LABELS = [f"{each} – renouvellement" for each in (*_NAMES.values(), "Autre")]
_NAMED = re.compile(
    "|".join(rf"\b{re.escape(each)}\b" for each in (*_LABELS, *_NAMES, *_NAMES.values())), re.IGNORECASE
)
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
    made = render(kind, channel, language, TemplateContext(facts_with(kind, ", ".join(_LABELS)), URL))
    for shown in list_shown(channel, made):
        assert not _NAMED.search(shown), shown


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
    for link in filter(None, (kind.notice_link for kind in kinds().values())):
        try:
            endpoint, _ = router.match(link, "GET")
        except RequestRedirect:
            endpoint = ""
        assert endpoint, link
