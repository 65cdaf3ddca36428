"""Visits that a planner plans and a held spider makes, at an hour that only the test moves."""

from datetime import timedelta

import redis
import time_machine

from configs.ground.clock import clock
from crawler.fetching.request_budget import RequestBudget
from crawler.planner import Planner
from crawler.recording.check_transaction import record_checks
from crawler.scheduling import due_queue
from crawler.scheduling.probes import find_visited, is_robots
from tests.crawler.held import Held

SYSTEM = "prefenligne"


class PlannedVisits:
    """A planner, and a spider that makes the visits which it plans, at an hour that only this moves."""

    def __init__(self, held: Held, client: redis.Redis, now: time_machine.Traveller) -> None:
        self.held, self.client, self.now = held, client, now
        self.planner = Planner(client)

    def plan(self, **later: float) -> None:
        self.now.shift(timedelta(**later))
        self.planner.run_once(clock())

    def claim(self) -> list[due_queue.DeskClaim]:
        claim = due_queue.claim_desks(SYSTEM, now=clock(), places=10, hold=60)
        return list(due_queue.send(self.client, claim).claims)

    def visit(self, **later: float) -> list[str]:
        """Plan, then make all visits that are due; return what was visited."""
        self.plan(**later)
        claims = self.claim()
        for claim in claims:
            self._make(claim)
        return [claim.desk_id for claim in claims]

    def _make(self, claim: due_queue.DeskClaim) -> None:
        desk, spider = find_visited(claim.desk_id), self.held.spider
        assert desk
        if is_robots(claim.desk_id):
            item = self.held.run(spider.read_robots(desk, claim.token, RequestBudget(10)))
        else:
            item = self.held.check(desk, claim.token, probe=claim.probe)
        ends = record_checks([item]).visits
        due_queue.send(self.client, due_queue.finish(SYSTEM, ends, now=clock()))

    def visit_until(self, wanted: str, days: float = 2) -> None:
        """Visit what is due every three hours until that was visited."""
        for _ in range(round(days * 8)):
            if wanted in self.visit(hours=3):
                return
        raise AssertionError(f"{wanted} was not visited")
