"""Health of watching: the age of the newest check, of all and of each booking system by HTTP and by browser."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError

from api.admin.health.findings import PartDown, PartFinding, PartState
from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState
from configs.ground.clock import clock
from configs.ground.text import format_duration, pluralize
from configs.programs.loop_report import read_report
from configs.settings import Constant
from configs.world.desk import (
    CLOSED_PROBE_SECONDS,
    MAINTENANCE_PROBE_SECONDS,
    Outcome,
    captcha_probe_seconds,
    longest_rest_seconds,
    pause_probe_seconds,
)
from configs.world.prefecture import desks

# Age of the newest check beyond which health says that watching stands still
health_age_seconds = Constant("HEALTH_AGE_SECONDS", 120.0)

CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time
_INTERVAL = sa.func.greatest(DeskState.wished_seconds, DeskState.share_seconds, DeskState.feasible_seconds)
_DESKS = sa.select(
    DeskState.id,
    DeskState.due_queue,
    DeskState.last_check_at,
    DeskState.last_outcome,
    DeskState.status,
    _INTERVAL.label("interval"),
).where(DeskState.due_queue.is_not(None), _INTERVAL.is_not(None))
_HOSTS = sa.select(HostState.host, HostState.rests_until, HostState.stopped_at, HostState.updated_at)


def measure_age(at: datetime, what: str) -> timedelta:
    """Return the age of an instant that another program wrote; zero for a small difference of clocks.

    Raises:
        PartDown: the instant lies in the future, so a machine's clock is or was wrong.
    """
    age = clock() - at
    if age < -CLOCKS_DIFFER:
        ahead = format_duration(-age)
        raise PartDown(f"{what} is of {ahead} from now: a machine's clock is, or was, set wrong")
    return max(age, timedelta())


def check_checks(redis: Redis) -> dict[str, PartFinding]:
    """Judge the newest check, and that of each due queue."""
    try:
        newest = PartFinding(PartState.OK, _check_newest())
    except PartDown as trouble:
        newest = PartFinding(PartState.DOWN, str(trouble))
    return {"checks": newest} | {
        f"checks:{name}": finding for name, finding in _check_queues(_read_queues(redis)).items()
    }


def _read_queues(redis: Redis) -> dict[str, datetime]:
    """Return since when each due queue has desks; empty without Redis or with an unreadable report."""
    try:
        report = read_report(redis)
    except (RedisError, ValueError):  # the parts `redis` and `planner` report it
        return {}
    return report.queues if report else {}


def _check_newest() -> str:
    interval = sa.func.greatest(DeskState.wished_seconds, DeskState.feasible_seconds)
    past = Check.started_at <= clock() + CLOCKS_DIFFER
    with session() as s:
        fastest, newest, ahead = s.execute(
            sa.select(
                sa.select(sa.func.min(interval)).scalar_subquery(),
                sa.select(sa.func.max(Check.started_at)).where(past).scalar_subquery(),
                sa.select(sa.func.max(Check.started_at)).where(~past).scalar_subquery(),
            )
        ).one()
    if fastest is None:
        return "no desk is scheduled"
    if newest is None and ahead is None:
        raise PartDown("desks are scheduled, but none was checked yet")
    age = measure_age(newest or ahead, "the newest check").total_seconds()
    allowed = max(health_age_seconds(), 2 * fastest)
    if age > allowed:
        raise PartDown(f"the newest check is {age:.0f} s old: {allowed:.0f} s are allowed")
    return f"the newest is {age:.0f} s old"


def _check_queues(since: Mapping[str, datetime]) -> dict[str, PartFinding]:
    """Return by due queue with desks whether it works, and the age of its newest check as text.

    A queue is late when its newest check is older than HEALTH_AGE_SECONDS and twice the wait of its fastest desk.
    Desks whose host rests or is stopped do not count. `since` is when a queue got its first desk, where known; older
    checks do not count. A queue without any check is measured from the first check of all queues.
    """
    now = clock()
    queues: dict[str, list[Any]] = defaultdict(list)
    with session() as rows:
        for desk in rows.execute(_DESKS):
            if desk.id in desks():
                queues[desk.due_queue].append(desk)
        hosts = {host.host: host for host in rows.execute(_HOSTS)}
        first = rows.scalar(sa.select(sa.func.min(Check.started_at)).where(~Check.probe))
    begins = {name: at for name, at in since.items() if at <= now + CLOCKS_DIFFER}
    return {
        name: _judge_queue(each, hosts, (first or now, begins.get(name)), now)
        for name, each in sorted(queues.items())
    }


def _judge_queue(
    queue: Sequence[Any], hosts: dict[str, Any], begins: tuple[datetime, datetime | None], now: datetime
) -> PartFinding:
    expected = [desk for desk in queue if not _is_resting(hosts.get(desks()[desk.id].host), now)]
    if not expected:
        return PartFinding(PartState.OK, f"the hosts of {pluralize(len(queue), 'desk')} rest or are stopped")
    checks = [desk.last_check_at for desk in queue if desk.last_check_at]
    past = [at for at in checks if at <= now + CLOCKS_DIFFER]
    freed = [_get_freed_at(hosts.get(desks()[desk.id].host), now) for desk in expected]
    allowed = timedelta(seconds=max(health_age_seconds(), 2 * min(map(_get_wait_seconds, expected))))
    first, begin = begins
    late = now - max(filter(None, [*(past or [first]), begin, *freed])) > allowed
    if not past:
        return PartFinding(
            PartState.DOWN if late or checks else PartState.OK, _describe_unchecked(checks, now)
        )
    text = f"the newest check is {format_duration(max(now - max(past), timedelta()))} old"
    if late:
        return PartFinding(PartState.DOWN, f"{text}: {format_duration(allowed)} are allowed")
    return PartFinding(PartState.OK, text)


def _describe_unchecked(checks: Sequence[datetime], now: datetime) -> str:
    if not checks:
        return "no desk was checked yet"
    ahead = format_duration(max(checks) - now)
    return f"its newest check is of {ahead} from now: a machine's clock is, or was, set wrong"


def _is_resting(host: Any, now: datetime) -> bool:
    return host is not None and bool(host.stopped_at or (host.rests_until and host.rests_until > now))


def _get_freed_at(host: Any, now: datetime) -> datetime | None:
    """Return when a host's last rest or stop may have ended."""
    return min(max(host.updated_at, host.rests_until or host.updated_at), now) if host else None


def _get_wait_seconds(desk: Any) -> float:
    """Return a desk's longest wait after its last outcome (crawler/scheduling/intervals.py)."""
    outcome = desk.last_outcome
    if outcome is None or outcome.conclusive:
        return float(desk.interval)
    probes = {
        Outcome.CAPTCHA: captcha_probe_seconds(),
        Outcome.MAINTENANCE: MAINTENANCE_PROBE_SECONDS,
        Outcome.CLOSED: CLOSED_PROBE_SECONDS,
        Outcome.BLOCKED: longest_rest_seconds(),
        Outcome.RATE_LIMITED: longest_rest_seconds(),
    }
    paused = pause_probe_seconds() if desk.status is DeskStatus.ERROR else 0
    return max(2 * float(desk.interval), probes.get(outcome, 0), paused)
