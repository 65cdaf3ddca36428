"""Slots that open and close during a release, and purchases."""

import random
import threading
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException

from configs.clock import clock
from configs.desk import Desk
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.sandbox_control import SandboxControl
from deploy.chaos.shop import Shop
from deploy.sandbox.control_error import Refusal

OPEN_SECONDS = 45.0  # for which a slot stays: the longest that a message may take
_EVERY = (
    5.0  # seconds between two openings, and two purchases; an open desk costs more requests than a closed one
)


@dataclass
class ReleaseWorld:
    """Opens slots at the stand-ins and buys plans, on two threads."""

    control: SandboxControl
    journal: OpeningJournal
    shop: Shop
    desks: Sequence[Desk]
    rng: random.Random
    purchases: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it happen while the block lasts; what is open then stays open."""
        acts = (self._follow_slots, self._buy)
        threads = [threading.Thread(target=self._repeat, args=(act,), daemon=True) for act in acts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _repeat(self, act: Callable[[], None]) -> None:
        while not self._ended.wait(_EVERY):
            try:
                act()
            except (OSError, HTTPException, Refusal) as error:
                self.errors.append(f"{act.__name__.strip('_')}: {error!r}")

    def _follow_slots(self) -> None:
        now, by_id = clock(), {desk.id: desk for desk in self.desks}
        for opening in self.journal.openings:
            if opening.taken_at is None and now - opening.opened_at > timedelta(seconds=OPEN_SECONDS):
                self.control.take(by_id[opening.desk_id], opening)
        busy = {each.desk_id for each in self.journal.openings if each.taken_at is None}
        free = [desk for desk in self.desks if desk.id not in busy]
        if free:
            self.control.open(self.rng.choice(free), self.rng)

    def _buy(self) -> None:
        try:
            purchase = self.shop.order(self.rng)
        except urllib.error.HTTPError as refusal:
            if refusal.code != HTTPStatus.CONFLICT:
                raise
            self.purchases["refused, a plan is held"] += 1
            return
        self.shop.pay(purchase)
        self.purchases["paid"] += 1
