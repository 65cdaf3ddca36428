"""Ends of organisations: all are told NOTICE_PERIOD before; for abuse it stops at once, its people have that time."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.ground.separate_parts import do_each
from api.models.base import read_once
from api.models.base import session as open_session
from api.models.organisation import (
    NOTICE_PERIOD,
    Beneficiary,
    Member,
    MemberRole,
    Organisation,
    OrganisationEnd,
)
from api.models.organisation_access import OrganisationKey, Webhook
from api.organisations.callers import Caller, Right, lock_organisation, note_act
from api.organisations.grants import apply_grant
from api.organisations.person_service import write_end
from api.privacy.deletion import delete_account, lock_account
from configs.ground.clock import clock


def end_by_owner(session: Session, caller: Caller) -> None:
    """End the organisation by its owner's will.

    Raises:
        ApiError: 403; 409 organisation-ending.
    """
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    end_organisation(session, organisation, OrganisationEnd.DELETED)
    note_act(session, caller, "organisation.end", "organisation", organisation.id)


def end_organisation(
    session: Session, organisation: Organisation, because: OrganisationEnd, reason: str | None = None
) -> None:
    """Have an organisation end after NOTICE_PERIOD, for abuse stop now; tell members and people. Its row is locked.

    One without people ends with the next run of the job.

    Raises:
        ApiError: 409 organisation-ending, it does already; abuse comes before each other reason.
    """
    if organisation.ends_at is not None and because is not OrganisationEnd.ABUSE:
        raise ApiError(409, "organisation-ending", f"it ends on {organisation.ends_at:%Y-%m-%d} already")
    now = clock()
    has_people = session.scalar(sa.select(sa.exists().where(Beneficiary.organisation_id == organisation.id)))
    organisation.ends_at = now + NOTICE_PERIOD if has_people else now
    organisation.ends_because, organisation.end_reason = because, reason
    session.flush()
    apply_grant(session, organisation)
    tell_members(session, organisation, "abuse" if because is OrganisationEnd.ABUSE else "ends")
    tell_people(session, organisation, organisation.ends_at)


def keep_organisation(session: Session, organisation: Organisation) -> None:
    """Take an end back that has not come: an objection was right. Its row is locked.

    Raises:
        ApiError: 409 not-ending.
    """
    if organisation.ends_at is None or organisation.ended_at is not None:
        raise ApiError(409, "not-ending", "it does not end, or has ended already")
    organisation.ends_at = organisation.ends_because = organisation.end_reason = None
    session.flush()
    apply_grant(session, organisation)
    tell_members(session, organisation, "kept")


def tell_members(session: Session, organisation: Organisation, what: str) -> None:
    """Write to each member what became of the organisation; `what` is a word of the kind `organisation_news`."""
    now = clock()
    params = {"what": what, "organisation": organisation.name, "reason": organisation.end_reason or ""}
    if ends := organisation.ends_at or organisation.granted_until:
        params["ends"] = ends.isoformat()
    joined = sa.select(Member.user_id).where(
        Member.organisation_id == organisation.id, Member.user_id.is_not(None)
    )  # fmt: skip
    for user_id in session.scalars(joined.order_by(Member.id)).all():
        if user_id:
            key = f"organisation_{what}:{organisation.id}:{now:%Y-%m-%d}:{user_id}"
            write_message(session, user_id, "organisation_news", params, key)


def tell_people(session: Session, organisation: Organisation, ends_at: datetime) -> None:
    """Tell each person whom messages reach that the help ends, with the link to take over."""
    helped = sa.select(Beneficiary).where(Beneficiary.organisation_id == organisation.id)
    for person in session.scalars(helped.order_by(Beneficiary.user_id)).all():
        if person.is_reached():
            write_end(session, person, str(organisation.ends_because), ends_at.isoformat())


def warn_grant_ends(session: Session) -> None:
    """Tell the members of organisations whose grant is over in less than NOTICE_PERIOD, once per end."""
    now = clock()
    soon = sa.select(Organisation).where(
        Organisation.granted_until.between(now, now + NOTICE_PERIOD), Organisation.ends_at.is_(None)
    )  # fmt: skip
    for each in session.scalars(soon.order_by(Organisation.id)).all():
        owners = sa.select(Member.user_id).where(
            Member.organisation_id == each.id, Member.role == MemberRole.OWNER, Member.user_id.is_not(None)
        )  # fmt: skip
        ends = each.granted_until and each.granted_until.isoformat()
        params = {"what": "grant_ends", "organisation": each.name, "ends": ends}
        for user_id in session.scalars(owners).all():
            if user_id:
                key = f"organisation_grant_ends:{each.id}:{ends}:{user_id}"
                write_message(session, user_id, "organisation_news", params, key)


def carry_out_ends() -> dict[str, int]:
    """Delete people whose help is over, then what is left of organisations that have ended; return how many."""
    people, failed = do_each("end_help", read_once(_list_gone_people), _delete_person)
    ended, stuck = do_each("end_organisations", read_once(_list_ended), _close)
    return {"people": people, "organisations": ended, "failed": failed + stuck}


def _list_gone_people(session: Session) -> list[UUID]:
    is_over = sa.func.least(Beneficiary.ends_at, Organisation.ends_at) <= clock()
    query = sa.select(Beneficiary.user_id).join(Organisation).where(is_over)
    return list(session.scalars(query.order_by(Beneficiary.user_id)))


def _delete_person(user_id: UUID) -> None:
    with open_session() as s:
        if (
            lock_account(s, user_id) is not None and s.get(Beneficiary, user_id) is not None
        ):  # else taken over
            delete_account(s, user_id, understood=True)


def _list_ended(session: Session) -> list[UUID]:
    helped = sa.exists().where(Beneficiary.organisation_id == Organisation.id)
    over = sa.select(Organisation.id).where(
        Organisation.ends_at <= clock(), Organisation.ended_at.is_(None), ~helped
    )  # fmt: skip
    return list(session.scalars(over.order_by(Organisation.id)))


def _close(organisation_id: UUID) -> None:
    with open_session() as s:
        row = s.get_one(Organisation, organisation_id, with_for_update=True)
        if row.ends_at is None or row.ends_at > clock():
            return
        for table in (Member, OrganisationKey, Webhook):
            s.execute(sa.delete(table).where(table.organisation_id == row.id))
        row.ended_at = clock()
