"""Reads of a user's logins, with their browsers as a person recognises their own: `Firefox, Windows`."""

import re
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.logins.schemas import LoginItem, LoginList
from api.models.login import Login
from configs.ground.clock import clock

_MOST = 100


def read_logins(session: Session, user_id: UUID, current_id: UUID) -> LoginList:
    """Return the logins that are neither ended nor expired: the latest 100."""
    alive = (Login.user_id == user_id, Login.ended_at.is_(None), Login.expires_at > clock())
    found = session.scalars(
        sa.select(Login).where(*alive).order_by(Login.created_at.desc(), Login.id.desc()).limit(_MOST)
    )
    return LoginList(items=[_build_item(login, current=login.id == current_id) for login in found])


def list_login_ids(session: Session, user_id: UUID) -> list[UUID]:
    """Return the ids of a user's logins, ended ones too: the latest 100."""
    mine = sa.select(Login.id).where(Login.user_id == user_id)
    return list(session.scalars(mine.order_by(Login.created_at.desc(), Login.id.desc()).limit(_MOST)))


def _build_item(login: Login, *, current: bool) -> LoginItem:
    return LoginItem.of_row(
        login,
        current=current,
    )


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


def name_browser(user_agent: str) -> str:
    """Return a browser's name and system, a program's first word, or "" where a request does not say."""
    browser, system = _find_word(user_agent, _BROWSERS), _find_word(user_agent, _SYSTEMS)
    if browser or system:
        return ", ".join(filter(None, (browser, system)))
    product = _AGENT.match(user_agent)
    return product.group()[:LONGEST] if product else ""


def _find_word(user_agent: str, words: dict[str, str]) -> str:
    return next((name for mark, name in words.items() if mark in user_agent), "")
