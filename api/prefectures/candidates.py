"""Booking pages that people give because no desk file has them."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.ground.errors import ApiError, invalid
from api.ground.schemas import Answer, Body, FieldError
from api.models.candidate import Candidate, CandidateSource, CandidateState, build_columns, build_replan
from configs.ground.clock import clock
from configs.world.booking_address import BookingAddress, parse_booking_address
from configs.world.booking_hosts import explain_unasked, find_desk_at
from configs.world.prefecture import prefectures

GIVEN_A_DAY = 3
_DAY = timedelta(days=1)
_NO_PAGE = (
    "not the address of a booking page that we know the form of: copy it from the browser while the page shows the"
    " procedure or its calendar, not from a mail that confirms an appointment"
)


class NewCandidate(Body):
    """The address of a booking page. Of it only host, number and known parameters are kept."""

    address: Annotated[
        str, Field(min_length=1, max_length=2000, examples=["https://www.nord.gouv.fr/booking/create/12"])
    ]
    prefecture_id: Annotated[str, Field(max_length=100, examples=["lille_59"])]


class CandidateAnswer(Answer):
    """What was kept of the address.

    `isAsked`: whether we may open the page ourselves, before an operator decides. `isTold`: whether this user is told
    of that decision; the one who gave the page first is.
    """

    address: str
    platform: str
    prefecture_id: str
    state: CandidateState
    is_asked: bool
    is_told: bool


def give_candidate(session: Session, user_id: UUID, given: NewCandidate) -> CandidateAnswer:
    """Keep the page of an address that a user gives; who gave it first is told once what becomes of it.

    Raises:
        ApiError: 422, it is no booking page's, or the prefecture is unknown; 409, a desk has it, or an operator has
            decided about it; 429, the user gave GIVEN_A_DAY today.
    """
    address, now = _read_address(given), clock()
    if desk := find_desk_at(address):
        raise ApiError(409, "known-desk", f"we have this page already: it is the desk {desk.id}")
    lock_user(session, user_id)
    new = build_columns(address, CandidateSource.PERSON, now, given.prefecture_id)
    session.execute(insert(Candidate).values(new).on_conflict_do_nothing(index_elements=["key"]))
    query = sa.select(Candidate).where(Candidate.key == address.key)
    found = session.scalars(query.with_for_update()).one()
    if found.state is not CandidateState.OPEN:
        raise ApiError(409, f"candidate-{found.state}", _DECIDED[found.state])
    if found.user_id is None:
        _check_given_today(session, user_id, now)
        found.user_id, found.given_at = user_id, now
        found.prefecture_id = found.prefecture_id or given.prefecture_id
        session.add(build_replan(found, "a user gave a booking page"))
    found.last_seen_at = max(now, found.last_seen_at)
    return CandidateAnswer(
        address=found.url,
        platform=found.platform or "",
        prefecture_id=found.prefecture_id or "",
        state=found.state,
        is_asked=explain_unasked(found.host) is None,
        is_told=found.user_id == user_id,
    )


_DECIDED = {
    CandidateState.ACCEPTED: "an operator has accepted this page: it is watched from the next release on",
    CandidateState.WRITTEN: "an operator has accepted this page: it is watched from the next release on",
    CandidateState.REFUSED: "an operator has looked at this page and refused it: it is not asked again",
}


def _read_address(given: NewCandidate) -> BookingAddress:
    address, errors = parse_booking_address(given.address), []
    if address is None:
        errors.append(FieldError(path="address", rule="no_booking_page", detail=_NO_PAGE))
    if given.prefecture_id not in prefectures():
        detail = "no such prefecture: GET /api/prefectures lists them"
        errors.append(FieldError(path="prefectureId", rule="unknown", detail=detail))
    if address is None or errors:
        raise invalid(*errors)
    return address


def _check_given_today(session: Session, user_id: UUID, now: datetime) -> None:
    today = (Candidate.user_id == user_id, Candidate.given_at > now - _DAY)
    if session.scalars(sa.select(sa.func.count()).where(*today)).one() >= GIVEN_A_DAY:
        detail = f"{GIVEN_A_DAY} addresses a day can be given: wait until tomorrow"
        headers = {"Retry-After": str(int(_DAY.total_seconds()))}
        raise ApiError(429, "too-many-requests", detail, headers=headers)
