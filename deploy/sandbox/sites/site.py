"""One booking site: its department, its open slots, its visitors, its mode, and all it was asked."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from deploy.sandbox.agenda import Agenda
from deploy.sandbox.clock import as_paris
from deploy.sandbox.modes import Ban, Mode, Modes
from deploy.sandbox.sites.sessions import Sessions

if TYPE_CHECKING:
    import random

    from deploy.sandbox.departments import Department, Form

_KEPT: Final = 20_000  # requests; a load run must not eat the memory


@dataclass
class Seen:
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
    calendars: int = 0
    reservations: int = 0


class Site:
    """The state of one department's booking site."""

    def __init__(self, department: Department, rng: random.Random) -> None:
        self.department = department
        self.agenda = Agenda(department.forms, rng)
        self.reset()

    def reset(self) -> None:
        """Go back to the start: nothing open, nobody known, mode normal, counters zero."""
        self.agenda.clear()
        self.sessions = Sessions()
        self.modes = Modes()
        self.ban = Ban()
        self.counters = Counters()
        self.requests: deque[Seen] = deque(maxlen=_KEPT)

    def set_mode(self, mode: Mode, form: int | None = None) -> None:
        """Set a mode for the site or one form; a ban starts counting anew."""
        if form is not None:
            self.agenda.form(form)
        self.ban = Ban()
        self.modes.set(mode, form)

    def shown(self) -> dict[str, object]:
        """Return the state as the control API and the inbox page show it."""
        return {
            "site": self.department.code,
            "department": self.department.name,
            "town": self.department.town,
            **self.modes.site.shown(),
            "forms": [self._form_shown(form) for form in self.department.forms],
            "counters": asdict(self.counters),
        }

    def _form_shown(self, form: Form) -> dict[str, object]:
        return {
            "form": form.number,
            "title": form.title,
            **self.modes.forms.get(form.number, Mode()).shown(),
            "plannings": [
                {
                    "planning": planning.number,
                    "label": planning.label,
                    "slots": [as_paris(slot) for slot in self.agenda.slots(planning)],
                }
                for planning in form.plannings
            ],
        }
