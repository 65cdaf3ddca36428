from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

import notifier
from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.signed_links import StopAlerts, read_unsubscription
from configs.settings import settings
from notifier.content.message_kind_base import ClaimedRow, Skip, TemplateContext
from notifier.content.messages import render
from notifier.message_kinds import kind_of
from tests.notifier.world import person

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def contact(**values: Any) -> Contact:
    return Contact(
        **{"channel": Channel.EMAIL, "verified_at": NOW, "enabled": True, "state": ContactState.OK} | values
    )


OFF, UNCONFIRMED = {"enabled": False}, {"verified_at": None}
SMS, TELEGRAM, PUSH = ({"channel": each} for each in (Channel.SMS, Channel.TELEGRAM, Channel.PUSH))
BOUNCED, STOPPED = {"state": ContactState.BOUNCED}, {"state": ContactState.UNSUBSCRIBED}
# Contacts that get messages of these kinds, and those that do not.
RECIPIENTS: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        "slot_detected desk_trouble desk_unwatched desk_watched desk_watchable operations test_message alerts_paused",
        [{}, TELEGRAM], [OFF, UNCONFIRMED, STOPPED],
    ),
    ("weekly_summary", [{}], [OFF, TELEGRAM]),
    (
        "support_received new_sign_in login_ended password_changed account_exists welcome",
        [{}, OFF], [UNCONFIRMED, SMS, TELEGRAM],
    ),
    ("plan_ended plan_expiring", [{}, OFF, TELEGRAM], [UNCONFIRMED, BOUNCED, OFF | TELEGRAM]),
    ("verify_email", [UNCONFIRMED | OFF, BOUNCED], [{}, UNCONFIRMED | SMS]),
    ("password_reset", [UNCONFIRMED | OFF], [TELEGRAM]),
    (
        "factor_end", [OFF, STOPPED, OFF | SMS, OFF | TELEGRAM, OFF | PUSH],
        [UNCONFIRMED, STOPPED | SMS, TELEGRAM | {"state": ContactState.BLOCKED}],
    ),
    ("slot_call", [SMS, SMS | OFF], [{}, SMS | UNCONFIRMED]),
    ("call_missed", [SMS], [SMS | STOPPED]),
    ("slot_gone", [TELEGRAM], [{}, TELEGRAM | OFF]),
]  # fmt: skip


@pytest.mark.parametrize(("names", "some", "others"), RECIPIENTS)
def test_which_contacts_a_kind_is_written_for(
    names: str, some: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    for kind in names.split():
        found = [each for each in (*some, *others) if kind_of(kind).accepts_contact(contact(**each))]
        assert found == some, kind


def test_who_has_an_account_already_is_shown_the_way_in(settings_env: Callable[..., None]) -> None:
    settings_env(FRONTEND_URL="https://front.example/")
    nobody: Any = None
    assert kind_of("account_exists").prepare(nobody, nobody, contact(), NOW) == TemplateContext(
        {"url": "https://front.example"}, "https://front.example"
    )
    bounced = kind_of("account_exists").prepare(nobody, nobody, contact(state=ContactState.BOUNCED), NOW)
    assert bounced == Skip(State.SKIPPED, "address bounced")


# Notices about an account

AT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


@pytest.fixture
def prepare(database: str) -> Callable[..., TemplateContext | Skip]:
    """Write a notification to a new user and read it again, as a worker does."""

    def run(kind: str, params: dict[str, Any], **columns: Any) -> TemplateContext | Skip:
        who = person()
        with session() as s:
            (made,) = notifier.create_notifications(s, who.id, kind, params, "key")
            contact = s.get_one(Contact, who.contacts[Channel.EMAIL])
            for name, value in columns.items():
                setattr(contact, name, value)
            return kind_of(kind).prepare(s, ClaimedRow.of(s.get_one(Notification, made)), contact, AT)

    return run


Prepare = Callable[..., TemplateContext | Skip]


def text(kind: str, found: TemplateContext | Skip, language: str = "fr") -> str:
    assert isinstance(found, TemplateContext)
    return render(kind, "email", language, found).text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("new_sign_in", "le 21 novembre 2026 à 00:30 (Firefox, Windows)"),
        ("login_ended", "Le 21 novembre 2026 à 00:30, le jeton"),
        ("password_changed", "a été changé le 21 novembre 2026 à 00:30"),
    ],
)
def test_a_notice_says_when_in_the_users_own_time(prepare: Prepare, kind: str, words: str) -> None:
    params = {"at": AT.isoformat(), "browser": "Firefox, Windows"}
    assert words in text(kind, prepare(kind, params))


def test_a_bounced_address_gets_no_notice(prepare: Prepare) -> None:
    found = prepare("new_sign_in", {"at": AT.isoformat()}, state=ContactState.BOUNCED)
    assert found == Skip(State.SKIPPED, "address bounced")


def test_the_reset_link_says_how_long_it_works(prepare: Prepare) -> None:
    found = prepare("password_reset", {})
    assert "valable 60 minutes" in text("password_reset", found)
    assert f"{settings().api_url}/l/reset." in text("password_reset", found)


@pytest.mark.parametrize(
    ("count", "limit", "words"),
    [
        (1, 1, "permet 1 alerte à la fois. Nous avons gardé la plus ancienne et mis en pause la suivante :"),
        (
            4,
            3,
            "permet 3 alertes à la fois. Nous avons gardé les plus anciennes et mis en pause les suivantes :",
        ),
    ],
)
def test_the_paused_alerts_are_named_by_prefecture_only(
    prepare: Prepare, count: int, limit: int, words: str
) -> None:
    params = {"prefectures": ["bobigny_93", "gone_99"], "count": count, "limit": limit}
    said = text("alerts_paused", prepare("alerts_paused", params))
    assert words in said
    assert "- Seine-Saint-Denis (93)" in said
    assert "séjour" not in said.lower()


def test_the_mail_about_the_last_alert_carries_the_link_that_undoes_it(prepare: Prepare) -> None:
    alert_id = uuid4()
    found = prepare("last_way_stopped", {"at": AT.isoformat(), "alerts": [str(alert_id)]})
    assert isinstance(found, TemplateContext)
    assert found.values["undo_url"] in text("last_way_stopped", found)
    token = found.values["undo_url"].rpartition("/l/")[2]
    assert read_unsubscription(token) == StopAlerts((alert_id,))
