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
from api.models.base import new_id
from api.models.candidate import Candidate, CandidateSource, CandidateState, build_replan, describe_address
from configs.ground.clock import clock
from configs.world.booking_address import BookingAddress, parse_booking_address
from configs.world.booking_hosts import explain_unasked, find_owner
from configs.world.prefecture import desks, prefectures

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
    address = _read_address(given)
    _refuse_desk(address)
    now = clock()
    lock_user(session, user_id)
    found = session.scalars(
        sa.select(Candidate).where(Candidate.key == address.key).with_for_update()
    ).one_or_none()
    if found is None:
        _check_given_today(session, user_id, now)
        found = _add(session, user_id, address, given.prefecture_id, now)
        session.add(build_replan(found, "a user gave a booking page"))
    elif found.state is not CandidateState.OPEN:
        raise ApiError(409, f"candidate-{found.state}", _DECIDED[found.state])
    elif found.user_id is None:
        _check_given_today(session, user_id, now)
        found.user_id, found.given_at = user_id, now
        found.prefecture_id = found.prefecture_id or given.prefecture_id
    found.last_seen_at = max(now, found.last_seen_at)
    return _answer(found, user_id)


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


def _refuse_desk(address: BookingAddress) -> None:
    for desk in desks().values():
        known = parse_booking_address(desk.url)
        if known and known.key == address.key:
            raise ApiError(409, "known-desk", f"we have this page already: it is the desk {desk.id}")


def _check_given_today(session: Session, user_id: UUID, now: datetime) -> None:
    today = (Candidate.user_id == user_id, Candidate.given_at > now - _DAY)
    if session.scalars(sa.select(sa.func.count()).where(*today)).one() >= GIVEN_A_DAY:
        detail = f"{GIVEN_A_DAY} addresses a day can be given: wait until tomorrow"
        headers = {"Retry-After": str(int(_DAY.total_seconds()))}
        raise ApiError(429, "too-many-requests", detail, headers=headers)


def _add(
    session: Session, user_id: UUID, address: BookingAddress, prefecture_id: str, now: datetime
) -> Candidate:
    """Add a candidate; where another transaction has just added it, return that one."""
    values = describe_address(address) | {
        "id": new_id(),
        "source": CandidateSource.PERSON,
        "prefecture_id": find_owner(address.host) or prefecture_id,
        "user_id": user_id,
        "given_at": now,
        "first_seen_at": now,
        "last_seen_at": now,
    }
    session.execute(insert(Candidate).values(values).on_conflict_do_nothing(index_elements=["key"]))
    return session.scalars(sa.select(Candidate).where(Candidate.key == address.key)).one()


def _answer(found: Candidate, user_id: UUID) -> CandidateAnswer:
    return CandidateAnswer(
        address=found.url,
        platform=found.platform or "",
        prefecture_id=found.prefecture_id or "",
        state=found.state,
        is_asked=explain_unasked(found.host) is None,
        is_told=found.user_id == user_id,
    )
