"""Names of ten thousand characters with markup, overrides of direction and emoji, from a detection to each channel."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from api.models.slot import Detection
from configs.world.languages import MESSAGE_LANGUAGES
from notifier.content.message_kind_base import TemplateContext
from notifier.content.messages import render, render_notice
from notifier.content.open_slots import OpenedSlot
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.content.sms_text import LONGEST, fit_text
from tests.notifier.world import DESK, PREFECTURE, URL

_NAME = "<b>&\u202e\u2067👩‍👩‍👧" * 1_250
_AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
_TELEGRAM = 4096  # characters: https://core.telegram.org/bots/api#sendmessage


def build_alert(language: str) -> TemplateContext:
    detection = Detection(
        id=uuid4(), desk_id=DESK, prefecture_id=PREFECTURE, procedures=["NATURALISATION"], label=_NAME, site=_NAME,
        booking_url=URL, seen_at=_AT, committed_at=_AT,
    )  # fmt: skip
    slot = OpenedSlot(1, "2026-11-26", None, _AT)
    stops = [StopLink(uuid4(), _NAME[:80]) for _ in range(12)]
    return ContentCache().context([SlotOpening(detection, (slot,), _AT)], stops, language)


@pytest.mark.parametrize("language", MESSAGE_LANGUAGES)
def test_a_slot_alert_keeps_its_link_on_every_channel(language: str) -> None:
    context = build_alert(language)
    assert URL in fit_text(sms := render("slot_detected", "sms", language, context))
    assert len(fit_text(sms)) <= LONGEST
    mail = render("slot_detected", "email", language, context)
    assert f'href="{URL}"' in mail.html
    assert URL in mail.text
    assert "<b>&" not in mail.html
    assert "\u202e" not in mail.html + mail.text
    assert URL in render_notice("slot_detected", language, context.values).body
