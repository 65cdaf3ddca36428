"""This machine as a node: which queues it may serve, and its report (configs/node_report.py)."""

import os
import platform
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import redis

from configs.browser_binary import missing_browser
from configs.node_report import NodeReport
from configs.proof_spool_status import read_reports
from configs.settings import SettingsRefused, settings
from crawler.catalogue import systems
from crawler.scheduling.queues import CrawlQueue, queue_names

_KIB, _MB = 1024, 1_000_000


def check_node_systems() -> None:
    """Check NODE_SYSTEMS.

    Raises:
        configs.settings.SettingsRefused: there is no such booking system.
    """
    if unknown := set(settings().node_systems) - set(systems()):
        raise SettingsRefused(
            f"NODE_SYSTEMS names {', '.join(sorted(unknown))}: the booking systems are {', '.join(systems())}"
        )


def has_browser() -> bool:
    """Whether this node may start a browser, and has one."""
    return settings().node_browser and not missing_browser()


def allowed_queues() -> list[str]:
    """Return the names of the queues that this node may serve."""
    chosen, browser = settings().node_systems or systems(), has_browser()
    queues = [CrawlQueue.parse(name) for name in queue_names()]
    return [str(queue) for queue in queues if queue.system in chosen and (browser or not queue.browser)]


def make_report(
    now: datetime,
    version: str,
    *,
    wanted: Mapping[str, int],
    running: Mapping[str, int],
    away_since: datetime | None,
    spool: int,
) -> NodeReport:
    """Return this node's report: the code deployed here, what each queue needs, what scrapyd runs, unstored proofs."""
    total, free = read_memory()
    return NodeReport(
        name=settings().node,
        machine=platform.node(),
        at=now,
        version=version,
        away_since=away_since,
        queues=allowed_queues(),
        processes=settings().node_processes,
        wanted=dict(wanted),
        running=dict(running),
        browser=has_browser(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        load=round(os.getloadavg()[0], 2),
        memory_mb=total,
        memory_free_mb=free,
        spool=spool,
    )


def count_waiting_proofs(client: redis.Redis) -> int:
    """Return how many of this machine's proofs are not in the store yet.

    Raises:
        redis.RedisError: Redis is away.
    """
    return sum(each.waiting for each in read_reports(client) if each.machine == platform.node())


def read_memory() -> tuple[int, int]:
    """Return this machine's memory and what of it is free, in MB; zeros where there is no /proc."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return 0, 0
    found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return tuple(found.get(name, 0) * _KIB // _MB for name in ("MemTotal", "MemAvailable"))  # type: ignore[return-value]
