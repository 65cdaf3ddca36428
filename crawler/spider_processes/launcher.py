"""scrapyd's launcher, with two changes. scrapyd.conf names the class (deploy/scrapyd.py).

Spiders write to scrapyd's own output, not to a pipe that scrapyd reads: through the pipe every line became a format
of Twisted's logger, which braces (all of JSON) broke, and an orphan's last words were lost with scrapyd.

scrapyd knows the spiders' names from the start: it would run a whole process to list them when the first one is
scheduled, and answer nobody meanwhile.
"""

import logging
import sys
from typing import Any

from scrapyd.interfaces import IEnvironment
from scrapyd.launcher import Launcher, ScrapyProcessProtocol, get_crawl_args
from scrapyd.poller import QueuePoller
from scrapyd.webservice import spider_list
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from crawler.settings import BOT_NAME

# They are not imported here: scrapyd is no spider (a test compares).
SPIDERS = ["ants", "custom", "discovery", "doctolib", "prefenligne"]
_INHERITED = {0: "w", 1: 1, 2: 2}  # file descriptors of the child: input a pipe, outputs ours
log = logging.getLogger(__name__)


class OwnOutputLauncher(Launcher):  # type: ignore[misc]  # scrapyd has no types
    """Starts a spider process for each job, as its base does."""

    def __init__(self, config: Any, app: Any) -> None:
        super().__init__(config, app)
        spider_list.cache[BOT_NAME][None] = SPIDERS

    def _spawn_process(self, message: dict[str, Any], slot: int) -> None:
        """Do what scrapyd 1.6 does (scrapyd/launcher.py), with other file descriptors."""
        environment = self.app.getComponent(IEnvironment)
        message.setdefault("settings", {})
        message["settings"].update(environment.get_settings(message))
        variables = environment.get_environment(message, slot)
        command = [sys.executable, "-m", self.runner, "crawl", *get_crawl_args(message)]
        process = ScrapyProcessProtocol(
            message["_project"], message["_spider"], message["_job"], variables, command
        )
        process.deferred.addBoth(self._process_finished, slot)
        spawn: Any = reactor.spawnProcess
        spawn(process, sys.executable, args=command, env=variables, childFDs=_INHERITED)
        self.processes[slot] = process


class SteadyPoller(QueuePoller):  # type: ignore[misc]  # scrapyd has no types
    """Polls again after an error, with which scrapyd's timer would end: no job began any more until a restart.

    scrapyd keeps its queue in SQLite, and taking a job from it fails on a full disk. The job stays in the queue.
    """

    def poll(self) -> Deferred[Any]:
        """Give a waiting job to a free slot, as its base does; an error is logged."""
        return maybeDeferred(super().poll).addErrback(_tell)


def _tell(failure: Failure) -> None:
    log.error("jobs are not taken from the queue, it is tried again: %s", failure.value)
