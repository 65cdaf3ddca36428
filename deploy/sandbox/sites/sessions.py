"""The sessions of a booking site: which steps of which form a visitor has passed."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from deploy.sandbox.sites.pages import Pages

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.sites.site import Site

_KEPT: Final = 10_000  # visitors; the longest unseen is forgotten, as a real site's sessions end


@dataclass
class WizardProgress:
    """How far a visitor is in one form: the last step passed and the planning chosen."""

    passed: int = 0
    planning: int | None = None


@dataclass
class WizardSession:
    """One visitor: progress by form number; a form that is not in it is at its conditions."""

    key: str
    forms: dict[int, WizardProgress] = field(default_factory=dict)


class Sessions:
    """All visitors of one site by their cookie."""

    def __init__(self, cookie: str) -> None:
        self.cookie = cookie
        self._known: OrderedDict[str, WizardSession] = OrderedDict()

    def of(self, request: web.Request) -> WizardSession | None:
        """Return the visitor's session, or None when the cookie is missing or unknown."""
        key = request.cookies.get(self.cookie, "")
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def begin(self) -> WizardSession:
        """Start a session for a new visitor."""
        session = WizardSession(secrets.token_hex(16))
        self._known[session.key] = session
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return session

    def clear(self) -> None:
        """Forget every visitor."""
        self._known.clear()


class SessionPages(Pages):
    """The pages of a site that knows its visitors by a cookie, until it is reset."""

    cookie: ClassVar[str]

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.sessions = Sessions(self.cookie)
        site.forget.append(self.sessions.clear)
