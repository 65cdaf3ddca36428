"""Kinds of messages: the contacts that get them, what they say about accounts and desks, and when they are of no use."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

import notifier
from api.models.alert import AlertTarget, ClosedBecause
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, Role, User
from configs.ground.signing import StopAlerts, read_unsubscription
from configs.settings import settings
from configs.world.prefecture import desks
from notifier.content.message_kind_base import ClaimedRow, RenderedMessage, Skip, TemplateContext
from notifier.content.messages import render
from notifier.message_kinds import kind_of
from tests.factories import add_alert, add_incident
from tests.in_turn import in_turn
from tests.notifier.world import Person, change, get, person

pytestmark = pytest.mark.usefixtures("database", "frozen")
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
        "slot_detected desk_trouble desk_unwatched desk_watched desk_watchable desk_reported operations test_message alerts_paused",
        [{}, TELEGRAM], [OFF, UNCONFIRMED, STOPPED],
    ),
    ("weekly_summary page_decided", [{}], [OFF, TELEGRAM]),
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


@in_turn("names, some, others", RECIPIENTS)
def test_which_contacts_a_kind_is_written_for(
    names: str, some: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    for kind in names.split():
        found = [each for each in (*some, *others) if kind_of(kind).to.accepts(contact(**each))]
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


def prepare(kind: str, params: dict[str, Any], **columns: Any) -> TemplateContext | Skip:
    """Write a notification to a new user and read it again, as a worker does."""
    who = person()
    with session() as s:
        (made,) = notifier.create_notifications(s, who.id, kind, params, f"key:{who.id}")
        contact = s.get_one(Contact, who.contacts[Channel.EMAIL])
        for name, value in columns.items():
            setattr(contact, name, value)
        return kind_of(kind).prepare(s, ClaimedRow.of(s.get_one(Notification, made)), contact, AT)


def text(kind: str, found: TemplateContext | Skip, language: str = "fr") -> str:
    assert isinstance(found, TemplateContext)
    return render(kind, "email", language, found).text


@in_turn(
    "kind, words",
    [
        ("new_sign_in", "le 21 novembre 2026 à 00:30 (Firefox, Windows)"),
        ("login_ended", "Le 21 novembre 2026 à 00:30, le jeton"),
        ("password_changed", "a été changé le 21 novembre 2026 à 00:30"),
        ("password_reset", "valable 60 minutes"),
    ],
)
def test_a_mail_says_when_in_the_users_own_time_and_how_long_its_link_works(kind: str, words: str) -> None:
    params = {"at": AT.isoformat(), "browser": "Firefox, Windows"}
    said = text(kind, prepare(kind, params))
    assert words in said
    assert (f"{settings().api_url}/l/reset." in said) is (kind == "password_reset")


def test_a_bounced_address_gets_no_notice() -> None:
    found = prepare("new_sign_in", {"at": AT.isoformat()}, state=ContactState.BOUNCED)
    assert found == Skip(State.SKIPPED, "address bounced")


@in_turn(
    "count, limit, words",
    [
        (1, 1, "1 alerte à la fois. Nous avons gardé la plus ancienne et mis en pause la suivante :"),
        (4, 3, "3 alertes à la fois. Nous avons gardé les plus anciennes et mis en pause les suivantes :"),
    ],
)
def test_the_paused_alerts_are_named_by_prefecture_only(count: int, limit: int, words: str) -> None:
    params = {"prefectures": ["bobigny_93", "gone_99"], "count": count, "limit": limit}
    said = text("alerts_paused", prepare("alerts_paused", params))
    assert words in said
    assert "- Seine-Saint-Denis (93)" in said
    assert "séjour" not in said.lower()


def test_the_mail_about_the_last_alert_carries_the_link_that_undoes_it() -> None:
    alert_id = uuid4()
    found = prepare("last_way_stopped", {"at": AT.isoformat(), "alerts": [str(alert_id)]})
    assert isinstance(found, TemplateContext)
    assert found.values["undo_url"] in text("last_way_stopped", found)
    token = found.values["undo_url"].rpartition("/l/")[2]
    assert read_unsubscription(token) == StopAlerts((alert_id,))


# Messages about sites in trouble and unwatched desks


SINCE = datetime(2026, 3, 1, 9, tzinfo=UTC)  # 10:00 in Paris, 12:00 on Mayotte
OF_SITES = [each for each in IncidentReason if not each.of_operations]
ESSONNE, MAYOTTE = "evry-courcouronnes_91/titre-sejour-biometrie", "mamoudzou_976/titre-sejour-renouvellement"


def incident() -> str:
    return str(
        add_incident(IncidentReason.MAINTENANCE, "www.evry.example:443", starts_at=SINCE, seen_at=SINCE)
    )


def write(who: Person, kind: str, **params: Any) -> Notification:
    told = {"since": SINCE.isoformat(), "reason": "maintenance", "desks": [ESSONNE]} | params
    with session() as rows:
        (key,) = notifier.create_notifications(rows, who.id, kind, told, f"{kind}:{who.id}")
    return get(Notification, key)  # type: ignore[no-any-return]


def look(row: Notification) -> TemplateContext | Skip:
    with session() as rows:
        contact = rows.get_one(Contact, row.contact_id)
        return kind_of(row.kind).prepare(
            rows, ClaimedRow.of(rows.get_one(Notification, row.id)), contact, SINCE
        )


def said(row: Notification, channel: Channel = Channel.EMAIL) -> RenderedMessage:
    facts = look(row)
    assert isinstance(facts, TemplateContext)
    return render(row.kind, channel, "fr", facts)


def operator() -> Person:
    made = person()
    change(User, made.id, role=Role.ADMIN)
    return made


@in_turn("reason", [each.value for each in OF_SITES])
def test_operators_read_what_it_is_where_and_what_to_do(reason: str) -> None:
    who = operator()
    row = write(who, "desk_trouble", reason=reason, subject="www.evry.example:443", count=3)
    mail, chat = said(row), said(row, Channel.TELEGRAM)
    assert mail.subject.endswith(" – www.evry.example:443")
    assert "séjour" not in mail.subject
    for text in (mail.text, chat.html):
        assert "Essonne (91) : Titre de séjour" in text
        assert "et 2 autres" in text
        assert "Depuis le 1er mars 2026 à 10:00, heure de Paris" in text
    assert desks()[ESSONNE].url in mail.text
    change(User, who.id, role=Role.USER)
    assert look(row) == Skip(State.SKIPPED, "no operator any more")


@in_turn(
    "params, subject, words",
    [
        (
            {"desks": [MAYOTTE]},
            "Mayotte (976)",
            [
                "en maintenance depuis le 1er mars 2026 à 12:00, heure locale",
                "Renouvellement de titre de séjour",
            ],
        ),
        ({"reason": "closed"}, "Essonne (91)", ["a fermé cette page"]),
        (
            {"desks": [MAYOTTE, ESSONNE]},
            "plusieurs préfectures",
            ["- Essonne (91)\u00a0: Titre de séjour", "- Mayotte (976)\u00a0: Renouvellement"],
        ),
    ],
)
def test_subscribers_read_what_it_is_where_and_since_when_until_it_is_over(
    params: dict[str, Any], subject: str, words: list[str]
) -> None:
    number = incident()
    row = write(person(), "desk_unwatched", incident=number, **params)
    mail = said(row)
    assert mail.subject == f"Surveillance interrompue – {subject}"
    assert all(each in mail.text for each in words)
    assert ("maintenance" in mail.text) is ("reason" not in params)
    change(Incident, int(number), ends_at=SINCE)
    assert look(row) == Skip(State.EXPIRED, "watched again")


def test_only_a_contact_that_heard_of_it_is_told_that_it_is_over() -> None:
    who, number = person(), incident()
    first = write(who, "desk_unwatched", incident=number)
    again = write(who, "desk_watched", incident=number)
    assert look(again) == Skip(State.SKIPPED, "the trouble was not told")
    change(Notification, first.id, state=State.SENT, accepted_at=SINCE)
    assert said(again).subject == "La surveillance a repris – Essonne (91)"


def test_no_sms_is_spent_on_it() -> None:
    everywhere = person(channels=(Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    with session() as rows:
        told = {"since": SINCE.isoformat(), "reason": "closed", "desks": [ESSONNE], "incident": "1"}
        assert len(notifier.create_notifications(rows, everywhere.id, "desk_unwatched", told, "x")) == 2


def kept(who: Person, **values: Any) -> str:
    """Let a person keep an alert for a desk that could not be watched; return its id."""
    return str(add_alert(who.id, AlertTarget(desk_id=ESSONNE), **values))


def test_who_waits_is_asked_about_reports_with_the_page_of_the_alert() -> None:
    who = person()
    alert = kept(who, enabled=False, awaits_watch=True)
    mail = said(write(who, "desk_reported", alert=alert))
    assert mail.subject == "Votre guichet est lu par ceux qui attendent – Essonne (91)"
    assert f"/alertes/{alert}" in mail.text


def test_who_asked_for_it_reads_that_a_desk_can_be_watched_and_where_to_go() -> None:
    who = person()
    row = write(who, "desk_watchable", alert=kept(who, enabled=False))
    mail, chat = said(row), said(row, Channel.TELEGRAM)
    assert mail.subject == "Votre guichet peut être surveillé – Essonne (91)"
    for text in (mail.text, chat.html):
        assert "Titre de séjour" in text
        assert "activez-la" in text
    assert "/dashboard" in mail.text


RELEASE = {"desk": MAYOTTE, "begins": SINCE.isoformat(), "ends": None}
OVER = Skip(State.EXPIRED, "published already")


@in_turn(
    "kind, params, skip",
    [
        ("desk_watchable", {"enabled": True}, Skip(State.SKIPPED, "alert waits already")),
        (
            "desk_watchable",
            {"enabled": False, "closed_at": SINCE, "closed_because": ClosedBecause.DELETED},
            Skip(State.SKIPPED, "alert stopped"),
        ),
        ("release_soon", RELEASE, OVER),
        ("release_soon", RELEASE | {"ends": SINCE.isoformat()}, OVER),
        (
            "release_soon",
            RELEASE | {"desk": "evry-courcouronnes_91/gone"},
            Skip(State.SKIPPED, "the desk is not watched any more"),
        ),
    ],
)
def test_what_is_of_no_use_any_more_is_not_told(kind: str, params: dict[str, Any], skip: Skip) -> None:
    who = person()
    row = write(who, kind, **({"alert": kept(who, **params)} if kind == "desk_watchable" else params))
    assert look(row) == skip


@in_turn(
    "minutes, ends, words",
    [
        (0, SINCE + timedelta(hours=3), "dimanche 1er mars entre 12:00 et 15:00, heure locale"),
        (20, None, "en ligne dimanche 1er mars à partir de 12:20, heure locale"),
        (719, None, "en ligne dimanche 1er mars à partir de 23:59, heure locale"),
        (720, None, "en ligne demain lundi 2 mars à partir de 00:00, heure locale"),
        (2160, None, "en ligne mardi 3 mars à partir de 00:00, heure locale"),
    ],
)
def test_a_publication_is_announced_in_the_desks_own_time(
    minutes: int, ends: datetime | None, words: str
) -> None:
    begins = (SINCE + timedelta(minutes=minutes)).isoformat()
    row = write(
        person(), "release_soon", **RELEASE | {"begins": begins, "ends": ends.isoformat() if ends else None}
    )
    mail, chat = said(row), said(row, Channel.TELEGRAM)
    assert mail.subject == "Des créneaux seront bientôt publiés – Mayotte (976)"
    assert all(words in text for text in (mail.text, re.sub("</?b>", "", str(chat.html))))
