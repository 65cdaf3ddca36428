"""Ten desks with long names in one message, ten alerts with long names, and answers: Telegram still takes it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from api.models.slot import Detection
from configs.world.languages import MESSAGE_LANGUAGES
from configs.world.prefecture import prefectures
from deploy.sandbox.providers.telegram import visible_text
from notifier.content.message_kind_base import TemplateContext
from notifier.content.messages import render, shorten
from notifier.content.open_slots import OpenedSlot
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink, merge
from tests.notifier.world import URL

_AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
_TELEGRAM = 4096  # UTF-16 code units: https://core.telegram.org/bots/api#sendmessage


def build_merged(language: str, letter: str) -> TemplateContext:
    """Return the context of one message about ten desks, of the prefectures with the longest names."""
    cache = ContentCache()
    slots = tuple(OpenedSlot(number, "2026-11-26T09:00:00+01:00", _AT, _AT) for number in range(9))
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


@pytest.mark.parametrize("letter", ["W", "👩", "<"])
@pytest.mark.parametrize("language", MESSAGE_LANGUAGES)
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


def test_a_character_of_two_units_is_not_cut_in_half() -> None:
    assert [shorten("a👩👩", each) for each in (5, 4, 3, 2)] == ["a👩👩", "a👩…", "a…", "a…"]
