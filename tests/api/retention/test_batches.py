"""Deletes by the jobs of retention: in batches, complete after a kill, and nothing that is younger."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from api.background import jobs
from api.declarations.forms import name_declaration
from api.models.base import new_id, session
from api.models.check_day import CheckDay
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.desk import Outage, OutageReason, Publication
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.support import SupportRequest
from api.paging import first_id_at
from api.retention import batches, rules
from configs.ground.clock import clock
from configs.world.retention import MESSAGES_KEPT_FOR, RECEIPTS_KEPT_FOR, SUPPORT_KEPT_FOR
from tests.api.notices.test_routes import write_notice
from tests.clients import People
from tests.factories import BOBIGNY, add_desk, rows, save, save_all

pytestmark = pytest.mark.usefixtures("database", "frozen")


class Killed(BaseException):
    """The end of the process."""


def ask_support(*days: float) -> None:
    """Write messages to support that are so many days old."""
    save_all(
        SupportRequest(email="x@example.org", message="Bonjour", created_at=clock() - timedelta(days=each))
        for each in days
    )


def die_after(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the session fail that follows this number of sessions, before it commits."""
    begun = 0

    @contextmanager
    def dying() -> Iterator[Session]:
        nonlocal begun
        begun += 1
        with session() as s:
            yield s
            if begun > number:
                raise Killed

    monkeypatch.setattr(batches, "session", dying)


def add_receipt(at: datetime) -> None:
    save(
        ProviderEvent(
            provider="sendgrid", event_id=str(at), notification_ids=[new_id()], kind=ReceiptKind.DELIVERED,
            at=at, received_at=at, applied_at=at,
        )
    )  # fmt: skip


def test_what_is_older_than_its_table_keeps_it_goes_and_no_more(person: People) -> None:
    user_id = person().id
    kept = {
        "notices": MESSAGES_KEPT_FOR(),
        "provider_events": RECEIPTS_KEPT_FOR(),
        "support_requests": SUPPORT_KEPT_FOR(),
    }
    assert [each.days for each in kept.values()] == [90, 30, 365]
    for hours in (timedelta(hours=1), timedelta(hours=-1)):
        ages = {name: age + hours for name, age in kept.items()}
        write_notice(user_id, str(hours), id=first_id_at(clock() - ages["notices"]))
        add_receipt(clock() - ages["provider_events"])
        ask_support(ages["support_requests"] / timedelta(days=1))
    gone = jobs.apply_retention()
    assert [gone[name] for name in kept] == [1, 1, 1]
    assert not kept.keys() & jobs.apply_retention().keys()


def test_a_job_that_is_killed_half_way_keeps_its_batches_and_the_next_run_ends_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    monkeypatch.setattr(rules, "RULES", {"support_requests": rules.RULES["support_requests"]})
    ask_support(*[400] * 5, 10)
    with monkeypatch.context() as patch:
        die_after(1, patch)
        with pytest.raises(Killed):
            jobs.apply_retention()
    assert len(rows(SupportRequest)) == 4
    assert jobs.apply_retention()["support_requests"] == 3
    assert len(rows(SupportRequest)) == 1


def test_the_proof_of_the_watch_is_kept_for_ten_whole_years() -> None:
    add_desk()
    counts = {"checks": 0, "proven": 0, "outcomes": {}, "openings": 0, "updated_at": clock()}
    last = datetime(2015, 12, 31, 23, tzinfo=UTC)
    with session() as s:
        for days in (-1, 0, 1):
            at = last + timedelta(days=days)
            s.add(CheckDay(desk_id=BOBIGNY, day=at.date(), **counts))
            s.add(Outage(desk_id=BOBIGNY, starts_at=at, ends_at=at, reason=OutageReason.BLOCKED))
        s.add(Outage(desk_id=BOBIGNY, starts_at=last, reason=OutageReason.BLOCKED))  # it lasts
    gone = jobs.apply_retention()
    assert (gone["outages"], gone["check_days"]) == (2, 2)
    assert not {"outages", "check_days"} & jobs.apply_retention().keys()
    assert [each.day for each in rows(CheckDay)] == [date(2016, 1, 1)]
    assert sorted(each.ends_at is None for each in rows(Outage)) == [False, True]


def test_releases_are_kept_for_three_years() -> None:
    add_desk()
    now = clock()
    with session() as s:
        for days in (3 * 365 - 2, 3 * 365 + 2):
            at = now - timedelta(days=days)
            about = {"first_day": at.date(), "last_day": at.date(), "seen_at": at, "seen_last_at": at}
            s.add(Publication(desk_id=BOBIGNY, released_at=at, **about))
    assert jobs.apply_retention()["publications"] == 1
    assert [(now - each.released_at).days for each in rows(Publication)] == [3 * 365 - 2]


def test_what_authors_of_declarations_wrote_is_kept_for_five_years() -> None:
    """A form makes the id of its words: among these ids some look older and some younger than they are."""
    words = {"name": "Camille", "email": "camille@example.org", "reference": "23456789AB"}
    with session() as s:
        for days in (5 * 365, 5 * 365 + 3):
            at = clock() - timedelta(days=days)
            for made in (
                UUID(int=days),
                name_declaration(UUID(int=days), words["email"], words["reference"]),
            ):
                s.add(
                    Declaration(
                        id=made, kind=DeclarationKind.WITHDRAWAL, made_at=at, made_by=DeclaredBy.FORM, **words
                    )
                )
    assert jobs.apply_retention()["declarations"] == 2
    assert "declarations" not in jobs.apply_retention()
    assert sorted(each.name or "" for each in rows(Declaration)) == ["", "", "Camille", "Camille"]
