"""Until when an organisation and its people go on: the people's grant, and ends, told NOTICE_PERIOD before.

Ended for abuse an organisation stops at once; its people have that time.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.service import wake_alerts
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.ground.separate_parts import do_each
from api.models.alert import Alert
from api.models.base import read_once
from api.models.base import session as open_session
from api.models.notification import Notification, State
from api.models.organisation import (
    GRANT_SOURCE,
    NOTICE_PERIOD,
    Beneficiary,
    Member,
    MemberRole,
    Organisation,
    OrganisationEnd,
)
from api.models.organisation_access import OrganisationKey, Webhook
from api.models.payment import Payment, PaymentStatus
from api.models.user import Channel, Contact, Grant
from api.organisations.callers import Caller, Right, lock_organisation, note_act
from api.privacy.deletion import delete_account, lock_account
from configs.ground.clock import clock
from configs.world.plan import PlanName

_GRANT_ENDS = "grant_ends"  # a word of the kind `organisation_news`
_WATCHED = (Alert.user_id == Beneficiary.user_id, Alert.enabled, Alert.closed_at.is_(None), ~Alert.is_free)
MEMBER = "member"  # why a help ends: a member pressed so
_MAY_BE_TAKEN_BACK = timedelta(minutes=10)
_FOR_OWNERS = (_GRANT_ENDS, "billed", "bill_due", "bill_again", "limit")


def apply_grant(session: Session, organisation: Organisation) -> None:
    """Have the grants of its people end when the organisation's does; alerts follow after the commit.

    Where an owner limits how many are watched at once, one beyond waits without a grant. The organisation is locked.
    """
    waiting = place_watched(session, organisation) if organisation.most_watched else set()
    now, ends = clock(), find_grant_end(organisation)
    runs = (Grant.user_id == Beneficiary.user_id, Grant.source == GRANT_SOURCE, Grant.ends_at > now)
    mine = sa.select(Beneficiary.user_id, Grant.ends_at).outerjoin(Grant, sa.and_(*runs))
    mine = mine.where(Beneficiary.organisation_id == organisation.id)
    known: dict[UUID, datetime | None] = dict(session.execute(mine.order_by(Beneficiary.user_id)).all())
    for user_id, until in known.items():
        wanted = now if user_id in waiting else ends
        if wanted != until and (until or wanted > now):
            set_grant_end(session, user_id, wanted)


def place_watched(session: Session, organisation: Organisation) -> set[UUID]:
    """Give free places to people with an alert that checks watch, the one that waited longest first; return the others.

    A place is free once its person has no such alert any more. Before a limit is set all who have one have a place, so
    that nobody is dropped.
    """
    since = sa.select(sa.func.min(Alert.watched_since)).where(*_WATCHED).scalar_subquery()
    mine = sa.select(Beneficiary, since).where(Beneficiary.organisation_id == organisation.id)
    session.flush()
    found = session.execute(mine.order_by(since, Beneficiary.reference))
    rows: list[tuple[Beneficiary, datetime | None]] = [(person, begins) for person, begins in found]
    for person, begins in rows:
        person.placed_at = None if begins is None else person.placed_at
    left = (organisation.most_watched or len(rows)) - sum(person.placed_at is not None for person, _ in rows)
    wanting = [person for person, begins in rows if begins is not None and person.placed_at is None]
    for person in wanting[: max(left, 0)]:
        person.placed_at = clock()
    session.flush()
    return {each.user_id for each in wanting[max(left, 0) :]}


def count_watched(session: Session, organisation: Organisation) -> int:
    """Return how many people are watched for now: with the grant, and an alert that checks watch."""
    runs = (Grant.user_id == Beneficiary.user_id, Grant.source == GRANT_SOURCE, Grant.ends_at > clock())
    mine = sa.select(sa.func.count()).where(Beneficiary.organisation_id == organisation.id)
    return session.scalars(mine.where(sa.exists().where(*_WATCHED), sa.exists().where(*runs))).one()


def find_grant_end(organisation: Organisation) -> datetime:
    """Return until when its people have the grant: the day that an operator named, or its end; now without one."""
    now = clock()
    if organisation.granted_until is None or not organisation.is_open(now):
        return now
    return min(organisation.granted_until, organisation.ends_at or organisation.granted_until)


def set_grant_end(session: Session, user_id: UUID, ends: datetime) -> None:
    """Have the grant of a person end then, also if it is now."""
    now = clock()
    running = Grant.user_id == user_id, Grant.source == GRANT_SOURCE, Grant.ends_at > now
    grant = session.scalars(sa.select(Grant).where(*running).with_for_update()).first()
    if grant is None and ends > now:
        session.add(build_grant(user_id, ends))
    elif grant is not None and ends > grant.starts_at:
        grant.ends_at = ends
    elif grant is not None:
        session.delete(grant)
    session.flush()
    wake_alerts(session, user_id, "the grant of an organisation changed")


def build_grant(user_id: UUID, ends: datetime) -> Grant:
    """Return the grant of a person from now on."""
    plan = PlanName.URGENCE_TOTAL
    return Grant(user_id=user_id, plan=plan, starts_at=clock(), ends_at=ends, source=GRANT_SOURCE)


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
    helped = sa.select(Beneficiary).where(Beneficiary.organisation_id == organisation.id)
    people = session.scalars(helped.order_by(Beneficiary.user_id)).all()
    organisation.ends_at = clock() + NOTICE_PERIOD if people else clock()
    organisation.ends_because, organisation.end_reason = because, reason
    session.flush()
    apply_grant(session, organisation)
    tell_members(session, organisation, "abuse" if because is OrganisationEnd.ABUSE else "ends")
    for person in people:
        tell_end(session, organisation, person, because.value, organisation.ends_at)


def end_deserted(session: Session, user_id: UUID) -> None:
    """End the organisation whose last owner's account is to be deleted because it is not used."""
    owned = (
        sa.select(Organisation).join(Member).where(Member.user_id == user_id, Organisation.ends_at.is_(None))
    )
    row = session.scalars(owned.with_for_update(of=Organisation)).one_or_none()
    if row is not None:
        reason = "le compte de la dernière personne responsable n’est plus utilisé"
        end_organisation(session, row, OrganisationEnd.CLOSED, reason)


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


def tell_members(
    session: Session, organisation: Organisation, what: str, subject: str = "", **more: Any
) -> None:
    """Write to each member what became of the organisation; `what` is a word of the kind `organisation_news`.

    That the grant ends is for owners, once per end; so is what they pay, once per `subject`, with `more` params.
    """
    ends = organisation.ends_at or organisation.granted_until
    params = {"what": what, "organisation": organisation.name, "reason": organisation.end_reason or ""}
    params |= ({"ends": ends.isoformat()} if ends else {}) | more
    joined = sa.select(Member.user_id).where(Member.organisation_id == organisation.id)
    if what in _FOR_OWNERS:
        joined = joined.where(Member.role == MemberRole.OWNER)
    moment = subject or (params.get("ends") if what == _GRANT_ENDS else f"{clock():%Y-%m-%d}")
    for user_id in session.scalars(joined.order_by(Member.id)).all():
        if user_id:
            key = f"organisation_{what}:{organisation.id}:{moment}:{user_id}"
            write_message(session, user_id, "organisation_news", params, key)


def tell_end(
    session: Session, organisation: Organisation, person: Beneficiary, why: str, ends: datetime
) -> None:
    """Tell a person that the help ends, with the link to take over, at each contact; once per end and day.

    A member's press is told ten minutes later: taken back by then, it is not told at all (`take_back_end`).

    Nobody need have said yes there; who said no is told nothing. SMS are an opened organisation's, as for invitations.
    """
    if person.stopped_at is None:
        channels = [Channel.EMAIL.value, *([Channel.SMS.value] if organisation.opened_at else [])]
        key = f"help_ends:{person.user_id}:{why}:{ends:%Y-%m-%d}"
        params, delay = (
            {"why": why, "ends": ends.isoformat()},
            _MAY_BE_TAKEN_BACK if why == MEMBER else None,
        )
        write_message(session, person.user_id, "help_ends", params, key, channels=channels, delay=delay)


def take_back_end(session: Session, person: Beneficiary) -> None:
    """Keep the help of a person; what was not told yet is not told, and may be written anew."""
    person.ends_at, row = None, Notification
    mine = row.user_id == person.user_id, row.kind == "help_ends", row.params["why"].astext == MEMBER
    session.execute(sa.delete(row).where(*mine, row.state == State.PENDING))


def has_contact(session: Session, person: Beneficiary) -> bool:
    """Return whether a person has a contact by which the help can be taken over."""
    return bool(session.scalar(sa.select(sa.exists().where(Contact.user_id == person.user_id))))


def warn_grant_ends(session: Session) -> None:
    """Tell the owners of organisations whose grant is over in less than NOTICE_PERIOD."""
    soon = Organisation.granted_until.between(clock(), clock() + NOTICE_PERIOD)
    query = sa.select(Organisation).where(soon, Organisation.ends_at.is_(None))
    query = query.where(Organisation.billed_since.is_(None))  # the others are told what is due
    for each in session.scalars(query.order_by(Organisation.id)).all():
        tell_members(session, each, _GRANT_ENDS)


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
        # Without the row the person has taken over.
        if lock_account(s, user_id) is not None and s.get(Beneficiary, user_id) is not None:
            delete_account(s, user_id, understood=True)


def _list_ended(session: Session) -> list[UUID]:
    """Return the organisations that are over, without people any more, and with all that they used on an invoice."""
    helped = sa.exists().where(Beneficiary.organisation_id == Organisation.id)
    is_billed = sa.func.coalesce(Organisation.billed_until >= Organisation.ends_at, sa.true())
    is_over = Organisation.ends_at <= clock(), Organisation.ended_at.is_(None), ~helped, is_billed
    return list(session.scalars(sa.select(Organisation.id).where(*is_over).order_by(Organisation.id)))


def _close(organisation_id: UUID) -> None:
    with open_session() as s:
        row = s.get_one(Organisation, organisation_id, with_for_update=True)
        if row.ends_at is None or row.ends_at > clock():
            return
        unpaid = (Payment.organisation_id == row.id, Payment.status == PaymentStatus.PENDING)
        owes = bool(s.scalar(sa.select(sa.exists().where(*unpaid))))
        for table in (Member, OrganisationKey, Webhook):
            gone = sa.delete(table).where(table.organisation_id == row.id)
            s.execute(gone.where(Member.role != MemberRole.OWNER) if owes and table is Member else gone)
        row.ended_at = None if owes else clock()
