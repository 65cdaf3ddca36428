"""Reads of a user's logins."""

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
    return LoginItem(
        id=login.id,
        browser=login.browser,
        created_at=login.created_at,
        last_used_at=login.last_used_at,
        expires_at=login.expires_at,
        current=current,
    )
