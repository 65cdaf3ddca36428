"""Candidates: booking pages that no desk file has, until an operator makes one an entry or refuses it."""

import textwrap
from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import yaml
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id, word_column
from api.models.desk import DeskChange
from configs.world.booking_address import BookingAddress
from configs.world.booking_hosts import find_owner
from configs.world.desk import Desk, Grade, Outcome, Procedure, WatchLevel


class CandidateSource(StrEnum):
    """How a candidate was met first."""

    LIST = "list"  # configs/candidates.yaml
    DISCOVERY = "discovery"  # a prefecture's own site links it
    PERSON = "person"  # somebody gave its address


class CandidateState(StrEnum):
    """What became of a candidate."""

    OPEN = "open"
    ACCEPTED = "accepted"  # its entry is not in a desk file yet
    REFUSED = "refused"  # never asked again
    WRITTEN = "written"  # a prefecture's file has it


class Candidate(Base):
    """A booking page that no desk file has. Its address is what configs/world/booking_address.py makes of one."""

    __tablename__ = "candidates"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(unique=True)  # what all spellings of its address have in common
    url: Mapped[str]
    host: Mapped[str]  # `name:port`
    platform: Mapped[str | None]  # null: no pattern knows its address
    number: Mapped[str | None]
    prefecture_id: Mapped[str | None]
    source: Mapped[CandidateSource] = mapped_column(enum_column(CandidateSource, "source"))
    # Of the list: where it was found; of a walk: the words of the link. Nothing that a user wrote.
    note: Mapped[str | None]
    linked_by: Mapped[str | None]  # a page of a prefecture's own site
    # Who gave it, and is told what became of it.
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"))
    given_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    state: Mapped[CandidateState] = word_column(CandidateState.OPEN, "state")
    asked_at: Mapped[datetime | None]  # the last visit
    outcome: Mapped[Outcome | None] = mapped_column(enum_column(Outcome, "outcome"))  # of it
    reading: Mapped[str | None]  # its evidence
    title: Mapped[str | None]  # the page's own words
    procedures: Mapped[list[str]] = mapped_column(default=list, server_default="{}")  # that its title names
    visits: Mapped[int] = mapped_column(default=0, server_default="0")
    proofs: Mapped[int] = mapped_column(default=0, server_default="0")  # visits that proved something
    entry: Mapped[dict[str, Any] | None]  # of an accepted one: what its desk's YAML says
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]  # the operator; as in the audit, no foreign key
    decision: Mapped[str | None]  # the operator's reason

    __table_args__ = (
        sa.CheckConstraint("last_seen_at >= first_seen_at", name="order"),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decision"),
        sa.Index("ix_candidates_state_host", "state", "host"),
        sa.Index("ix_candidates_user_id", "user_id", postgresql_where=sa.text("user_id IS NOT NULL")),
    )


def build_replan(found: Candidate, reason: str) -> DeskChange:
    """Return the line that has the planner look at candidates again; add it in the transaction of the change."""
    return DeskChange(desk_id=f"candidate/{found.url}", reason=reason)


def build_columns(
    address: BookingAddress, source: CandidateSource, now: datetime, prefecture_id: str | None
) -> dict[str, Any]:
    """Return the columns of a candidate that is met now; `prefecture_id` counts where its host tells no other."""
    return {
        "id": new_id(),
        "key": address.key,
        "url": address.url,
        "host": address.host,
        "platform": address.platform,
        "number": address.number,
        "source": source,
        "prefecture_id": find_owner(address.host) or prefecture_id,
        "first_seen_at": now,
        "last_seen_at": now,
    }


# Of platforms whose desks have more than an address, or whose pages show a captcha before their slots
_WATCH = {"rdvpref": WatchLevel.PEOPLE, "orion": WatchLevel.NONE}
_FOUND = {
    CandidateSource.DISCOVERY: "linked by the prefecture's own site, {linked}",
    CandidateSource.PERSON: "named by a user",
    CandidateSource.LIST: "{note}",
}


def draft_entry(
    found: Candidate, label: str, neutral: str | None, procedures: Sequence[Procedure], taken: Collection[str]
) -> dict[str, Any]:
    """Return the entry of a candidate as plain JSON values; `taken`: slugs of the prefecture's other desks."""
    name = "-".join(filter(None, (procedures[0].value.lower().replace("_", "-"), found.number)))
    slugs = (f"{name}{number}" for number in ("", *(f"-{each}" for each in range(2, len(taken) + 3))))
    watch = _WATCH.get(found.platform or "", WatchLevel.FULL)
    because = f"an operator has to complete its parameters (docs/platforms/{found.platform}.md)"
    source = _FOUND[found.source].format(linked=found.linked_by, note=found.note)
    entry = {
        "slug": next(each for each in slugs if each not in taken),
        "label": label,
        "neutral_label": neutral,
        "procedures": [each.value for each in procedures],
        "platform": found.platform,
        "url": found.url,
        "watch": None if watch is WatchLevel.FULL else watch.value,
        "because": because if watch is WatchLevel.NONE else None,
        "grade": Grade.UNCONFIRMED.value,
        "source": f"{source}; accepted by an operator",
    }
    return {key: value for key, value in entry.items() if value}


def write_entry(entry: dict[str, Any], day: date) -> str:
    """Return an entry as text under `desks:` of a prefecture's file; `day`: of the decision."""
    whole = entry | {"date": day}
    ordered = {key: whole[key] for key in Desk.model_fields if key in whole}  # JSONB keeps no order
    text: str = yaml.safe_dump(
        [ordered], allow_unicode=True, sort_keys=False, default_flow_style=None, width=10_000
    )
    return textwrap.indent(text, "  ")
