"""People whom an organisation helps: their rows, and how many there may be."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import ApiError, not_found
from api.models.base import new_id
from api.models.organisation import Beneficiary
from api.models.user import NO_ACCOUNT, Role, User
from api.organisations.callers import Caller, Right, lock_organisation, note_act
from api.organisations.contracts import list_versions
from api.organisations.grants import apply_grant
from api.organisations.service import WAITING, organisation_people


def add_person(session: Session, caller: Caller, label: str | None, language: str) -> Beneficiary:
    """Enter a person, with the next reference and the organisation's grant; the caller's member is the caseworker.

    Raises:
        ApiError: 403; 409 contract-needed, too-many-people.
    """
    caller.require(Right.HELP)
    organisation = lock_organisation(session, caller)
    if organisation.contract_version != list_versions()[0]:
        raise ApiError(
            409, "contract-needed", "an owner accepts the contract first: POST /api/organisations/contract"
        )
    if organisation.ends_at is not None:
        raise ApiError(409, "organisation-ending", f"it ends on {organisation.ends_at:%Y-%m-%d}")
    mine = sa.select(sa.func.count()).where(Beneficiary.organisation_id == organisation.id)
    if session.scalars(mine).one() >= (organisation_people() if organisation.opened_at else WAITING):
        raise ApiError(409, "too-many-people", "no more people: an operator opens the organisation first")
    user_id = new_id()
    user = User(id=user_id, email=f"{user_id.hex}{NO_ACCOUNT}", role=Role.BENEFICIARY, language=language)
    session.add(user)
    session.flush()
    made = Beneficiary(
        user_id=user_id, organisation_id=organisation.id, reference=organisation.next_reference, label=label,
        caseworker_id=caller.member_id,
    )  # fmt: skip
    organisation.next_reference += 1
    session.add(made)
    session.flush()
    apply_grant(session, organisation, [user_id])
    note_act(session, caller, "person.add", "person", user_id)
    return made


def find_person(
    session: Session, caller: Caller, person_id: UUID, right: Right, *, lock: bool = False
) -> Beneficiary:
    """Return one of the organisation's people, by the id of the row of `users`.

    Raises:
        ApiError: 403; 404, it is none of this organisation's.
    """
    caller.require(right)
    made = session.get(Beneficiary, person_id, with_for_update=True if lock else None)
    if made is None or made.organisation_id != caller.organisation.id:
        raise not_found("person")
    return made
