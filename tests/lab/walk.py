"""Walks: our files in which a function is entered on an ordinary way through the product.

`python -m tests.lab.walk` goes from a due desk to a provider's yes. It runs a whole stack whose spider and workers note
by `sys.setprofile` what they enter, lets a few slots be told, then prints the files of the last one's walk in their order,
and their number. `… wish` goes from the body of an alert to its row, `… grant` from Stripe's event to the grant: in one
process, by a test that does it. What each request or job passes (`api/web`, records, configs) is left out of these.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.user import Grant
from tests.lab.bench import latency

_ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("api", "configs", "crawler", "notifier")
_ON_THE_WAY = {
    "crawler/booking.py",
    "notifier/jobs.py",
}  # each process that has a part in it enters one of these
_SLOTS = 4  # before it: the first of a process also load what it needs
_QUIET = 3  # seconds, in which the receipts of those before are applied
_CLAIM = timedelta(milliseconds=20)  # from the claim of a desk to the start of its check

# A module of this name is imported by each Python that starts. Files are noted once in 5 ms, in one write each.
_HOOK = f"""
import os, sys, threading, time
if "crawl" in sys.orig_argv or "notifier.workers" in sys.orig_argv:
    rooms = tuple(os.path.join({str(_ROOT)!r}, room, "") for room in {_ROOMS!r})
    log = os.open(os.environ["WALK_LOG"], os.O_WRONLY | os.O_APPEND)
    noted = {{}}
    def note(frame, event, argument, clock=time.time):
        if event == "call" and frame.f_code.co_name != "<module>":
            name, at = frame.f_code.co_filename, clock()
            if at - noted.get(name, 0) > 0.005 and name.startswith(rooms):
                noted[name] = at
                os.write(log, f"{{at}} {{os.getpid()}} {{name}}\\n".encode())
    threading.setprofile(note)
    sys.setprofile(note)
"""
_LAST = sa.text("""
SELECT (SELECT max(c.started_at) FROM checks c WHERE c.desk_id = d.desk_id AND c.started_at <= n.seen_at), n.accepted_at
FROM notifications n JOIN detections d ON d.id = CAST(n.params->>'detection_id' AS uuid)
WHERE n.kind = 'slot_detected' AND n.accepted_at IS NOT NULL ORDER BY n.accepted_at DESC LIMIT 1
""")


def read_walk(log: Path, begin: float, end: float) -> list[str]:
    """Return the files that were entered between two instants, in their order."""
    entered: dict[str, dict[str, float]] = {}  # by process
    for line in log.read_text("utf-8").splitlines():
        at, process, name = line.split(" ", 2)
        if begin <= float(at) <= end:
            entered.setdefault(process, {}).setdefault(str(Path(name).relative_to(_ROOT)), float(at))
    first: dict[str, float] = {}
    for files in entered.values():
        if not _ON_THE_WAY.isdisjoint(files):
            first |= {name: min(at, first.get(name, at)) for name, at in files.items()}
    return sorted(first, key=first.__getitem__)


@dataclass
class RowWalk:
    """A plugin of pytest: the files of `api` that are entered from one of a room on until a row is written."""

    begins: str  # the room
    row: type[Alert | Grant]
    test: str
    files: list[str] = field(default_factory=list)
    is_over: bool = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Note what the test enters."""
        sa.event.listen(Session, "after_flush", self._see_row)
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _see_row(self, session: Session, _context: object) -> None:
        self.is_over |= bool(self.files) and any(isinstance(each, self.row) for each in session.new)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        name, api = frame.f_code.co_filename, f"{_ROOT}/api/"
        if event != "call" or self.is_over or not name.startswith(api) or frame.f_code.co_name == "<module>":
            return
        file = name.removeprefix(f"{_ROOT}/")
        if (
            (self.files or file.startswith(self.begins))
            and not file.startswith(_COMMON)
            and file not in self.files
        ):
            self.files.append(file)

    def run(self) -> list[str]:
        """Return the files in their order."""
        pytest.main(["-q", "-p", "no:cacheprovider", self.test], plugins=[self])
        return self.files


_COMMON = (
    *("api/web/", "api/pages/", "api/models/"),
    *("api/ground/errors.py", "api/ground/limit_counters.py", "api/ground/schemas.py"),
)
_ROW_WALKS = {
    "wish": RowWalk(
        "api/alerts/", Alert,
        "tests/api/alerts/test_routes.py::test_an_alert_is_kept_told_to_the_planner_and_caught_up",
    ),
    "grant": RowWalk(
        "api/payments/billing/", Grant, "tests/api/payments/exchange/test_orders.py::test_a_paid_order_gives_the_plan_once_and_wakes_the_alerts_in_any_order_of_the_events",
    ),
}  # fmt: skip


def main(asked: list[str]) -> int:
    """Print a walk; return 0."""
    files = _ROW_WALKS[asked[0]].run() if asked else _walk_slot()
    print(*files, f"{len(files)} files", sep="\n")
    return 0


def _walk_slot() -> list[str]:
    """Run a stack, let slots be told, and return the walk of the last."""
    with TemporaryDirectory(prefix="rdv-walk-") as folder:
        (Path(folder) / "sitecustomize.py").write_text(_HOOK)
        log = Path(folder) / "log"
        log.touch()
        os.environ |= {"PYTHONPATH": folder, "WALK_LOG": str(log)}
        with latency.run_stack(print, latency.hasty) as stack:
            latency.seed_by_mail_only(stack)
            latency.measure(stack, _SLOTS)
            time.sleep(_QUIET)
            latency.measure(stack, 1)
            with sa.create_engine(stack.environment["DATABASE_URL"]).connect() as connection:
                begin, end = connection.execute(_LAST).one()
            return read_walk(log, (begin - _CLAIM).timestamp(), end.timestamp())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
