"""Changes to logins: opening one, rotating its refresh token, ending it.

A refresh token is a JWT whose id only the client holds: the row has hashes of the id that is good now and of the one
before. An id determines the next one, so that the successor of a token can be signed again and is stored nowhere.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.auth.schemas import LoginItem, LoginList
from api.ground.errors import ApiError, not_found
from api.ground.messages import write_message
from api.models.login import EndedBecause, Login, recent_proof_seconds
from api.models.user import User
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.retention import login_kept_for

# How long a login lasts at most, however often it is used
_LOGIN_MAX_AGE = timedelta(days=90)
# How long a refresh token that was just used gives the same successor again (two tabs of one browser)
_REFRESH_REPEAT = timedelta(seconds=10)
_MOST = 100
LONGEST = 60
_AGENT = re.compile(r"[!-'*-.0-9:-~]+")  # the first product of a User-Agent (RFC 9110, section 10.1.5)
# The order matters: Edge, Opera and Samsung's browser name Chrome too, and Chrome names Safari.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Macintosh": "Mac",
    "Linux": "Linux",
}


@dataclass(frozen=True, slots=True)
class LoginChange:
    """A login that was opened or refreshed. Without `token_id` its token had been copied, and the login ended."""

    login: Login
    token_id: str | None  # of the refresh token that is good now


def open_login(
    session: Session, user: User, browser: str, *, from_known_place: bool, is_proof: bool = True
) -> LoginChange:
    """Begin a login of a user who has just proven to be that.

    A mail reports it, unless it is the first login, or a browser of its name is in use already, and its place is known:
    by the cookie that the browser has of us, as a phone changes networks each day, or by its network address.

    `is_proof`: false where the account has a password that was not given.
    """
    now, token_id = clock(), secrets.token_hex(32)
    proven_at = now if is_proof else now - timedelta(seconds=recent_proof_seconds() + 1)
    before = session.scalars(sa.select(Login.browser).where(Login.user_id == user.id).distinct()).all()
    login = Login(
        user_id=user.id, browser=browser, token_hash=_hash(token_id), created_at=now, last_used_at=now, rotated_at=now,
        expires_at=_find_end(now, now), proven_at=proven_at,
    )  # fmt: skip
    session.add(login)
    session.flush()
    _note_use(session, user.id, now)
    # Old logins are dropped, so an account older than that had a login before: this one is not its first.
    is_first = not before and user.created_at > now - login_kept_for()
    if not is_first and not (from_known_place and browser in before):
        params = {"browser": browser, "at": now.isoformat()}
        write_message(session, user.id, "new_sign_in", params, f"new-sign-in:{login.id}")
    return LoginChange(login, token_id)


def rotate_login(
    session: Session, login_id: UUID, token_id: str, issued_at: datetime, *, used: bool = True
) -> LoginChange | None:
    """Use a refresh token: return the login with the id of the next one, or None where the token is good no more.

    `used`: false where a script of an open page asked, which keeps no operator's login.

    The token before gives the same successor again for ten seconds: two tabs refresh at once. An older
    one has been copied: the login ends, and its user gets a mail.
    """
    login = session.get(Login, login_id, with_for_update=True)
    now = clock()
    if login is None or not login.is_alive(now):
        return None
    if _fits(token_id, login.token_hash):
        following = _derive_next_id(token_id)
        if used and login.last_used_at.date() != now.date():
            _note_use(session, login.user_id, now)
        login.last_used_at = now if used else login.last_used_at
        login.previous_hash, login.token_hash, login.rotated_at = login.token_hash, _hash(following), now
        login.expires_at = _find_end(now, login.created_at)
        return LoginChange(login, following)
    if _fits(token_id, login.previous_hash) and abs(now - login.rotated_at) <= _REFRESH_REPEAT:
        return LoginChange(login, _derive_next_id(token_id))
    # No copy: a token newer than the row comes from before the database was restored from an older state, and one
    # where no token was replaced yet from before a new password.
    if issued_at > login.rotated_at or login.previous_hash is None:
        return None
    _end(login, EndedBecause.TOKEN_REUSED)
    params = {"browser": login.browser, "at": clock().isoformat()}
    write_message(session, login.user_id, "login_ended", params, f"login-ended:{login.id}")
    return LoginChange(login, None)


def _note_use(session: Session, user_id: UUID, now: datetime) -> None:
    """Note that an account is used. A row that another transaction holds is left alone: no two wait for each other."""
    free = sa.select(User.id).where(User.id == user_id).with_for_update(skip_locked=True, key_share=True)
    values = {"last_used_at": now, "updated_at": User.updated_at}
    session.execute(sa.update(User).where(User.id.in_(free)).values(values))


def renew_login(session: Session, login_id: UUID) -> LoginChange:
    """Give a login another refresh token, whatever it had before.

    Raises:
        ApiError: 401, the login ended meanwhile; roll back then.
    """
    login, token_id = session.get_one(Login, login_id, with_for_update=True), secrets.token_hex(32)
    now = clock()
    if not login.is_alive(now):
        raise ApiError(401, "token-revoked", "this login ended: log in again")
    login.token_hash, login.previous_hash = _hash(token_id), None
    login.rotated_at = login.last_used_at = now
    login.expires_at = _find_end(now, login.created_at)
    return LoginChange(login, token_id)


def end_login(session: Session, login_id: UUID, because: EndedBecause) -> None:
    """End a login; its tokens are refused from the commit on. One that ended keeps its reason."""
    login = session.get(Login, login_id, with_for_update=True)
    if login is not None and login.ended_at is None:
        _end(login, because)


def end_one_login(session: Session, user_id: UUID, login_id: UUID) -> None:
    """End one of a user's logins.

    Raises:
        ApiError: 404, the user has no such login, or it is over.
    """
    login = session.get(Login, login_id, with_for_update=True)
    if login is None or login.user_id != user_id or not login.is_alive(clock()):
        raise not_found("login")
    _end(login, EndedBecause.ENDED_BY_USER)


def end_all_logins(
    session: Session, user_id: UUID, because: EndedBecause, *, but: UUID | None = None
) -> None:
    """End all logins of a user, and raise `token_version`, so that no token issued before is taken any more.

    The login `but` goes on with new tokens: see renew_login.
    """
    session.execute(sa.update(User).where(User.id == user_id).values(token_version=User.token_version + 1))
    end_other_logins(session, user_id, but, because)


def end_other_logins(
    session: Session, user_id: UUID, but: UUID | None, because: EndedBecause = EndedBecause.ENDED_BY_USER
) -> None:
    """End all logins of a user but one, which keeps its tokens."""
    others = (Login.user_id == user_id, Login.id != but, Login.ended_at.is_(None))
    session.execute(sa.update(Login).where(*others).values(ended_at=clock(), ended_because=because))


def note_proof(session: Session, login_id: UUID) -> datetime:
    """Note that the password, and the code of the second factor, were given now; return until when that counts."""
    now = clock()
    session.execute(sa.update(Login).where(Login.id == login_id).values(proven_at=now))
    return now + timedelta(seconds=recent_proof_seconds())


def _end(login: Login, because: EndedBecause) -> None:
    login.ended_at, login.ended_because = clock(), because


def _find_end(used_at: datetime, created_at: datetime) -> datetime:
    """Return when a login expires: whole seconds, as its refresh token has them."""
    end = min(used_at + settings().jwt_expires_in, created_at + _LOGIN_MAX_AGE)
    return end.replace(microsecond=0)


def _derive_next_id(token_id: str) -> str:
    # Who knows a token's id cannot use the next one: that must be signed with JWT_SECRET.
    return hashlib.sha256(f"next:{token_id}".encode()).hexdigest()


def _hash(token_id: str) -> str:
    return hashlib.sha256(f"stored:{token_id}".encode()).hexdigest()


def _fits(token_id: str, kept: str | None) -> bool:
    return kept is not None and hmac.compare_digest(_hash(token_id), kept)


def read_logins(session: Session, user_id: UUID, current_id: UUID) -> LoginList:
    """Return the logins that are neither ended nor expired: the latest 100."""
    alive = (Login.user_id == user_id, Login.ended_at.is_(None), Login.expires_at > clock())
    found = session.scalars(
        sa.select(Login).where(*alive).order_by(Login.created_at.desc(), Login.id.desc()).limit(_MOST)
    )
    return LoginList(items=[LoginItem.of_row(login, current=login.id == current_id) for login in found])


def list_login_ids(session: Session, user_id: UUID) -> list[UUID]:
    """Return the ids of a user's logins, ended ones too: the latest 100."""
    mine = sa.select(Login.id).where(Login.user_id == user_id)
    return list(session.scalars(mine.order_by(Login.created_at.desc(), Login.id.desc()).limit(_MOST)))


def name_browser(user_agent: str) -> str:
    """Return a browser's name and system, a program's first word, or "" where a request does not say."""
    browser, system = _find_word(user_agent, _BROWSERS), _find_word(user_agent, _SYSTEMS)
    if browser or system:
        return ", ".join(filter(None, (browser, system)))
    product = _AGENT.match(user_agent)
    return product.group()[:LONGEST] if product else ""


def _find_word(user_agent: str, words: dict[str, str]) -> str:
    return next((name for mark, name in words.items() if mark in user_agent), "")
