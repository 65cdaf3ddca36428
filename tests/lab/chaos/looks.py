"""People of a chaos run who look at desks behind a captcha and say what they see, and those who wait there.

Each desk has one story: who presses what, in turn. A press is tried until the API says that it is stored.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, combinations, count, islice
from typing import Any
from uuid import UUID

import requests

from api.models.report import Reporter, ReportKind
from api.models.user import User
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.plan import PlanName
from tests.factories import add_user, change, save
from tests.lab.chaos.consumers import PASSWORD
from tests.lab.chaos.subscribers import Person, settle_in

# Who wait: without a plan, with one, and somebody with one who asked for what is in doubt.
FREE, PAYING, DOUBTER = WATCHERS = (
    Person(31, "fatou", None, by_name=True),
    Person(32, "pavel", PlanName.URGENCE_TOTAL, by_name=True),
    Person(33, "dounia", PlanName.URGENCE_TOTAL, by_name=True),
)
COPIES = 36  # of the sandbox's desk that people watch
_STRANGERS, _TRUSTED, _LIARS = 12, 2, 16  # liars are heard once: afterwards they are no witnesses
_READS, _TRIES, _AGAIN = 11.0, 20, 2.0  # seconds before a `none`; tries of a press, and seconds between two
_PATIENCE = 20.0  # seconds
_PAUSE = (1.0, 4.0)  # seconds between two presses
_NAMES_DAY = 0.6  # of the presses of `slots`: always the story's day, so that nothing is news twice
_SLOTS, _NONE, _UNSEEN = ReportKind.SLOTS, ReportKind.NONE, ReportKind.UNSEEN
# Four strangers by number, -1 is trusted, -2 and -3 lie.
_STORIES = (
    ((-1, _SLOTS),),
    ((0, _SLOTS), (1, _SLOTS)),
    ((0, _SLOTS),),
    ((0, _SLOTS), (-1, _SLOTS)),
    ((0, _SLOTS), (1, _NONE), (2, _NONE)),
    ((0, _UNSEEN), (1, _NONE)),
    ((0, _SLOTS), (1, _SLOTS), (2, _NONE), (1, _UNSEEN)),
    ((-2, _SLOTS), (-3, _SLOTS), (2, _NONE), (3, _NONE), (0, _SLOTS), (1, _SLOTS)),
    ((-1, _SLOTS), (2, _NONE), (3, _NONE), (0, _SLOTS), (1, _SLOTS)),
)


@dataclass
class Press:
    """What somebody said at a desk; `answered_at` and `row` once the API said that it is stored."""

    desk_id: str
    person: str
    kind: ReportKind
    is_trusted: bool
    began_at: datetime
    answered_at: datetime | None = None
    row: UUID | None = None


@dataclass
class Looks:
    """All looks of a run."""

    port: int
    desks: Sequence[Desk]
    presses: list[Press] = field(default_factory=list)
    _tokens: list[str] = field(default_factory=list)  # by the person's number; the last are trusted
    _ended: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Write everybody, and sign in those who look."""
        settle_in(self.desks, WATCHERS)
        change(User, User.email.startswith(DOUBTER.name), told_in_doubt=True)
        for number in range(_STRANGERS + _TRUSTED + _LIARS):
            login = {"email": f"looker{number}@lookers.example.org", "password": PASSWORD}
            began = clock() - timedelta(days=20 + number)
            user = add_user(login["email"], password=PASSWORD, created_at=began).id
            if _is_trusted(number):
                save(Reporter(user_id=user, named_at=clock()))
            self._tokens.append(self._send(number, "POST", "/api/auth/login", {}, login)["token"])

    def start(self, rng: random.Random, slowness: float) -> None:
        """Let people look on a thread; `slowness`: by how much more seldom."""
        threading.Thread(target=self._tell, args=(rng, slowness), name="looks", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._ended.set()

    def _tell(self, rng: random.Random, slowness: float) -> None:
        pairs = list(combinations(range(_STRANGERS), 2))  # two people corroborate each other once in a week
        rng.shuffle(pairs)
        stories = chain.from_iterable(rng.sample(_STORIES, len(_STORIES)) for _ in count())
        liars = iter(range(_STRANGERS + _TRUSTED, _STRANGERS + _TRUSTED + _LIARS))
        for desk, story, pair in zip(self.desks, stories, pairs, strict=False):
            others = rng.sample([each for each in range(_STRANGERS) if each not in pair], 2)
            many = sum(number < -1 for number, _ in story)
            lie = [*islice(liars, many)]
            if len(lie) < many:
                continue
            people = (*pair, *others, *lie, _STRANGERS + rng.randrange(_TRUSTED))
            day = (clock() + timedelta(days=rng.randint(2, 300))).date().isoformat()
            for number, kind in story:
                days = [day] if kind is _SLOTS and rng.random() < _NAMES_DAY else []
                pause = slowness * rng.uniform(*_PAUSE)
                if self._ended.wait(pause) or not self._look(people[number], desk, kind, days):
                    break

    def _look(self, who: int, desk: Desk, kind: ReportKind, days: Sequence[str]) -> bool:
        """Open the page and press, again where no answer comes; return whether the press had one."""
        page, press = f"/guichets/{desk.id}/ouvrir", None
        token, body = self._tokens[who], {"deskId": desk.id, "kind": kind.value, "days": [*days]}
        for _ in range(_TRIES):
            with suppress(OSError, ValueError):
                self._send(who, "GET", page, {"Cookie": f"__Host-access={token}"})
                if kind is _NONE:
                    time.sleep(_READS)
                if press is None:
                    press = Press(desk.id, f"looker{who}", kind, _is_trusted(who), clock())
                    self.presses.append(press)
                made = self._send(who, "POST", "/api/reports", {"Authorization": f"Bearer {token}"}, body)
                press.row, press.answered_at = UUID(made["id"]), clock()
                return True
            if self._ended.wait(_AGAIN):
                break
        return False

    def _send(self, who: int, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Any:
        """Return the JSON of an answer, of a redirect nothing."""
        url, of_network = f"http://127.0.0.1:{self.port}{path}", {"X-Forwarded-For": f"198.51.{who}.7"}
        given = {"json": body, "headers": {**headers, **of_network}}
        answer = requests.request(method, url, timeout=_PATIENCE, allow_redirects=False, **given)
        answer.raise_for_status()
        return answer.json() if body else None


def _is_trusted(who: int) -> bool:
    return _STRANGERS <= who < _STRANGERS + _TRUSTED
