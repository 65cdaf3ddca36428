"""The inbox page gets changes of the watching, and again those that it could not take."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.models.slot import GoneReason
from deploy.local.journal import ProgramLog
from deploy.local.live_feed_events import HostRest, OutageBegan, OutageEnded, SlotsGone, WatchEvent, WatchStop
from deploy.sandbox.journal import KINDS
from deploy.sandbox.running import Running
from tests.whole.conftest import get

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
AGO = NOW - timedelta(minutes=5)
DESK, HOST = "creteil_94/naturalisation", "127.77.0.94:8800"
EVENTS: list[WatchEvent] = [
    HostRest(NOW, HOST, NOW + timedelta(minutes=5), "the site refused us"),
    WatchStop(NOW, HOST, "they called us"),
    OutageBegan(NOW, DESK, "blocked"),
    OutageEnded(NOW, DESK, "blocked", AGO),
    SlotsGone(NOW, DESK, GoneReason.TAKEN, 2, AGO),
]


def shown(sandbox: Running) -> list[dict[str, Any]]:
    journal: list[dict[str, Any]] = get(f"{sandbox.inbox}/api/state")[1]["journal"]
    return journal


def test_each_kind_of_turn_is_taken_by_the_page(sandbox: Running) -> None:
    assert ProgramLog(sandbox.inbox).post_events(EVENTS) is None
    entries = shown(sandbox)
    assert [entry["kind"] for entry in entries] == list(KINDS)
    assert entries[0]["until"] == "2026-11-20T09:05:00+00:00"
    assert entries[4] == {
        "at": NOW.isoformat(), "kind": "gone", "where": DESK, "why": "taken", "count": 2, "since": AGO.isoformat(),
    }  # fmt: skip


def test_what_the_page_could_not_take_is_told_with_the_next(sandbox: Running, closed_port: int) -> None:
    journal = ProgramLog(f"http://127.0.0.1:{closed_port}")
    journal.post_events(EVENTS[:1])
    journal.url = sandbox.inbox
    journal.post_events([])
    journal.post_events(EVENTS[1:2])
    journal.post_events([])
    assert [entry["kind"] for entry in shown(sandbox)] == ["rest", "stop"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"entries": 7}, "entries must be a list"),
        ({"entries": [7]}, "an entry must be an object"),
        ({"entries": [{"kind": "rest", "where": "x"}]}, "at is missing"),
        ({"entries": [{"kind": "rust", "where": "x", "at": "2026-11-20T09:00:00Z"}]}, "unknown kind 'rust'"),
        ({"entries": [{"kind": "rest", "where": "x", "at": "noon"}]}, "at takes instants"),
        (
            {"entries": [{"kind": "gone", "where": "x", "at": "2026-11-20T09:00:00Z", "count": 0}]},
            "count must be",
        ),
        ({"entries": [{"kind": "gone", "where": 7, "at": "2026-11-20T09:00:00Z"}]}, "where must be a text"),
        ({"entries": [{"a": 1}]}, "unknown key 'a'"),
    ],
)
def test_what_is_no_entry_is_refused_and_nothing_kept(
    sandbox: Running, body: dict[str, Any], said: str, settings_env: Callable[..., None]
) -> None:
    status, answer = get(f"{sandbox.inbox}/api/journal", body)
    assert status == 422
    assert said in answer["error"]
    assert shown(sandbox) == []


def test_a_reset_clears_it(sandbox: Running) -> None:
    ProgramLog(sandbox.inbox).post_events(EVENTS)
    get(f"{sandbox.inbox}/api/reset", {})
    assert shown(sandbox) == []


def test_a_page_that_refuses_is_told_of_once(sandbox: Running) -> None:
    journal = ProgramLog(sandbox.inbox)
    faulty = SlotsGone(NOW, DESK, GoneReason.TAKEN, 0, AGO)
    assert "422" in str(journal.post_events([faulty]))
    assert journal.post_events([]) is None
