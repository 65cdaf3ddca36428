"""Every part of the status in trouble, for the ways in which it is shown."""

from datetime import timedelta
from typing import Any

from api.admin.health.findings import PartState
from api.models.desk import DeskStatus
from api.models.job import JobResult
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.proof_queue import ProofStatus
from tests.factories import BOBIGNY

HOST = "127.77.0.93:8800"


def make_parts() -> dict[str, Any]:
    """Return them by name."""
    ago = clock() - timedelta(minutes=10)
    quiet: dict[str, Any] = {
        "accepted": 0,
        "failed": 0,
        "again": 0,
        "median_ms": None,
        "newest_at": None,
        "left_alone": {},
    }
    ended = {
        "job": "", "ended_at": ago, "result": JobResult.DONE, "error": None, "counts": None, "due_at": None,
        "runs": False,
    }  # fmt: skip
    return {
        "health": [{"name": "planner", "state": PartState.DOWN, "reason": "silent"}, {"name": "redis", "state": PartState.OK, "reason": ""}],
        "alarms": {"open": [{"id": 7, "subject": HOST, "reason": "blocked", "told_at": ago, "repeated_at": ago}]},
        "desks": {
            "watched": 3, "unwatched": 2, "by_status": {"ACTIVE": 1, "ERROR": 1, "UNPLANNED": 1},
            "troubles": [{"status": DeskStatus.ERROR, "reason": "unreachable", "desks": [BOBIGNY, "x/y"]}],
            "pace": {"median": 1.1, "worst": 2.5, "desk": BOBIGNY, "achieved_seconds": 75.0, "wished_seconds": 30.0},
            "newest_check_at": None, "open_slots": 4, "open_desks": 2, "detections_last_hour": 1, "waiting_alerts": 9,
        },
        "hosts": {
            "resting": [{"host": "rest:443", "until": clock() + timedelta(minutes=5), "reason": "blocked", "rests_in_a_row": 2}],
            "stopped": [{"host": HOST, "since": ago, "reason": "essai"}],
            "reduced": [{"host": "slow:443", "share": 0.5}],
        },
        "outages": {"open": [{"desk": BOBIGNY, "since": ago, "reason": "stopped"}] * 9},
        "due": [{"system": "ants", "desks": 101, "overdue": 3, "latest_seconds": 4.5, "held_back": 2, "pushed": 1}],
        "lateness": {"gaps": 40, "desks": 4, "ratio": 1.2, "p50_seconds": 0.1, "p95_seconds": 3.5},
        "jobs": [
            {"name": "slots", "jobs": 3, "oldest_seconds": 9.5, "failed": 1},
            {"name": "sms", "jobs": 0, "oldest_seconds": None, "failed": 0},
        ],
        "runs": [
            {**ended, "job": "sum_days", "result": JobResult.FAILED, "error": "KeyError", "runs": True},
            {**ended, "job": "drop_exports", "counts": {"failed": 2}, "due_at": ago},
            {**ended, "job": "keep_partitions", "counts": {}},
        ],
        "messages": {
            "by_state": {"sent": 4}, "on_the_way": 2, "oldest_seconds": 99.0, "unmatched": 1,
            "oldest_unmatched_seconds": 5.0,
            "dead": [{"channel": Channel.SMS, "reason": "21211", "number": 3, "newest_at": ago}],
        },
        "providers": [
            {"channel": Channel.SMS, **quiet, "failed": 2, "again": 1, "newest_at": ago, "left_alone": {"twilio": 30.0}},
            {"channel": Channel.EMAIL, **quiet},
        ],
        "payments": {
            "events": 1, "oldest_seconds": 30.0, "unknown": 1, "given_up": 1, "commands": 1,
            "oldest_command_seconds": 30.0, "failed_refunds": 1, "late_refunds": ["payment 1"], "differences": 1, "late_declarations": 1,
            "late_files": 1, "ledger_unread": 1, "left_alone_seconds": 60.0,
        },
        "proofs": [ProofStatus(
            at=clock(), store="s3://p", waiting=3, oldest_at=ago, given_up=1, away_since=ago, away="refused",
        ).model_dump()],
        "discovery": {
            "last": {"started_at": ago, "ended_at": ago, "cut": True, "pages": 90, "found": 2},
            "drifts": [{"desk": BOBIGNY, "reason": "silent", "detail": "404", "since": ago}],
        },
        "spiders": [{"system": "ants", "job": "0123456789", "state": "ending", "started": ago, "memory_mb": 90, "running": 1, "checks": 400}],
        "workers": [{"name": "worker-1", "queues": ["slots"], "state": "idle", "since": ago, "jobs": 5, "failed": 1}],
    }  # fmt: skip
