"""Announcements: written by operators, tried on themselves, and sent by a job to many people in bulk."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

import notifier
from api.admin.audit import AuditedWork
from api.ground.errors import ApiError, ensure_found
from api.ground.messages import ask_deliver_later, write_message
from api.ground.paging import Found, PageQuery, read_page
from api.ground.schemas import Body
from api.models.alert import Alert, AlertTarget
from api.models.base import first_id_at, new_id, session
from api.models.notification import Announcement, Notification
from api.models.user import Channel, Contact, ContactState, Grant, Role, User
from configs.ground.clock import clock
from configs.world.desk import Text
from configs.world.plan import PlanName
from configs.world.prefecture import desks, prefectures

AT_ONCE = 500  # people that one turn of the job writes to
_ROUNDS = 20  # turns of one run
_Words = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]
_TEXTS = ("fr", "en", "es", "de", "pt", "ru", "zh", "ar", "hi")


class NewAnnouncement(Body):
    """An announcement to all, to a plan, or to those who wait at a prefecture or desk (`place`: its id).

    Of each language the first line is the title. French and English are needed: English stands in for the others.
    """

    is_news: bool = False
    plan: Literal[PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL] | None = None
    place: Annotated[Text, Field(max_length=200)] | None = None
    fr: _Words
    en: _Words
    es: _Words | None = None
    de: _Words | None = None
    pt: _Words | None = None
    ru: _Words | None = None
    zh: _Words | None = None
    ar: _Words | None = None
    hi: _Words | None = None

    @property
    def texts(self) -> dict[str, list[str]]:
        """Title and paragraphs by language."""
        written = {name: str(getattr(self, name) or "").strip() for name in _TEXTS}
        return {
            name: list(filter(None, map(str.strip, text.splitlines())))
            for name, text in written.items()
            if text
        }

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.plan and self.place:
            raise PydanticCustomError("one_audience", "name a plan or a place, not both")
        if self.place and self.place not in prefectures() and self.place not in desks():
            raise PydanticCustomError("unknown_place", "no prefecture and no desk has this id")
        if any(len(lines) < 2 or len(lines[0]) > 120 for lines in self.texts.values()):  # noqa: PLR2004
            raise PydanticCustomError(
                "no_title", "the first line is a title of 120 characters, a text follows"
            )
        return self


def list_announcements(session: Session, wanted: PageQuery) -> Found[Announcement]:
    """Return a page of announcements, the newest first."""
    return Found(*read_page(session, sa.select(Announcement), Announcement.id, wanted))


def get_announcement(session: Session, id: UUID, *, lock: bool = False) -> Announcement:
    """Return an announcement.

    Raises:
        ApiError: 404.
    """
    return ensure_found(session.get(Announcement, id, with_for_update=lock or None), "announcement")


def add_announcement(work: AuditedWork, wish: NewAnnouncement) -> dict[str, Any]:
    """Write an announcement; nothing is sent."""
    row = Announcement(
        is_news=wish.is_news, plan=wish.plan, place=wish.place, texts=wish.texts, created_at=clock()
    )
    work.session.add(row)
    work.session.flush()
    return {"id": str(row.id), "news": row.is_news}


def try_on(session: Session, id: UUID, user_id: UUID) -> None:
    """Write an announcement to the operator alone."""
    params = {"announcement": str(get_announcement(session, id).id), "is_test": True}
    write_message(session, user_id, "announcement", params, f"try:{new_id()}")


def start_announcement(work: AuditedWork, id: UUID) -> dict[str, int]:
    """Have the job send an announcement; return how many people it is for now.

    Raises:
        ApiError: 404; 409, it was started before.
    """
    row = get_announcement(work.session, id, lock=True)
    if row.started_at:
        raise ApiError(409, "started-already", "this announcement was started already")
    row.started_at = clock()
    return {"people": count_people(work.session, row)}


def stop_announcement(work: AuditedWork, id: UUID) -> None:
    """Write to no more people; messages that have not left are skipped.

    Raises:
        ApiError: 404; 409, it does not run.
    """
    row = get_announcement(work.session, id, lock=True)
    if row.started_at is None or row.stopped_at:
        raise ApiError(409, "not-running", "this announcement is not being sent")
    row.stopped_at = clock()


def count_people(session: Session, row: Announcement) -> int:
    """Return how many people an announcement is for now."""
    return session.scalar(sa.select(sa.func.count()).select_from(_select_people(row).subquery())) or 0


def count_left(session: Session, row: Announcement) -> int:
    """Return how many messages of a stopped announcement left all the same, deleted accounts' apart."""
    began, ended = (first_id_at(each or clock()) for each in (row.started_at, row.stopped_at))
    mine = Notification.dedupe_key.startswith(f"announcement:{row.id}:")
    left = sa.select(sa.func.count(Notification.accepted_at)).where(mine)
    return session.scalar(left.where(Notification.id.between(began, ended))) or 0


def _select_people(row: Announcement) -> sa.Select[UUID, str, UUID]:
    """Select the mailboxes that an announcement goes to, with their owners' ids and languages.

    A notice of the service goes also where mail was reported as spam, as other mail about the account does.
    """
    now = clock()
    states = [ContactState.OK] if row.is_news else [ContactState.OK, ContactState.UNSUBSCRIBED]
    mailbox = (
        Contact.user_id == User.id,
        Contact.channel == Channel.EMAIL,
        Contact.verified_at.is_not(None),
        Contact.state.in_(states),
    )
    columns = (User.id, User.language, Contact.id.label("contact_id"))
    query = sa.select(*columns).join(Contact, sa.and_(*mailbox))
    query = query.where(User.role != Role.BENEFICIARY)
    if row.is_news:
        given = Contact.consent["news"]
        wants = given.is_not(None) & ~given.has_key("withdrawn_at")
        query = query.where(Contact.consented_at.is_not(None), wants)
    if row.plan:
        runs = (Grant.user_id == User.id, Grant.plan == row.plan, Grant.starts_at <= now, Grant.ends_at > now)
        query = query.where(sa.exists().where(*runs))
    if row.place:
        at_desk = AlertTarget.desk_id == row.place
        below = AlertTarget.desk_id.startswith(f"{row.place}/", autoescape=True)
        by_procedure = AlertTarget.prefecture_id == row.place.partition("/")[0]
        if desk := desks().get(row.place):
            by_procedure &= AlertTarget.procedure.in_(desk.procedures)
        about = sa.or_(by_procedure, at_desk, below)
        waits = (Alert.user_id == User.id, Alert.closed_at.is_(None), Alert.enabled | Alert.awaits_watch)
        query = query.where(sa.exists().where(AlertTarget.alert_id == Alert.id, *waits, about))
    return query


def send_announcements() -> dict[str, int]:
    """Write running announcements to their next people, in bulk; return how many messages were written."""
    return {"written": sum(_write_turns())}


def _write_turns() -> Iterator[int]:
    for _ in range(_ROUNDS):
        with session() as s:
            running = sa.select(Announcement).where(
                Announcement.started_at.is_not(None),
                Announcement.done_at.is_(None),
                Announcement.stopped_at.is_(None),
            )
            row = s.scalars(
                running.order_by(Announcement.started_at).limit(1).with_for_update()
            ).one_or_none()
            if row is None:
                return
            yield _write_next(s, row)


def _write_next(session: Session, row: Announcement) -> int:
    query = _select_people(row).order_by(User.id).limit(AT_ONCE)
    if row.written_to:
        query = query.where(User.id > row.written_to)
    people = session.execute(query).all()
    kind = "news" if row.is_news else "announcement"
    messages = [
        {
            "user_id": each.id,
            "contact_id": each.contact_id,
            "language": each.language,
            "params": {"announcement": str(row.id)},
            "dedupe_key": f"announcement:{row.id}:{each.id}",
        }
        for each in people
    ]
    written = notifier.write_to_contacts(session, kind, Channel.EMAIL, messages) if messages else []
    ask_deliver_later(session, written)
    row.written += len(written)
    if people:
        row.written_to = people[-1].id
    if len(people) < AT_ONCE:
        row.done_at, row.written_to = clock(), None
    return len(written)
