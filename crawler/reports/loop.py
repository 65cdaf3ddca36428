"""Loop of reports: reads what waits, at a nudge or each second; lets slots lapse; gives trust; drops salts."""

import threading
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from redis import Redis
from redis.exceptions import RedisError

import notifier
from api.models.base import database_clock, session
from api.models.report import NetworkSalt, list_salt_days, wait_for_reports
from configs.programs.part_failures import PartFailures
from crawler.reports.opening_writer import lapse_reported_slots
from crawler.reports.report_writer import list_waiting_desks, write_reports
from crawler.reports.trust import give_trust

_LONGEST_WAIT = 1.0  # seconds, without a nudge
_MINUTE = timedelta(minutes=1)


class ReportLoop:
    """State of the loop between two runs; the tables hold everything else."""

    def __init__(self, client: Redis, failures: PartFailures) -> None:
        self._client, self._failures = client, failures
        self._tidied_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Run at each nudge, or each second, until `stop` is set."""
        while not stop.is_set():
            self._failures.run("reports", self.run_once)
            try:
                wait_for_reports(self._client, _LONGEST_WAIT)
            except RedisError:
                stop.wait(_LONGEST_WAIT)

    def run_once(self) -> int:
        """Write what waits, desk by desk, and tell the notifier; return the number of detections.

        One desk that fails stops no other; its reports wait.
        """
        with session() as rows:
            now, waiting = database_clock(rows), list_waiting_desks(rows)
        found = sum(self._failures.run(f"reports of {each}", partial(_write, each)) or 0 for each in waiting)
        with session() as rows:
            lapse_reported_slots(rows, now)
        if self._tidied_at is None or not self._tidied_at <= now < self._tidied_at + _MINUTE:
            self._tidied_at = now
            with session() as rows:
                give_trust(rows, now)
                old = NetworkSalt.day.not_in(list(list_salt_days(now)))
                rows.execute(sa.delete(NetworkSalt).where(old))
        return found


def _write(desk_id: str) -> int:
    with session() as rows:
        detections = write_reports(rows, desk_id)
    for each in detections:
        notifier.detection_seen(each)
    return len(detections)
