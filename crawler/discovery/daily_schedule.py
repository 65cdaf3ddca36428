"""Daily schedule of discovery runs, from the rows of past runs: a restart of the keeper repeats none."""

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.models.base import session
from configs.database import database_url
from configs.outage_log import OutageLog
from configs.settings import SettingMissing, settings
from crawler.discovery import runs
from crawler.discovery.politeness import allowed_sites
from crawler.url_policy import AddressRefused

log = logging.getLogger(__name__)

NAME = "discovery"
_BETWEEN = timedelta(seconds=30)  # between two queries


class Daily:
    """The keeper's decision how many processes of a run to start."""

    def __init__(self) -> None:
        self._nothing_due: datetime | None = None
        self._trouble = OutageLog()

    def missing(self, running: int, now: datetime) -> int:
        """Return the number of processes to start: none if no site may be asked or no run is due."""
        lately = self._nothing_due is not None and now - self._nothing_due < _BETWEEN
        if running >= settings().discovery_processes or lately:
            return 0
        if not self._due(now):
            self._nothing_due = now
            return 0
        return settings().discovery_processes - running

    def _due(self, now: datetime) -> bool:
        try:
            allowed_sites()
            database_url()
            with session() as rows:
                due = runs.due(rows, now)
        except (AddressRefused, SettingMissing, sa.exc.DBAPIError) as error:
            why = str(error).splitlines()[0]
            if self._trouble.begin(why, kind=why):
                log.warning("no walk of the prefectures' sites is started: %s", why)
            return False
        self._trouble.end()
        return due
