"""The world outside a stack, by its control APIs: sites and providers that open, take and misbehave; and its health."""

import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import requests

from configs.ground.clock import clock
from configs.world.desk import Desk
from deploy.local.ports import StackPorts
from deploy.sandbox.control_client import ask
from deploy.sandbox.platforms import platforms
from tests import sandbox_controls
from tests.lab.chaos.journal import OpenedSlot, OpeningJournal

_HEALTH_EVERY, _HEALTH_PATIENCE = 0.5, 5.0  # seconds
_FORM = re.compile(r"/create/(\d+)")
CHANNELS = ("email", "sms", "telegram")
# The provider that is asked first. One call that fails must not fail at the next provider again.
FIRST_PROVIDERS = {"email": "sendgrid", "sms": "twilio", "telegram": "telegram"}
RECEIPT_PROVIDERS = ("sendgrid", "twilio", "twilio_calls")  # that send receipts
OPENED = "ezbooking"  # whose stand-ins it opens slots at and lets misbehave: one address each
NORMAL = "normal"
_WITHIN = 5  # days: the first week of the calendar, which every visit asks for


def code_of(desk: Desk) -> str:
    """Return the department whose stand-in shows the desk."""
    return desk.prefecture_id.rpartition("_")[2]


def form_of(desk: Desk) -> int:
    """Return the number of the desk's form."""
    found = _FORM.search(desk.url)
    if not found:
        raise ValueError(f"{desk.url} is no page of the stand-ins")
    return int(found[1])


class SandboxControl(sandbox_controls.SandboxControl):
    """Sites and providers of one stack. What it opens it notes in the journal."""

    def __init__(self, ports: StackPorts, journal: OpeningJournal) -> None:
        super().__init__(ports.sites, ports.inbox)
        self._journal = journal
        self._minute = 0
        self._lock = threading.Lock()

    def open(self, desk: Desk, rng: random.Random) -> OpenedSlot:
        """Open one slot of the coming days that was never open before, in any planning of the desk."""
        instant, form = self._next_instant(), form_of(desk)
        plannings = plannings_of(desk)
        planning = rng.choice(plannings)
        place = str(planning if len(plannings) > 1 else form)  # without a choice the form is the one place
        self.open_slots(code_of(desk), form, [instant], planning)
        return self._journal.note_opening(OpenedSlot(desk.id, place, instant, clock()))

    def take(self, desk: Desk, opening: OpenedSlot) -> None:
        """Take one slot."""
        opening.taken_at = clock()
        self.take_slots(code_of(desk), form_of(desk), [opening.instant])

    def sites_in(self, codes: Iterable[str], mode: str) -> AbstractContextManager[None]:
        """Let sites answer so while the block lasts."""
        return _for_a_while(self.mode, codes, NORMAL, mode)

    def provider_in(self, name: str, mode: str, **parameters: Any) -> AbstractContextManager[None]:
        """Let a provider, or all of a channel, answer so while the block lasts."""
        return _for_a_while(self.provider_mode, (name,), NORMAL, mode, **parameters)

    def receipts_in(self, mode: str, **parameters: Any) -> AbstractContextManager[None]:
        """Let providers send the receipts of what they accept so while the block lasts."""
        return _for_a_while(self.receipt_mode, RECEIPT_PROVIDERS, "delivered", mode, **parameters)

    def provider_mode_now(self, name: str) -> str:
        """Return how a provider answers now; of a channel its first."""
        providers = ask(f"{self.inbox}/api/state")["providers"]
        return next(str(each["mode"]) for each in providers if name in (each["provider"], each["channel"]))

    def _next_instant(self) -> datetime:
        with self._lock:
            self._minute += 1
            minute = self._minute
        day = clock().replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(
            days=1 + minute % _WITHIN
        )
        return (day + timedelta(minutes=minute // _WITHIN)).astimezone(UTC)


@contextmanager
def _for_a_while(
    put: Callable[..., None], names: Iterable[str], usual: str, mode: str, **parameters: Any
) -> Iterator[None]:
    """Put each of them into a mode while the block lasts."""
    with ExitStack() as straight:
        for name in names:
            straight.callback(put, name, usual)
            put(name, mode, **parameters)
        yield


def plannings_of(desk: Desk) -> list[int]:
    """Return the numbers of the plannings that the desk's form offers."""
    form = form_of(desk)
    return [
        planning.number
        for department in platforms()[OPENED].sites
        for each in department.forms
        if each.number == form
        for planning in each.plannings
    ]


class HealthMonitor:
    """Asks /api/health twice a second on a thread of its own: whether all is well, and what is down."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/health"
        self._status, self._down = 0, list[str]()  # status (0: no answer), parts
        threading.Thread(target=self._follow, name="watch", daemon=True).start()

    def is_well(self) -> bool:
        """Whether the last answer was that all is well."""
        return self._status == HTTPStatus.OK

    def last(self) -> str:
        """Return the last answer in words."""
        return f"{self._status}, down: {', '.join(self._down) or 'nothing'}"

    def _follow(self) -> None:
        pause = threading.Event()
        while not pause.wait(_HEALTH_EVERY):
            self._status, self._down = self._read()

    def _read(self) -> tuple[int, list[str]]:
        try:
            answer = requests.get(self._url, timeout=_HEALTH_PATIENCE)
        except OSError:
            return 0, []
        parts = {}
        with suppress(ValueError):  # nginx has answers of its own
            parts = answer.json().get("parts", {})
        return answer.status_code, sorted(name for name, part in parts.items() if part["status"] == "down")
