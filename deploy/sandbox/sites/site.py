"""One booking site: what it is, its open slots, its mode, and all it was asked."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import as_paris
from deploy.sandbox.modes import MODES, BanMode, Mode, ModeBody, Modes, read_mode
from deploy.sandbox.platforms import platforms, stand_ins
from deploy.sandbox.sites.slot_store import SlotStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from deploy.sandbox.platforms import Form, StandIn

_KEPT: Final = 20_000  # requests; a load run must not eat the memory


@dataclass
class SeenRequest:
    """One request that a site saw: when (ISO 8601, UTC), what, and the status sent (0: none yet)."""

    at: str
    method: str
    path: str
    status: int = 0


@dataclass
class Counters:
    """What a site counts from its start or its last reset.

    ``reservations`` is what must stay zero: how often somebody called step 5, which takes a slot.
    """

    requests: int = 0
    reservations: int = 0


class Site:
    """The state of one booking site.

    ``about`` says what it is; ``forget`` holds what its platform does at a reset (ends sessions, say).
    """

    def __init__(self, about: StandIn, *, any_form: bool = False) -> None:
        self.about = about
        self.platform_name = stand_ins()[about.code][0]
        self.platform = platforms()[self.platform_name]
        self.agenda = SlotStore(about.forms, any_form=any_form)
        self.forget: list[Callable[[], None]] = []
        self.reset()

    def reset(self) -> None:
        """Reset: nothing open, no session, mode normal, counters zero."""
        self.agenda.clear()
        for forget in self.forget:
            forget()
        self.modes = Modes()
        self.ban = BanMode()
        self.counters = Counters()
        self.requests: deque[SeenRequest] = deque(maxlen=_KEPT)

    def form_of(self, request: web.Request) -> Form | None:
        """Return the form that a request is about; None where this site has none of that number."""
        return self.agenda.find_form(self.platform.form_asked(request))

    def headers(self, **more: str) -> dict[str, str]:
        """Return what the site sends with every page, and ``more``, written with underscores."""
        return {**self.platform.headers, **{name.replace("_", "-"): value for name, value in more.items()}}

    def set_mode(self, body: ModeBody) -> Mode:
        """Set a mode for the site or one form, as a control's body says; a ban counts from zero again."""
        if body.form is not None:
            self.agenda.form(body.form)
        mode = read_mode(body, {**MODES, **self.platform.modes})
        self.ban = BanMode()
        self.modes.set(mode, body.form)
        return mode

    def to_json(self) -> dict[str, object]:
        """Return the state as the control API and the inbox page show it."""
        return {
            "site": self.about.code,
            "name": self.about.name,
            "town": self.about.town,
            "platform": self.platform_name,
            "own_modes": dict(self.platform.mode_names),
            **self.modes.site.to_json(),
            "forms": [self._form_shown(form) for form in self.agenda.forms.values()],
            "counters": asdict(self.counters),
        }

    def _form_shown(self, form: Form) -> dict[str, object]:
        return {
            "form": form.number,
            "title": form.title,
            "page": self.platform.page(form),
            **self.modes.forms.get(form.number, Mode()).to_json(),
            "plannings": [
                {
                    "planning": planning.number,
                    "label": planning.label,
                    "slots": [as_paris(slot) for slot in self.agenda.slots(planning)],
                }
                for planning in form.plannings
            ],
        }
