"""Walk of one alert: our files in which a function is entered, from a due desk to a provider's yes.

`python -m tests.lab.walk` runs a whole stack whose spider and workers note by `sys.setprofile` what they enter. It lets a
few slots be told, then prints the files of the last one's walk in their order, and their number.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

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


def main() -> int:
    """Run a stack, let slots be told, and print the walk of the last; return 0."""
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
            files = read_walk(log, (begin - _CLAIM).timestamp(), end.timestamp())
    print(*files, f"{len(files)} files", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
