"""Status of everything, part by part: what `make status` and the operators' page show beside health.

All are plain values, as JSON has them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, cast

import sqlalchemy as sa
from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import PartAway, PartFinding, PartState, read_each, read_session
from api.admin.health.lateness import read_due, read_lateness
from api.admin.health.payments import measure_seconds, read_payments
from api.admin.health.program_checks import read_job_states
from api.admin.health.providers import read_left_alone
from api.ground.alarms import list_unanswered
from api.models.alert import Alert
from api.models.desk import DeskState, DeskStatus, HostState, Outage
from api.models.discovery import DiscoveryRun, Drift
from api.models.notification import QUEUES, Notification, State, waits_as_wished, was_put_off
from api.models.slot import Detection, SlotRow, is_from_check
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.logs import mask_text
from configs.ground.proof_queue import read_status
from configs.ground.redis import open_redis
from configs.programs.jobs import read_oldest_seconds
from configs.world.prefecture import desks

_WHOLE = 0.995  # a share of the budget that rounds to 100 % is whole
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_WELL = "watched"  # the reason of a desk without trouble begins so
_RECENT = timedelta(minutes=15)
_ON_THE_WAY = (State.PENDING, State.SENDING)
Record = dict[str, Any]


def _pick(row: Any, *names: str) -> Record:
    return {name: getattr(row, name) for name in names}


def read_alarms() -> Record:
    """Return the open alarms without an acknowledgement, the newest first, twenty at most."""
    with read_session() as s:
        found = list_unanswered(s)
        return {"open": [_pick(each, "id", "subject", "reason", "told_at", "repeated_at") for each in found]}


def read_desks() -> dict[str, Any]:
    """Return all desks of the desk files; `unwatched` ones are stale, retired, or behind a login."""
    known = {desk.id: desk for desk in desks().values() if desk.schedulable}
    opened = sa.select(sa.func.count(), sa.func.count(SlotRow.desk_id.distinct())).where(
        SlotRow.gone_at.is_(None), is_from_check(SlotRow)
    )
    recent = sa.select(sa.func.count(Detection.id)).where(
        Detection.seen_at >= clock() - _HOUR, is_from_check(Detection)
    )
    waiting = sa.select(sa.func.count(Alert.id)).where(Alert.enabled, Alert.closed_at.is_(None))
    with read_session() as s:
        rows = [row for row in s.scalars(sa.select(DeskState).order_by(DeskState.id)) if row.id in known]
        slots, at = s.execute(opened).one()
        return {
            "watched": len(known),
            "unwatched": len(desks()) - len(known),
            "by_status": _count_by_status(rows, len(known)),
            "troubles": _group_troubles(rows),
            "pace": _measure_pace(rows),
            "newest_check_at": max((row.last_check_at for row in rows if row.last_check_at), default=None),
            "open_slots": slots,
            "open_desks": at,
            "detections_last_hour": s.scalar(recent) or 0,
            "waiting_alerts": s.scalar(waiting) or 0,
        }


def _count_by_status(rows: Sequence[DeskState], known: int) -> dict[str, int]:
    counts: dict[str, int] = {status.value: 0 for status in DeskStatus}
    for row in rows:
        counts[row.status] += 1
    return counts | ({"UNPLANNED": known - len(rows)} if known > len(rows) else {})


def _group_troubles(rows: Sequence[DeskState]) -> list[dict[str, Any]]:
    """Return the desks that have the same status for the same reason, the worst first."""
    found: dict[tuple[DeskStatus, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.status is not DeskStatus.ACTIVE or not row.status_reason.startswith(_WELL):
            found[row.status, row.status_reason].append(row.id)
    worst = list(DeskStatus)[::-1].index
    ordered = sorted(found.items(), key=lambda each: (worst(each[0][0]), -len(each[1])))
    return [{"status": status, "reason": reason, "desks": ids} for (status, reason), ids in ordered]


def _measure_pace(rows: Sequence[DeskState]) -> dict[str, Any] | None:
    """Return achieved ÷ wished interval over the watched desks, and the worst desk with both, in seconds."""
    ratios = [
        (row.achieved_seconds / row.wished_seconds, row.id, row.achieved_seconds, row.wished_seconds)
        for row in rows
        if row.achieved_seconds and row.wished_seconds
    ]
    if not ratios:
        return None
    worst = zip(("worst", "desk", "achieved_seconds", "wished_seconds"), max(ratios), strict=True)
    return {"median": median(each[0] for each in ratios), **dict(worst)}


def read_hosts() -> Record:
    """Return the hosts that rest, are stopped, or have a part of their budget."""
    h, empty = HostState, ""
    host = sa.select(h.host).order_by(h.host)
    rests = (h.rests_until.label("until"), sa.func.coalesce(h.rest_reason, empty).label("reason"))
    stop = (h.stopped_at.label("since"), sa.func.coalesce(h.stop_reason, empty).label("reason"))
    resting = host.add_columns(*rests, h.rests_in_a_row).where(h.rests_until > clock())
    reduced = host.add_columns(h.budget_share.label("share")).where(h.budget_share < _WHOLE)
    return {
        "resting": _read_records(resting),
        "stopped": _read_records(host.add_columns(*stop).where(h.stopped_at.is_not(None))),
        "reduced": _read_records(reduced),
    }


def read_outages() -> Record:
    """Return the outages without an end, oldest first."""
    o = Outage
    last = sa.select(o.desk_id.label("desk"), o.starts_at.label("since"), o.reason).where(o.ends_at.is_(None))
    return {"open": _read_records(last.order_by(o.starts_at, o.desk_id))}


def read_discovery() -> Record:
    """Return the newest run (`cut`: it ran out of time; `found`: pages without a desk file) and the open drifts."""
    d = Drift
    newest = sa.select(DiscoveryRun).order_by(DiscoveryRun.started_at.desc()).limit(1)
    still = sa.select(d.desk_id.label("desk"), d.reason, d.detail, d.starts_at.label("since"))
    with read_session() as s:
        run = s.scalar(newest)
        last = _pick(run, "started_at", "ended_at", "cut", "pages", "found") if run else None
    drifts = _read_records(still.where(d.ends_at.is_(None)).order_by(d.starts_at, d.desk_id))
    return {"last": last, "drifts": drifts}


def _read_records(query: sa.Executable) -> list[Record]:
    with read_session() as s:
        return [row._asdict() for row in s.execute(query)]


def read_jobs() -> list[Record]:
    """Return the queues of jobs in Redis: how many wait, for how long, how many failed.

    Raises:
        redis.RedisError: Redis is away.
    """
    client, now = open_redis(), clock()
    queues = [Queue(name, connection=client, serializer=JSONSerializer) for name in QUEUES]
    return [
        {
            "name": each.name,
            "jobs": each.count,
            "oldest_seconds": read_oldest_seconds(each, now),
            "failed": each.failed_job_registry.get_job_count(cleanup=False),
        }
        for each in queues
    ]


def read_proofs() -> list[Record]:
    """Return the status of the proofs on their way; none where no worker reports.

    Raises:
        redis.RedisError: Redis is away.
    """
    status = read_status(open_redis())
    return [status.model_dump()] if status else []


def read_spiders() -> list[Record]:
    """Return what each spider process last said (crawler/dispatcher.py).

    Raises:
        redis.RedisError: Redis is away.
    """
    return sorted(_list_spiders(open_redis()), key=lambda each: (each["system"], each["started"]))


def _list_spiders(client: Redis) -> Iterator[Record]:
    for entry in client.scan_iter("crawler:process:*", count=1000):
        told = cast("dict[bytes, bytes]", client.hgetall(entry))
        if told:
            said = {key.decode(): value.decode() for key, value in told.items()}
            yield {
                "system": said["system"],
                "job": said["job"],
                "state": said["state"],
                "started": datetime.fromisoformat(said["started"]),
                "memory_mb": int(said["memory"]),
                "running": int(said["running"]),
                "checks": int(said["checks"]),
            }


def read_workers() -> list[Record]:
    """Return the workers of the queues, by their own entries.

    Raises:
        redis.RedisError: Redis is away.
    """
    workers = [
        {
            "name": each.name,
            "queues": each.queue_names(),
            "state": str(each.get_state()),
            "since": each.birth_date.replace(tzinfo=UTC) if each.birth_date else None,
            "jobs": each.successful_job_count,
            "failed": each.failed_job_count,
        }
        for each in Worker.all(connection=open_redis())
    ]
    return sorted(workers, key=lambda each: (each["queues"], each["name"]))


def read_messages() -> dict[str, Any]:
    """Return a day's notifications by state; pending ones and dead letters of any age. Ages are in seconds."""
    now = clock()
    n, number = Notification, sa.func.count()
    day = sa.select(n.state, number).where(n.created_at >= now - _DAY).group_by(n.state)
    since = sa.case((was_put_off(), n.next_attempt_at), else_=n.created_at)
    waits = sa.select(number, sa.func.min(since)).where(n.state.in_(_ON_THE_WAY))
    waits = waits.where(~sa.and_(waits_as_wished(), n.next_attempt_at > now))
    unmatched = sa.select(number, sa.func.min(Detection.committed_at)).where(Detection.matched_at.is_(None))
    newest = sa.func.max(n.failed_at)
    dead = sa.select(n.channel, sa.func.coalesce(n.reason, ""), number, newest).where(n.state == State.FAILED)
    with read_session() as s:
        on_the_way, oldest = s.execute(waits).one()
        detections, oldest_detection = s.execute(unmatched).one()
        rows: Any = s.execute(dead.group_by(n.channel, n.reason).order_by(newest.desc()))
        return {
            "by_state": {state.value: found for state, found in s.execute(day)},
            "on_the_way": on_the_way,
            "oldest_seconds": measure_seconds(oldest, now),
            "unmatched": detections,
            "oldest_unmatched_seconds": measure_seconds(oldest_detection, now),
            "dead": _group_by_masked_reason(rows),
        }


def _group_by_masked_reason(rows: Iterable[tuple[Channel, str, int, datetime]]) -> list[dict[str, Any]]:
    """Return the rows, the newest first, without personal data: a provider may repeat the address that it refuses."""
    groups: dict[tuple[Channel, str], dict[str, Any]] = {}
    for channel, reason, number, newest_at in rows:
        key = channel, mask_text(reason)
        new = {"channel": channel, "reason": key[1], "number": 0, "newest_at": newest_at}
        groups.setdefault(key, new)["number"] += number
    return list(groups.values())


def read_providers() -> list[dict[str, Any]]:
    """Return each channel's messages of the last _RECENT: accepted, failed, and the time from page to acceptance.

    `left_alone` has the seconds for which its providers are not called, of those that failed lately.
    """
    n, since = Notification, clock() - _RECENT
    # What its reader wanted later, or what caught up, says nothing of our delays.
    took = sa.case((n.committed_at.is_not(None), sa.extract("epoch", n.accepted_at - n.seen_at) * 1000))
    median = sa.func.round(sa.cast(sa.func.percentile_cont(0.5).within_group(took), sa.Numeric), 1)
    accepted, failed = n.accepted_at >= since, sa.and_(n.failed_at >= since, n.state == State.FAILED)
    lately = sa.select(
        n.channel,
        sa.func.count().filter(accepted).label("accepted"),
        sa.func.count().filter(failed).label("failed"),
        sa.func.count().filter(n.attempts > 1).label("again"),
        sa.cast(median, sa.Float).label("median_ms"),
        sa.func.max(n.accepted_at).label("newest_at"),
    ).where(sa.or_(accepted, failed))
    with read_session() as s:
        found = {row.channel: row._asdict() for row in s.execute(lately.group_by(n.channel))}
    nothing = {"accepted": 0, "failed": 0, "again": 0, "median_ms": None, "newest_at": None}
    return [
        {"channel": channel, **nothing, **found.get(channel, {}), "left_alone": read_left_alone(channel)}
        for channel in Channel
    ]


READS: dict[str, Callable[[], Any]] = {
    "alarms": read_alarms,
    "desks": read_desks,
    "hosts": read_hosts,
    "outages": read_outages,
    "due": read_due,
    "lateness": read_lateness,
    "jobs": read_jobs,
    "runs": read_job_states,
    "messages": read_messages,
    "providers": read_providers,
    "payments": read_payments,
    "proofs": read_proofs,
    "discovery": read_discovery,
    "spiders": read_spiders,
    "workers": read_workers,
}


HEALTH = "health"
Parts = dict[str, Any]


def read_parts(
    read_health: Callable[[], Mapping[str, PartFinding]], also: Mapping[str, Callable[[], Any]] | None = None
) -> Parts:
    """Return each part of the status, or why it is away; after some seconds at the latest."""

    def list_health() -> list[dict[str, Any]]:
        found = read_health().items()
        return [{"name": name, "state": each.state, "reason": each.reason} for name, each in found]

    return read_each({HEALTH: list_health} | READS | dict(also or {}))


def read_health() -> dict[str, PartFinding]:
    """Ask each check without the API, which may be down itself.

    Keys are left out: to check them takes the keys, and the right to read contacts.
    """
    return HealthChecks(open_redis(), [each for each in CHECKS if each.name != "keys"]).read_findings()


def find_trouble(parts: Parts) -> list[str]:
    """Return what is down: parts of health by their names, and parts that could not be asked."""
    silent = [name for name, found in parts.items() if isinstance(found, PartAway)]
    health = parts[HEALTH]
    if isinstance(health, PartAway):
        return silent
    return silent + [each["name"] for each in health if each["state"] is PartState.DOWN]
