"""List of health checks: each part that an alert needs, how it is asked, and after how long its alarm is raised.

The list is rendered as /api/health, the status page and screen, metrics, and incidents with alarms (watch.py).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

import structlog
from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

from api.admin.health import certificate_checks
from api.admin.health import program_checks as programs
from api.admin.health import server_checks as servers
from api.admin.health.backup_checks import check_backups
from api.admin.health.deliveries import check_ceilings, check_delivery, check_messages
from api.admin.health.findings import HealthAnswer, PartDown, PartFinding, PartState
from api.admin.health.payments import check_payments
from api.admin.health.providers import check_providers
from api.admin.health.queue_checks import check_checks
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.user_agents import user_agents

_OLD = timedelta(days=60)
PATIENCE = 1.5  # seconds
_NO_REPORT = (AttributeError, LookupError, TypeError, ValueError)  # a key holds something else
_SOON, _LATER = timedelta(minutes=1), timedelta(minutes=5)
log = structlog.get_logger(__name__)


def check_agents(_: Redis) -> str:
    """Return the day on which the browsers were measured; outside production it does not matter."""
    day = min(each.measured for each in user_agents().engines.values())
    if not settings().loopback_only and clock().date() - day > _OLD:
        raise PartDown(
            f"browsers were measured on {day}, more than 60 days ago: renew configs/world/user_agents.yaml"
        )
    return f"measured on {day}"


class HealthCheck(NamedTuple):
    """A part of health. Its `ask` returns text, or raises PartDown with the reason.

    `worst`: degraded where alerts are delivered without the part. An alarm is raised once it was ill for `alarm_after`;
    None: Prometheus raises it, since our own way to operators needs the part. An answer is good for `kept` seconds.
    """

    name: str
    ask: Callable[[Redis], HealthAnswer]
    worst: PartState = PartState.DOWN
    alarm_after: timedelta | None = _SOON
    kept: float = 0.0


_MINOR = PartState.DEGRADED
CHECKS = (
    HealthCheck("database", servers.check_database, alarm_after=None),
    HealthCheck("redis", servers.check_redis, alarm_after=None),
    HealthCheck("keys", servers.check_keys, _MINOR, _LATER),
    HealthCheck("key_age", servers.check_key_age, _MINOR, _LATER),
    HealthCheck("eviction", servers.check_eviction, alarm_after=None),
    HealthCheck("scrapyd", programs.check_scrapyd),
    HealthCheck("workers", programs.check_workers),
    HealthCheck("planner", programs.check_planner),
    HealthCheck("background", programs.check_background, _MINOR, _LATER),
    HealthCheck("checks", check_checks),
    HealthCheck("partitions", servers.check_partitions, _MINOR, _LATER),
    HealthCheck("payments", check_payments, _MINOR, _LATER),
    HealthCheck("providers", check_providers, _MINOR, _LATER, kept=15),
    HealthCheck("messages", check_messages, _MINOR, _SOON),
    HealthCheck("delivery", check_delivery, _MINOR, _LATER, kept=60),
    HealthCheck("ceilings", check_ceilings, _MINOR, timedelta(), kept=60),
    HealthCheck("proofs", programs.check_proofs, _MINOR, _LATER),
    HealthCheck("streams", programs.check_streams, _MINOR, _LATER),
    HealthCheck("backups", check_backups, _MINOR, timedelta(minutes=30)),  # the first ones take their time
    HealthCheck("certificate", certificate_checks.check_certificates, _MINOR, _LATER, kept=60),
    HealthCheck("agents", check_agents, _MINOR, _LATER),
)


class HealthChecks:
    """Asks all checks at once. A check that hangs is not asked a second time."""

    def __init__(self, redis: Redis, checks: Sequence[HealthCheck] = CHECKS) -> None:
        self._redis, self._checks = redis, tuple(checks)
        self._threads = ThreadPoolExecutor(len(checks) + 1, thread_name_prefix="health")
        self._asked: dict[str, tuple[float, Future[HealthAnswer]]] = {}  # when, and the answer
        self._lock = Lock()

    def read_findings(self, patience: float = PATIENCE) -> dict[str, PartFinding]:
        """Return the state of each part, after `patience` seconds at the latest."""
        with self._lock:
            for check in self._checks:
                self._ask(check)
            asked = {check: self._asked[check.name][1] for check in self._checks}
        wait(asked.values(), patience)
        found: dict[str, PartFinding] = {}
        for check, future in asked.items():
            found |= _judge(check, future, patience)
        return found

    def read_report_times(self, patience: float = PATIENCE) -> dict[str, datetime]:
        """Return when each program last reported; none where the servers do not say it in time."""
        asked = self._threads.submit(programs.read_report_times, self._redis)
        try:
            return asked.result(patience)
        except (RedisError, SQLAlchemyError, TimeoutError, *_NO_REPORT) as error:
            log.warning("reports of programs cannot be read", error=str(error))
            return {}

    def _ask(self, check: HealthCheck) -> None:
        now, (at, future) = time.monotonic(), self._asked.get(check.name, (0.0, None))
        if future is None or (future.done() and (future.exception() or now - at >= check.kept)):
            self._asked[check.name] = now, self._threads.submit(check.ask, self._redis)

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _judge(check: HealthCheck, future: "Future[HealthAnswer]", patience: float) -> dict[str, PartFinding]:
    if not future.done():
        return {check.name: PartFinding(check.worst, f"no answer within {patience:g} s")}
    if (error := future.exception()) is None:
        answer = future.result()
        return answer if isinstance(answer, dict) else {check.name: PartFinding(PartState.OK, answer)}
    if isinstance(error, PartDown):
        return {check.name: PartFinding(check.worst, str(error), error.troubles)}
    if isinstance(error, SQLAlchemyError | RedisError):
        log.warning("a part is down", part=check.name, error=str(error))
        return {check.name: PartFinding(check.worst, f"does not answer ({type(error).__name__})")}
    # A check that raises must not hide the other parts.
    log.error("a part cannot be asked", part=check.name, exc_info=error)
    return {check.name: PartFinding(check.worst, f"cannot be asked ({type(error).__name__})")}


def find_worst_state(findings: Mapping[str, PartFinding]) -> PartState:
    """Return the state of all parts together: that of the worst."""
    return max((each.state for each in findings.values()), key=list(PartState).index, default=PartState.OK)
