"""Messages about sites in trouble and unwatched desks, and the contacts that are skipped."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import notifier
from api.models.alert import AlertTarget, ClosedBecause
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, Role, User
from notifier.content.message_kind_base import ClaimedRow, Skip, TemplateContext
from notifier.content.messages import render
from notifier.content.outgoing_message import RenderedMessage
from notifier.jobs import deliver
from notifier.message_kinds import kind_of
from tests.factories import add_alert, add_incident
from tests.notifier.world import Person, change, get, person

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "frozen")

SINCE = datetime(2026, 3, 1, 9, tzinfo=UTC)  # 10:00 in Paris, 5:00 in Martinique
FILE = """
name: {name}
department: "{number}"
region: Test
chef_lieu: Test
latitude: 48.633
longitude: 2.441
site: https://www.{slug}.example
time_zone: {zone}
tier: 2
desks:
  - {{slug: a, label: Titre de séjour, procedures: [TITRE_SEJOUR], platform: ezbooking, grade: confirmed,
     url: "https://www.{slug}.example/booking/create/1", source: test, date: 2026-11-20}}
"""
OF_SITES = [each for each in IncidentReason if not each.of_operations]
ESSONNE, MARTINIQUE = "evry_91/a", "fort-de-france_972/a"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    for slug, name, number, zone in (
        ("evry", "Essonne", "91", "Europe/Paris"),
        ("fort-de-france", "Martinique", "972", "America/Martinique"),
    ):
        text = FILE.format(slug=slug, name=name, number=number, zone=zone)
        (tmp_path / f"{slug}_{number}.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path)


def incident(reason: IncidentReason = IncidentReason.MAINTENANCE) -> str:
    return str(add_incident(reason, "www.evry.example:443", starts_at=SINCE, seen_at=SINCE))


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


@pytest.mark.parametrize("reason", [each.value for each in OF_SITES])
def test_operators_read_what_it_is_where_and_what_to_do(reason: str) -> None:
    row = write(operator(), "desk_trouble", reason=reason, subject="www.evry.example:443", count=3)
    mail, chat = said(row), said(row, Channel.TELEGRAM)
    assert mail.subject.endswith(" – www.evry.example:443")
    assert "séjour" not in mail.subject
    for text in (mail.text, chat.html):
        assert "Essonne (91) : Titre de séjour" in text
        assert "et 2 autres" in text
        assert "Depuis le 1er mars 2026 à 10:00, heure de Paris" in text
    assert "https://www.evry.example/booking/create/1" in mail.text


def test_who_is_no_operator_any_more_is_not_told() -> None:
    who = operator()
    row = write(who, "desk_trouble", subject="x", count=1)
    change(User, who.id, role=Role.USER)
    assert look(row) == Skip(State.SKIPPED, "no operator any more")


def test_subscribers_read_since_when_in_their_desks_time() -> None:
    row = write(person(), "desk_unwatched", incident=incident(), desks=[MARTINIQUE])
    mail = said(row)
    assert mail.subject == "Surveillance interrompue – Martinique (972)"
    assert "en maintenance depuis le 1er mars 2026 à 05:00, heure locale" in mail.text
    assert "Titre de séjour" in mail.text


@pytest.mark.usefixtures("redis_server")
@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
def test_the_footer_of_a_mail_has_the_link_of_its_header(
    sandbox: "Running", settings_env: Callable[..., None], provider: str
) -> None:
    settings_env(MAIL_PROVIDERS=provider)
    deliver(str(write(person(), "desk_unwatched", incident=incident()).id))
    (mail,) = sandbox.messages("email")
    url = mail.draft.headers["List-Unsubscribe"].strip("<>")
    assert f'href="{url}"' in (mail.draft.html or "")
    assert f"\u00a0: {url}\n" in mail.draft.text


def test_a_closed_page_is_told_in_other_words() -> None:
    mail = said(write(person(), "desk_unwatched", incident=incident(IncidentReason.CLOSED), reason="closed"))
    assert "a fermé cette page" in mail.text
    assert "maintenance" not in mail.text


def test_desks_of_several_prefectures_are_told_in_one_message() -> None:
    mail = said(write(person(), "desk_unwatched", incident=incident(), desks=[MARTINIQUE, ESSONNE]))
    assert mail.subject == "Surveillance interrompue – plusieurs préfectures"
    assert "- Essonne (91)\u00a0: Titre de séjour" in mail.text
    assert "- Martinique (972)\u00a0: Titre de séjour" in mail.text


def test_what_is_over_is_not_told_any_more() -> None:
    number = incident()
    row = write(person(), "desk_unwatched", incident=number)
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


def test_who_asked_for_it_reads_that_a_desk_can_be_watched_and_where_to_go() -> None:
    who = person()
    row = write(who, "desk_watchable", alert=kept(who, enabled=False))
    mail, chat = said(row), said(row, Channel.TELEGRAM)
    assert mail.subject == "Votre guichet peut être surveillé – Essonne (91)"
    for text in (mail.text, chat.html):
        assert "Titre de séjour" in text
        assert "activez-la" in text
    assert "/dashboard" in mail.text


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"enabled": True}, "alert waits already"),
        ({"enabled": False, "closed_at": SINCE, "closed_because": ClosedBecause.DELETED}, "alert stopped"),
    ],
)
def test_whose_alert_waits_already_or_is_over_is_not_told(values: dict[str, Any], why: str) -> None:
    who = person()
    assert look(write(who, "desk_watchable", alert=kept(who, **values))) == Skip(State.SKIPPED, why)


def release(ends: datetime | None, begins: datetime = SINCE) -> dict[str, str | None]:
    return {"desk": MARTINIQUE, "begins": begins.isoformat(), "ends": ends.isoformat() if ends else None}


def test_a_publication_is_announced_in_the_desks_own_time() -> None:
    row = write(person(), "release_soon", **release(SINCE + timedelta(hours=3)))
    mail, chat = said(row), said(row, Channel.TELEGRAM)
    assert mail.subject == "Des créneaux seront bientôt publiés – Martinique (972)"
    for text in (mail.text, re.sub("</?b>", "", str(chat.html))):
        assert "dimanche 1 mars entre 05:00 et 08:00, heure locale" in text


def test_a_publication_whose_end_nobody_knows_is_announced_by_its_beginning() -> None:
    mail = said(write(person(), "release_soon", **release(None, SINCE + timedelta(minutes=20))))
    assert "dimanche 1 mars à partir de 05:20, heure locale" in mail.text


@pytest.mark.parametrize("ends", [SINCE, None])
def test_a_publication_that_is_over_is_not_announced(ends: datetime | None) -> None:
    assert look(write(person(), "release_soon", **release(ends))) == Skip(State.EXPIRED, "published already")


def test_a_publication_of_a_desk_that_left_the_files_is_not_announced() -> None:
    row = write(person(), "release_soon", **release(None) | {"desk": "evry_91/gone"})
    assert look(row) == Skip(State.SKIPPED, "the desk is not watched any more")
