"""Faults as an operator meets them: the alarm reaches Telegram, its link acknowledges it, the repair ends it.

The repair is the runbook's (docs/operations.md), below the alarm's heading.
"""

import json
import random
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from api.models.audit import AuditEntry
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from configs.clock import clock
from configs.prefecture import desks
from configs.redis import redis_client
from deploy.alarm_check.expressions import find_metrics, list_panel_expressions
from deploy.alarm_check.files import CheckFailed
from deploy.alarm_check.monitors import PrometheusClient
from deploy.alarm_check.waiting import wait_for
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.processes import ChaosProcesses
from deploy.chaos.sandbox_control import SandboxControl, ask
from deploy.local.seed import OPERATORS_CHAT
from deploy.local.stack import Stack
from deploy.sandbox.addresses import INBOX

_LONGEST_ALARM = 120.0  # seconds from a fault to the operator's Telegram
_LONGEST_END = 240.0
_LINK = re.compile(r"/l/incident/[A-Za-z0-9._-]+")
_SLOTS_EACH = 15.0  # seconds between two slots that open while a provider is, or was, away


@dataclass(frozen=True)
class PlayedFault:
    """A fault, the subject of the alarm that it must raise, and the metric that must show it on the board."""

    name: str
    subject: str
    metric: str
    begin: Callable[
        [Stack], AbstractContextManager[Callable[[], object]]
    ]  # gives what to do until it is over


def play(fault: PlayedFault, stack: Stack, prometheus: PrometheusClient, say: Callable[[str], None]) -> str:
    """Let it happen, acknowledge its alarm and repair it; return how long each took.

    Raises:
        CheckFailed: the alarm does not arrive, does not close, is shown by no panel, or is not in the audit.
    """
    before = _read_panels(prometheus, fault.metric)
    begun = time.monotonic()
    with fault.begin(stack) as go_on:
        wait_for(
            lambda: go_on() is None and bool(_find_messages(stack, fault)),
            _LONGEST_ALARM,
            f"{fault.subject} on the operator's Telegram",
        )
        told = time.monotonic() - begun
        say(f"{fault.name}: {fault.subject} reached Telegram after {told:.0f} s")
        if not _has_changed(before, _read_panels(prometheus, fault.metric)):
            raise CheckFailed(f"{fault.name}: no panel with {fault.metric} shows another figure")
        _acknowledge(stack, fault)
    repaired = time.monotonic()
    wait_for(
        lambda: go_on() is None and _find_incident(fault).ends_at is not None,
        _LONGEST_END,
        f"the end of {fault.subject}",
    )
    return (
        f"{fault.name}: told after {told:.0f} s, closed {time.monotonic() - repaired:.0f} s after the repair"
    )


def _read_panels(prometheus: PrometheusClient, metric: str) -> dict[str, dict[str, float]]:
    """Return the figures of each panel's queries that read a metric, by their labels."""
    return {
        f"{each.place}: {each.text}": {
            json.dumps(row["metric"], sort_keys=True): float(row["value"][1])
            for row in prometheus.query(each.text)
        }
        for each in list_panel_expressions()
        if metric in find_metrics(each.text)
    }


def _has_changed(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> bool:
    return any(before[place] != figures for place, figures in after.items())


def _find_messages(stack: Stack, fault: PlayedFault) -> list[str]:
    messages = ask(f"http://{INBOX}:{stack.ports.inbox}/api/messages")
    found = (json.dumps(each) for each in messages if each["to"] == OPERATORS_CHAT)
    return [text for text in found if fault.subject in text]


def _acknowledge(stack: Stack, fault: PlayedFault) -> None:
    """Follow the link of the message, as its reader does, and look into the audit."""
    link = _LINK.search(_find_messages(stack, fault)[-1])
    if link is None:
        raise CheckFailed(f"the message about {fault.subject} has no link to acknowledge it")
    address = f"http://127.0.0.1:{stack.ports.api}{link[0]}"
    with urllib.request.urlopen(urllib.request.Request(address, b"", method="POST"), timeout=30):
        pass
    found = sa.select(AuditEntry.id).where(
        AuditEntry.action == "incident.acknowledge",
        AuditEntry.subject_id == str(_find_incident(fault).id),
        AuditEntry.actor_id.is_not(None),
    )
    with session() as s:
        if s.scalars(found).first() is None:
            raise CheckFailed(f"the audit does not say who acknowledged {fault.subject}")


def _find_incident(fault: PlayedFault) -> Incident:
    of_it = sa.select(Incident).where(
        Incident.reason == IncidentReason.PROMETHEUS_ALARM, Incident.subject == fault.subject
    )
    with session() as s:
        return s.scalars(of_it.order_by(Incident.id.desc()).limit(1)).one()


@contextmanager
def _evicting(_: Stack) -> Iterator[Callable[[], object]]:
    redis = redis_client()
    before = redis.config_get("maxmemory-policy")["maxmemory-policy"]
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        yield lambda: None
    finally:
        redis.config_set("maxmemory-policy", before or "noeviction")


@contextmanager
def _spiders_killed(stack: Stack) -> Iterator[Callable[[], object]]:
    """Stop the keeper, which would start others at once, and kill all spiders."""
    processes = ChaosProcesses(stack.supervisor.pid, OpeningJournal())
    keepers = processes.all("keeper")
    for each in keepers:
        each.send_signal(signal.SIGSTOP)
    try:
        if not processes.kill_all("spider"):
            raise CheckFailed("no spider runs that could be killed")
        yield lambda: None
    finally:
        for each in keepers:
            each.send_signal(signal.SIGCONT)


@contextmanager
def _provider_away(stack: Stack) -> Iterator[Callable[[], object]]:
    """Let the first provider of mail refuse while slots open, of which somebody is to be told."""
    control, rng = SandboxControl(stack.ports, OpeningJournal()), random.Random(19)  # noqa: S311 -- no secret
    wished = [
        desk
        for desk in desks().values()
        if desk.prefecture_id == "bobigny_93" and desk.platform == "ezbooking"
    ]
    opened_at = [-_SLOTS_EACH]

    def open_slot() -> None:
        if time.monotonic() - opened_at[0] >= _SLOTS_EACH:
            opened_at[0] = time.monotonic()
            control.open(rng.choice(wished), rng, noted=False)

    with control.provider_in("sendgrid", "refuse"):
        yield open_slot  # also afterwards: the first mail after a rest is the probe that closes the breaker


@contextmanager
def _backup_old(_: Stack) -> Iterator[Callable[[], object]]:
    _note_backup(timedelta(hours=27))
    try:
        yield lambda: None
    finally:
        _note_backup(timedelta(minutes=1))


def _note_backup(age: timedelta) -> None:
    """Write the row of the newest base backup, as the backup's own program does."""
    ended = clock() - age
    with session() as s:
        s.merge(
            BackupState(
                part=BackupPart.BASE, name="20261123T000000Z", started_at=ended, finished_at=ended, bytes=1
            )
        )


FAULTS = (
    PlayedFault("Redis may evict", "RedisPolicyWrong", "rdvpriority_redis_policy_noeviction", _evicting),
    PlayedFault(
        "spiders killed", "HealthPartDown (part=scrapyd)", "rdvpriority_health_part_state", _spiders_killed
    ),
    PlayedFault(
        "a provider away", "ProviderOpen (provider=sendgrid)", "rdvpriority_breaker_open", _provider_away
    ),
    PlayedFault(
        "a backup too old",
        "BackupOld (kind=base)",
        "rdvpriority_backup_last_success_timestamp_seconds",
        _backup_old,
    ),
)
