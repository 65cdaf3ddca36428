"""Requests to support: a row, a mail to SUPPORT_EMAIL, an acknowledgement; what operators answer, and the end."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from api.accounts.queries import has_confirmed_mailbox
from api.accounts.schemas import Email
from api.admin.audit import AuditedWork
from api.ground.errors import ApiError, ensure_found, invalid
from api.ground.messages import write_message, write_to_address
from api.ground.paging import LARGEST_NUMBER, Found, NumberQuery, apply_filter, read_numbers
from api.ground.schemas import Answer, Body, FieldError
from api.models.support import SupportRequest
from api.models.user import Role, User
from configs.ground.addresses import fold_address
from configs.ground.clock import clock
from configs.ground.text import Language
from configs.settings import settings

LONGEST = 5000  # characters
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ACKNOWLEDGED_A_DAY = 3  # to one address that a stranger may have named
_DAY = timedelta(days=1)
_LOCK = 0x73757070  # advisory locks of this module


def _clean(text: str) -> str:
    """Return a text without control characters but tabs and line breaks.

    Raises:
        ValueError: nothing would be left.
    """
    cleaned = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not cleaned:
        raise ValueError("holds no text")
    return cleaned


class NewSupportRequest(Body):
    """A question to support. `email` is needed without a sign-in; otherwise the account's is taken.

    `language` is that of the acknowledgement; without it the account's, or French.
    """

    message: Annotated[
        str,
        Field(
            max_length=LONGEST,
            examples=["Je ne reçois pas de SMS."],
            json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00-\x1f\x7f-\x9f][^\x00]*$"},
        ),
        AfterValidator(_clean),
    ]
    email: Email | None = None
    language: Language | None = None


class SupportAnswer(Body):
    """What an operator answers to a request."""

    answer: Annotated[str, Field(max_length=LONGEST), AfterValidator(_clean)]


class SupportQuery(NumberQuery):
    """Requests that wait for an answer, or those that are dealt with."""

    open: bool | None = None


class SupportTicket(Answer):
    """The number to quote, and the address that the answer goes to."""

    number: int
    email: str


def get_sender(user: User | None, wish: NewSupportRequest) -> str:
    """Return the address to answer to: the account's where somebody is signed in.

    Raises:
        ApiError: 422, nobody is signed in and no address is given.
    """
    email = user.email if user else wish.email
    if email is None:
        raise invalid(FieldError(path="email", rule="missing", detail="say where to answer, or sign in"))
    return email


def add_request(
    session: Session, user: User | None, email: str, wish: NewSupportRequest, may_mail: Callable[[str], bool]
) -> SupportRequest:
    """Store a request, write it to support, and acknowledge it.

    `may_mail` decides whether a receipt may go to an address that a stranger may have named.
    """
    # A login that is not confirmed proves no author: the account may become a stranger's.
    author = user.id if user and has_confirmed_mailbox(session, user.id) else None
    request = SupportRequest(
        user_id=author, email=email, message=wish.message, language=wish.language, created_at=clock()
    )
    session.add(request)
    session.flush()
    _tell_support(session, request)
    _acknowledge(session, request, user, wish.language, may_mail)
    return request


def list_requests(session: Session, wanted: SupportQuery) -> Found[SupportRequest]:
    """Return a page of requests, the newest first."""
    query = apply_filter(sa.select(SupportRequest), wanted, open=SupportRequest.ended_at.is_(None))
    return read_numbers(session, query, SupportRequest.id, wanted)


def read_request(session: Session, number: int, *, lock: bool = False) -> SupportRequest:
    """Return a request.

    Raises:
        ApiError: 404.
    """
    is_number = number <= LARGEST_NUMBER
    return ensure_found(
        session.get(SupportRequest, number, with_for_update=lock) if is_number else None, "request"
    )


def answer_request(work: AuditedWork, number: int, wish: SupportAnswer) -> None:
    """Write an operator's answer to the sender; the request is dealt with.

    Raises:
        ApiError: 404; 409, it is dealt with already.
    """
    session, request = work.session, end_request(work, number)
    request.answer = wish.answer
    params, key = {"request": request.id}, f"support-answered:{request.id}"
    if request.user_id:
        write_message(session, request.user_id, "support_answered", params, key, language=request.language)
        return
    language = request.language or "fr"
    write_to_address(session, request.email, "support_answered", params, key, language=language)


def end_request(work: AuditedWork, number: int) -> SupportRequest:
    """End a request that needs no answer by us, and return it.

    Raises:
        ApiError: 404; 409, it is dealt with already.
    """
    request = read_request(work.session, number, lock=True)
    if request.ended_at:
        raise ApiError(409, "request-ended", "this request is dealt with already")
    request.ended_at = clock()
    return request


def _tell_support(session: Session, request: SupportRequest) -> None:
    params, key = {"request": request.id}, f"support:{request.id}"
    if to := settings().support_email:
        write_to_address(session, to, "operations", params, key)
        return
    operators = sa.select(User.id).where(User.role.in_([Role.ADMIN, Role.SUPPORT])).order_by(User.id)
    for each in session.scalars(operators).all():
        write_message(session, each, "operations", params, f"{key}:{each}")


def _acknowledge(
    session: Session,
    request: SupportRequest,
    user: User | None,
    language: str | None,
    may_mail: Callable[[str], bool],
) -> None:
    params, key = {"number": request.id}, f"support-received:{request.id}"
    if user:
        write_message(session, user.id, "support_received", params, key, language=language)
        return
    # Requests that name one address at once are counted one after the other.
    session.execute(
        sa.select(sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(fold_address(request.email))))
    )
    lately = sa.select(sa.func.count()).where(
        sa.func.lower(SupportRequest.email) == fold_address(request.email),
        SupportRequest.user_id.is_(None),
        SupportRequest.created_at > clock() - _DAY,
    )
    if session.scalars(lately).one() <= _ACKNOWLEDGED_A_DAY and may_mail(request.email):
        write_to_address(session, request.email, "support_received", params, key, language=language or "fr")
