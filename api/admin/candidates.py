"""Candidates as operators see them, by weight, and their decisions about them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.admin.audit import AuditedWork
from api.admin.desk_orders import Reason
from api.ground.errors import ApiError, ensure_found, invalid
from api.ground.messages import write_message
from api.ground.paging import Found, cut_page
from api.ground.schemas import Body, FieldError
from api.models.candidate import (
    Candidate,
    CandidateSource,
    CandidateState,
    build_replan,
    draft_entry,
    write_entry,
)
from api.prefectures.queries import count_unmet
from configs.ground.clock import clock
from configs.ground.logs import mask_text
from configs.world.booking_hosts import explain_unasked
from configs.world.desk import Procedure, Text, reveals_health
from configs.world.prefecture import prefectures

_KIND = "page_decided"


class CandidateQuery(Body):
    """Candidates in a state, open ones by default, or of a prefecture; `after` is the `next` of the page before."""

    state: CandidateState = CandidateState.OPEN
    prefecture_id: Annotated[str, Field(max_length=100)] | None = None
    after: int = Field(0, ge=0, le=100_000)
    limit: int = Field(50, ge=1, le=100)


class Acceptance(Body):
    """What an operator makes of a candidate: the desk that its prefecture's file gets."""

    prefecture_id: Annotated[str, Field(max_length=100)]
    label: Text
    neutral_label: Text | None = None
    procedures: Annotated[list[Procedure], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class WeighedCandidate:
    """A candidate with the number of people who wait at its prefecture; `unasked`: why its host is not asked."""

    row: Candidate
    waiting: int
    unasked: str | None

    @property
    def id(self) -> UUID:
        """The candidate's id."""
        return self.row.id

    @property
    def rank(self) -> tuple[int, bool, bool, int, UUID]:
        """Its place among others: people who wait, then one that a person gave or a site links, then proofs."""
        row = self.row
        linked = row.source is CandidateSource.DISCOVERY
        return -self.waiting, row.given_at is None, not linked, -row.proofs, row.id


def list_candidates(session: Session, wanted: CandidateQuery) -> Found[WeighedCandidate]:
    """Return a page of candidates, those first for which people wait."""
    query = sa.select(Candidate).where(Candidate.state == wanted.state)
    if wanted.prefecture_id:
        query = query.where(Candidate.prefecture_id == wanted.prefecture_id)
    found = sorted(_weigh(session, session.scalars(query).all()), key=lambda each: each.rank)
    shown, more = cut_page(found[wanted.after :], wanted.limit)
    return Found(shown, wanted.after + wanted.limit if more else None)


def read_candidate(session: Session, candidate_id: UUID) -> WeighedCandidate:
    """Return one candidate.

    Raises:
        ApiError: 404.
    """
    return _weigh(session, [ensure_found(session.get(Candidate, candidate_id), "candidate")])[0]


def _weigh(session: Session, found: Sequence[Candidate]) -> list[WeighedCandidate]:
    waiting: Counter[str | None] = Counter()
    for (place, _), people in count_unmet(session).items():
        waiting[place] += people
    return [WeighedCandidate(each, waiting[each.prefecture_id], explain_unasked(each.host)) for each in found]


def preview_entry(row: Candidate) -> str:
    """Return the YAML entry that a candidate becomes, or would become by what its page says; empty without platform."""
    if row.entry and row.decided_at:
        return write_entry(row.entry, row.decided_at.date())
    if row.platform is None:
        return ""
    procedures = [Procedure(each) for each in row.procedures] or [Procedure.AUTRE]
    return write_entry(draft_entry(row, "À choisir", None, procedures, ()), clock().date())


def accept_candidate(work: AuditedWork, candidate_id: UUID, wanted: Acceptance) -> None:
    """Have `scrapy candidates --write` put a candidate into its prefecture's file; who gave it is told.

    Raises:
        ApiError: 404; 409, it is decided or of no known platform; 422, what the desk files would refuse.
    """
    row = _take_open(work.session, candidate_id)
    if row.platform is None:
        raise ApiError(
            409, "unknown-platform", "no platform is known for it: scrapy detect names one, or refuse it"
        )
    place = prefectures().get(wanted.prefecture_id)
    if place is None:
        raise invalid(FieldError(path="prefectureId", rule="unknown", detail="no such prefecture"))
    if reveals_health(wanted.label) and (not wanted.neutral_label or reveals_health(wanted.neutral_label)):
        detail = "the label reveals health: give a name that does not"
        raise invalid(FieldError(path="neutralLabel", rule="health", detail=detail))
    accepted = sa.select(Candidate.entry["slug"].astext).where(
        Candidate.prefecture_id == place.id, Candidate.entry.is_not(None)
    )
    taken = {*(desk.slug for desk in place.desks), *work.session.scalars(accepted)}
    row.prefecture_id = place.id
    row.entry = draft_entry(row, wanted.label, wanted.neutral_label, wanted.procedures, taken)
    _decide(work, row, CandidateState.ACCEPTED, "")


def refuse_candidate(work: AuditedWork, candidate_id: UUID, wanted: Reason) -> None:
    """Have a candidate never asked again; who gave it is told.

    Raises:
        ApiError: 404; 409, it is decided.
    """
    _decide(work, _take_open(work.session, candidate_id), CandidateState.REFUSED, wanted.reason)


def _take_open(session: Session, candidate_id: UUID) -> Candidate:
    row = ensure_found(session.get(Candidate, candidate_id, with_for_update=True), "candidate")
    if row.state is not CandidateState.OPEN:
        raise ApiError(409, "candidate-decided", f"an operator has decided about it already: {row.state}")
    return row


def _decide(work: AuditedWork, row: Candidate, state: CandidateState, reason: str) -> None:
    row.state, row.decided_at, row.decided_by, row.decision = state, clock(), work.actor.id, reason
    changed: dict[str, Any] = {"state": ["open", state.value], "reason": mask_text(reason)}
    work.changes.update(changed | ({"slug": row.entry["slug"]} if row.entry else {}))
    work.session.add(build_replan(row, "an operator decided about a booking page"))
    if row.user_id:
        params = {"candidate": str(row.id)}
        write_message(work.session, row.user_id, _KIND, params, f"{_KIND}:{row.id}", priority="scheduled")
