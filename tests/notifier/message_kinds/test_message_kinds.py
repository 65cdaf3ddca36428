from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from notifier.content.message_kind_base import Skip, TemplateContext
from notifier.message_kinds import kind_of

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=15)


def contact(**values: Any) -> Contact:
    return Contact(
        **{"channel": Channel.EMAIL, "verified_at": NOW, "enabled": True, "state": ContactState.OK} | values
    )


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("slot_detected", {}, True),
        ("slot_detected", {"enabled": False}, False),
        ("desk_trouble", {}, True),
        ("desk_trouble", {"enabled": False}, False),
        ("desk_unwatched", {"state": ContactState.UNSUBSCRIBED}, False),
        ("desk_watchable", {"enabled": False}, False),
        ("desk_watched", {"verified_at": None}, False),
        ("operations", {"enabled": False}, False),
        ("support_received", {"enabled": False}, True),
        ("support_received", {"verified_at": None}, False),
        ("support_received", {"channel": Channel.TELEGRAM}, False),
        ("test_message", {}, True),
        ("test_message", {"enabled": False}, False),
        ("test_message", {"verified_at": None}, False),
        ("verify_email", {}, False),
        ("verify_email", {"verified_at": None, "enabled": False}, True),
        ("verify_email", {"verified_at": None, "channel": Channel.SMS}, False),
        ("verify_email", {"state": ContactState.BOUNCED}, True),
        ("new_sign_in", {"enabled": False}, True),
        ("login_ended", {"verified_at": None}, False),
        ("password_changed", {"channel": Channel.SMS}, False),
        ("password_reset", {"verified_at": None, "enabled": False}, True),
        ("password_reset", {"channel": Channel.TELEGRAM}, False),
        ("alerts_paused", {"enabled": False}, False),
        ("factor_end", {"enabled": False}, True),
        ("factor_end", {"state": ContactState.UNSUBSCRIBED}, True),
        ("factor_end", {"verified_at": None}, False),
        ("factor_end", {"channel": Channel.SMS, "enabled": False}, True),
        ("factor_end", {"channel": Channel.SMS, "state": ContactState.UNSUBSCRIBED}, False),
        ("factor_end", {"channel": Channel.TELEGRAM, "enabled": False}, True),
        ("factor_end", {"channel": Channel.TELEGRAM, "state": ContactState.BLOCKED}, False),
        ("factor_end", {"channel": Channel.PUSH, "enabled": False}, True),
        ("account_exists", {"enabled": False}, True),
        ("account_exists", {"verified_at": None}, False),
        ("account_exists", {"channel": Channel.SMS}, False),
        ("slot_call", {}, False),
        ("slot_call", {"channel": Channel.SMS}, True),
        ("slot_call", {"channel": Channel.SMS, "enabled": False}, True),
        ("slot_call", {"channel": Channel.SMS, "verified_at": None}, False),
        ("call_missed", {"channel": Channel.SMS, "state": ContactState.UNSUBSCRIBED}, False),
        ("slot_gone", {}, False),
        ("slot_gone", {"channel": Channel.TELEGRAM}, True),
        ("slot_gone", {"channel": Channel.TELEGRAM, "enabled": False}, False),
        ("weekly_summary", {}, True),
        ("weekly_summary", {"enabled": False}, False),
        ("weekly_summary", {"channel": Channel.TELEGRAM}, False),
        ("welcome", {"enabled": False}, True),
        ("welcome", {"verified_at": None}, False),
        ("plan_ended", {"enabled": False}, True),
        ("plan_ended", {"enabled": False, "channel": Channel.TELEGRAM}, False),
        ("plan_expiring", {"channel": Channel.TELEGRAM}, True),
        ("plan_expiring", {"verified_at": None}, False),
        ("plan_expiring", {"state": ContactState.BOUNCED}, False),
    ],
)
def test_which_contacts_a_kind_is_written_for(kind: str, values: dict[str, Any], expected: bool) -> None:
    assert kind_of(kind).accepts_contact(contact(**values)) is expected


def test_who_has_an_account_already_is_shown_the_way_in(settings_env: Callable[..., None]) -> None:
    settings_env(FRONTEND_URL="https://front.example/")
    nobody: Any = None
    assert kind_of("account_exists").prepare(nobody, nobody, contact(), NOW) == TemplateContext(
        {"url": "https://front.example"}, "https://front.example"
    )
    bounced = kind_of("account_exists").prepare(nobody, nobody, contact(state=ContactState.BOUNCED), NOW)
    assert bounced == Skip(State.SKIPPED, "address bounced")
