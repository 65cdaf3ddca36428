"""The notifier with its stand-ins, and an API that takes receipts: no crawl. What is detected is written as rows."""

import os
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

import notifier
from deploy.local.ports import StackPorts
from deploy.local.processes import wait_until
from deploy.local.programs import commands, database_programs
from deploy.sandbox.control_client import ask
from notifier.workers import CHILDREN
from tests.lab.bench.figures import forget
from tests.lab.bench.people import detection
from tests.lab.bench.servers import child, servers
from tests.sandbox_controls import SandboxControl

CROWD_DESK = "evry-courcouronnes_91/bench-crowd"
_PREFECTURE, _PROCEDURE = "evry-courcouronnes_91", "NATURALISATION"
_PROGRAMS = ("sandbox", "api", "notifier")
_PATIENCE = 600.0
_STEP = 0.02
_AT_WORK = re.compile(r"[ \"](working|sweeping)[ \"]")  # in a line of either LOG_FORMAT
# By indexes alone: waiting rows are counted many times while a crowd is notified.
_UNDONE = sa.text("""
SELECT EXISTS (SELECT FROM detections WHERE id = ANY(CAST(:detections AS uuid[])) AND matched_at IS NULL)
  OR (SELECT count(*) FROM matches WHERE detection_id = ANY(CAST(:detections AS uuid[]))) < :people
  OR EXISTS (SELECT FROM notifications WHERE state IN ('pending', 'sending'))""")
_DELAYS = sa.text("""
SELECT extract(epoch FROM n.accepted_at - n.seen_at) FROM notifications n
WHERE n.accepted_at IS NOT NULL AND n.params->>'detection_id' = ANY(:detections)""")
_UNRECEIVED = sa.text(
    "SELECT EXISTS (SELECT FROM notifications WHERE state = 'sent' AND receipt_due_at IS NOT NULL)"
)


@dataclass(frozen=True)
class NotifierStack:
    """A running notifier."""

    state: Path
    ports: StackPorts
    engine: sa.Engine

    def detect(self, desk_id: str) -> UUID:
        """Let one slot open at a desk; return its detection, which is nudged as the crawler does."""
        prefecture = _PREFECTURE if desk_id == CROWD_DESK else desk_id.partition("/")[0]
        found, _ = detection(self.engine, desk_id, prefecture, _PROCEDURE)
        notifier.detection_seen(found)
        return found

    def is_undone(self, detections: Sequence[UUID], people: int) -> bool:
        """Whether one of these detections, for so many people in all, is not matched yet, or a message waits."""
        return self._ask(_UNDONE, detections=[str(each) for each in detections], people=people)

    def wait_sent(self, detections: Sequence[UUID], people: int) -> list[float]:
        """Wait until all is sent to so many people; return the seconds from each page to its acceptance."""
        self._wait(lambda: not self.is_undone(detections, people), "messages")
        return self.read_delays(detections)

    def read_delays(self, detections: Sequence[UUID]) -> list[float]:
        """Return the seconds from each page to the acceptance of its messages."""
        with self.engine.connect() as connection:
            found = connection.scalars(_DELAYS, {"detections": [str(each) for each in detections]})
            return [float(each) for each in found]

    def count(self, query: str) -> int:
        """Return what a query of one number says."""
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.text(query)) or 0)

    def count_accepted(self) -> int:
        """Return how many messages the stand-ins have taken."""
        newest = ask(f"{self.control.inbox}/api/messages")[-1:]
        return int(newest[0]["number"]) if newest else 0

    def count_fastest(self, channel: str, newest: int) -> int:
        """Return how many of the newest messages of a channel came to its stand-in within one second, at most."""
        said = ask(f"{self.control.inbox}/api/messages")
        at = [datetime.fromisoformat(each["received_at"]) for each in said if each["channel"] == channel]
        at = sorted(at)[-newest:]
        return max(bisect_left(at, each + timedelta(seconds=1)) - place for place, each in enumerate(at))

    def wait_received(self) -> None:
        """Wait until each message that is to have a receipt has it."""
        self._wait(lambda: not self._ask(_UNRECEIVED), "receipts")

    @property
    def control(self) -> SandboxControl:
        """Return the controls of the stand-ins."""
        return SandboxControl(self.ports.sites, self.ports.inbox)

    def _ask(self, query: sa.TextClause, **values: object) -> bool:
        with self.engine.connect() as connection:
            return bool(connection.scalar(query, values))

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        wait_until(done, self.state / "notifier.log", what=what, seconds=_PATIENCE)
        time.sleep(_STEP)


@contextmanager
def run_notifier() -> Iterator[NotifierStack]:
    """Run the servers and programs while the block lasts."""
    with servers(lambda _: {}) as made, ExitStack() as ends:
        state, ports = made.state, made.ports
        os.environ |= made.environment
        os.environ["PROGRAM"] = "notifier"
        del os.environ["PREFECTURES_DIR"]  # nothing is watched here: the shipped files do
        forget()
        found = commands(ports)
        for name in _PROGRAMS:
            log = state / f"{name}.log"
            own = {"PROGRAM": database_programs()[name]} if name in database_programs() else {}
            process = ends.enter_context(child(found[name], log, {**os.environ, **own}))
            wait_until(partial(_works, log), log, what=name, process=process, seconds=_PATIENCE)
        yield NotifierStack(state, ports, made.engine)


def _works(log: Path) -> bool:
    said = log.read_text("utf-8")
    return len(_AT_WORK.findall(said)) == len(CHILDREN) or "http" in said
