"""Every part of the status in trouble, for the ways in which it is shown."""

from datetime import timedelta
from typing import Any

from api.health.alarm_overview import AlarmOverview, OpenAlarm
from api.health.check_lateness import CheckLateness
from api.health.desk_overview import DeskOverview, DeskPace, DeskTrouble
from api.health.discovery_overview import DiscoveryOverview, DiscoveryWalk, MovedDesk
from api.health.due_overview import Due
from api.health.health_checks import PartState
from api.health.host_overview import (
    HostOverview,
    OpenOutage,
    OutageOverview,
    ReducedHost,
    RestingHost,
    StoppedHost,
)
from api.health.job_overview import JobStatus
from api.health.message_overview import DeadLetters, MessageOverview, ProviderStatus
from api.health.payment_overview import PaymentOverview
from api.health.process_overview import QueueListener, Spider
from api.health.queue_overview import WaitingJobs
from api.health.status_report import HealthFinding
from api.models.desk import DeskStatus
from api.models.job_run import JobResult
from api.models.user import Channel
from configs.clock import clock
from configs.proof_spool_status import SpoolReport
from tests.api.world import BOBIGNY

HOST = "127.77.0.93:8800"


def make_parts() -> dict[str, Any]:
    """Return them by name."""
    ago = clock() - timedelta(minutes=10)
    return {
        "health": [HealthFinding("planner", PartState.DOWN, "silent"), HealthFinding("redis", PartState.OK, "")],
        "alarms": AlarmOverview([OpenAlarm(7, HOST, "blocked", ago, ago)]),
        "desks": DeskOverview(
            3, 2, {"ACTIVE": 1, "ERROR": 1, "UNPLANNED": 1}, [DeskTrouble(DeskStatus.ERROR, "unreachable", [BOBIGNY, "x/y"])],
            DeskPace(1.1, 2.5, BOBIGNY, 75, 30), None, 4, 2, 1, 9,
        ),
        "hosts": HostOverview(
            [RestingHost("rest:443", clock() + timedelta(minutes=5), "blocked", 2)],
            [StoppedHost(HOST, ago, "essai")], [ReducedHost("slow:443", 0.5)],
        ),
        "outages": OutageOverview([OpenOutage(BOBIGNY, ago, "stopped")] * 9),
        "due": [Due("ants", 101, 3, 4.5, 2, 1)],
        "lateness": CheckLateness(40, 4, 1.2, 0.1, 3.5),
        "jobs": [WaitingJobs("slots", 3, 9.5, 1)],
        "runs": [
            JobStatus("check_days", ago, JobResult.FAILED, "KeyError", None, None, None, runs=False),
            JobStatus("drop_job_runs", ago, JobResult.DONE, None, {"failed": 2}, ago, ago, runs=False),
            JobStatus("make_partitions", ago, JobResult.DONE, None, {}, None, None, runs=False),
        ],
        "messages": MessageOverview({"sent": 4}, 2, 99.0, 1, 5.0, [DeadLetters(Channel.SMS, "21211", 3, ago)]),
        "providers": [
            ProviderStatus(Channel.SMS, 0, 2, 1, None, ago, {"twilio": 30.0}),
            ProviderStatus(Channel.EMAIL, 0, 0, 0, None, None, {}),
        ],
        "payments": PaymentOverview(1, 30.0, 1, 1, 1, 30.0, 1, 1, 1, 1, 60.0),
        "proofs": [SpoolReport(at=clock(), machine="m1", store="s3://p", waiting=3, oldest_at=ago, given_up=1, away_since=ago, away="refused", trouble="full")],
        "discovery": DiscoveryOverview(DiscoveryWalk(ago, ago, cut=True, pages=90, found=2), [MovedDesk(BOBIGNY, "gone", "404", ago)]),
        "spiders": [Spider("ants", "0123456789", "ending", ago, 90, 1, 400, "abcdef0123")],
        "workers": [QueueListener("worker-1", ["slots"], "idle", ago, 5, 1)],
    }  # fmt: skip
