"""Rows of 90 days of watching: states of all desks, slots that opened and went, days of checks, outages, deliveries."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from api.models.base import new_id, session
from api.models.check import CheckDay
from api.models.desk import DeskState, DeskStatus, Outage, OutageReason
from api.models.notification import ALL, DeliveryFigure
from api.models.slot import Detection, DetectionSlot, GoneReason, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome, WatchLevel
from configs.world.prefecture import desks

Row = dict[str, Any]
_DAYS, _LEDGER_DAYS = 90, 31
_BUSY_HOURS = (8, 8, 8, 9, 9, 10, 12, 14, 14, 16, 18, 23)  # local hours at which slots open
_BUSY_DAYS = (0, 1, 1, 1, 3, 3, 4)  # weekdays
_MOST_OPENINGS = 60  # of one desk
_OUTAGE_COUNT = 24
_BAD_DAY = 12  # days ago: the ledger shows late and failed alerts
_DAY = timedelta(days=1)
# (of a hundred desks, status, reason); the rest is ACTIVE
_TROUBLES = (
    (4, DeskStatus.ERROR, "5 checks in a row failed: unreachable"),
    (7, DeskStatus.PAUSED, "maintenance"),
    (9, DeskStatus.CAPTCHA, "the page asks for a captcha"),
)
_OUTAGES = (OutageReason.MAINTENANCE, OutageReason.BLOCKED, OutageReason.UNREACHABLE, OutageReason.CAPTCHA)
_NUMBER_ON = sa.text("SELECT setval(pg_get_serial_sequence('slots', 'id'), max(id)) FROM slots")
_LATENCIES = {Channel.EMAIL: (0.6, 3.1), Channel.SMS: (1.4, 6.5), Channel.TELEGRAM: (0.4, 1.8)}  # p50, p95


@dataclass(frozen=True, slots=True)
class Opening:
    """Slots that a desk showed together: when, how many, and when they went (None: they are open)."""

    desk: Desk
    at: datetime
    count: int
    gone_at: datetime | None
    detection_id: Any = field(default_factory=new_id)


def write_watching(random: Random) -> None:
    """Write all of it."""
    watched = [desk for desk in desks().values() if desk.schedulable]
    _insert(DeskState, [_build_state(desk, random) for desk in watched])
    seen = [desk for desk in watched if desk.watch is WatchLevel.FULL]
    _insert(CheckDay, [row for desk in seen for row in _build_check_days(desk, random)])
    write_openings([each for desk in seen for each in _draw_openings(desk, random)])
    failing = random.sample(seen, min(len(seen), _OUTAGE_COUNT))
    _insert(Outage, [_build_outage(desk, random) for desk in failing])
    _insert(DeliveryFigure, list(_build_delivery_figures(random)))


def write_openings(openings: list[Opening]) -> None:
    """Write slots with their detections; ids of slots are given in this order."""
    with session() as s:
        first = 1 + (s.scalar(sa.select(sa.func.coalesce(sa.func.max(SlotRow.id), 0))) or 0)
        places = [(each, place) for each in openings for place in range(each.count)]
        numbered = list(enumerate(places, first))
        links = [{"detection_id": each.detection_id, "slot_id": number} for number, (each, _) in numbered]
        s.execute(
            sa.insert(SlotRow), [_build_slot(each, number, place) for number, (each, place) in numbered]
        )
        s.execute(sa.insert(Detection), [_build_detection(each) for each in openings])
        s.execute(sa.insert(DetectionSlot), links)
        s.execute(_NUMBER_ON)


def _insert(kind: type[Any], rows: list[Row]) -> None:
    with session() as s:
        s.execute(sa.insert(kind), rows)


def _build_state(desk: Desk, random: Random) -> Row:
    drawn, now = random.randrange(100), clock()
    trouble = next((each for each in _TROUBLES if drawn < each[0]), None)
    status, reason = trouble[1:] if trouble else (DeskStatus.ACTIVE, "watched: no slots")
    wished = random.choice((30, 60, 120))
    feasible = wished if desk.platform != "ants" else random.choice((180, 240, 420))
    checked_at = now - timedelta(seconds=random.randrange(5, 50))
    proven_at = checked_at - timedelta(hours=7) if trouble else checked_at
    return {
        "id": desk.id, "status": status, "status_reason": reason, "wished_seconds": wished,
        "last_outcome": Outcome.UNREACHABLE if trouble else Outcome.NO_SLOTS, "last_check_at": checked_at,
        "last_proven_at": proven_at, "proven_before_at": proven_at,
        "feasible_seconds": feasible, "share_seconds": feasible,
        "achieved_seconds": round(feasible * random.uniform(0.95, 1.3)),
        "releases_at": now + random.randrange(1, 20) * _DAY if drawn % 9 == 0 else None,
    }  # fmt: skip


def _build_check_days(desk: Desk, random: Random) -> Iterator[Row]:
    promised = random.choice((60, 120, 240))
    for ago in range(1, _DAYS):
        checks = random.randrange(300, 1400)
        yield {
            "desk_id": desk.id, "day": _days_ago(ago), "checks": checks, "outcomes": {"no_slots": checks},
            "proven": round(checks * random.uniform(0.93, 1)), "openings": 0, "updated_at": clock(),
            "achieved_seconds": promised * random.choice((0.8, 0.9, 0.97, 1.05, 1.6)), "promised_seconds": promised,
            "alerts": random.randrange(1, 30), "found": int(random.randrange(9) == 0), "too_late": int(random.randrange(5) == 0),
            "nothing_there": int(random.randrange(30) == 0), "stopped": int(random.randrange(20) == 0),
        }  # fmt: skip


def _draw_openings(desk: Desk, random: Random) -> Iterator[Opening]:
    """Draw openings of the last 90 days, but of the last hour: a few desks have none, some very many."""
    zone = ZoneInfo(desk.time_zone)
    for _ in range(random.choice((0, 3, 9, 20, 35, _MOST_OPENINGS))):
        day = clock().astimezone(zone).date() - random.randrange(1, _DAYS) * _DAY
        day += (random.choice(_BUSY_DAYS) - day.weekday()) * _DAY
        hour = time(random.choice(_BUSY_HOURS), random.randrange(60), random.randrange(60))
        at = datetime.combine(day, hour, zone)
        if at < clock() - timedelta(hours=2):
            count = random.choice((1, 1, 2, 3, 5))
            yield Opening(desk, at, count, at + random.randrange(40, 1500) * timedelta(seconds=1))


def _build_slot(opening: Opening, number: int, place: int) -> Row:
    local = opening.at.astimezone(ZoneInfo(opening.desk.time_zone))
    day = local.date() + (12 + number % 40) * _DAY
    starts_at = datetime.combine(day, time(9 + place, 15 * (number % 4)), local.tzinfo)
    return {
        "id": number, "desk_id": opening.desk.id, "place_key": f"p{number}", "moment": starts_at.isoformat(),
        "starts_at": starts_at, "url": opening.desk.url, "opened_at": opening.at,
        "seen_at": opening.gone_at or clock(), "gone_at": opening.gone_at,
        "gone_reason": GoneReason.TAKEN if opening.gone_at else None,
    }  # fmt: skip


def _build_detection(opening: Opening) -> Row:
    desk = opening.desk
    return {
        "id": opening.detection_id, "desk_id": desk.id, "prefecture_id": desk.prefecture_id,
        "procedures": sorted(desk.procedures), "label": desk.label, "site": desk.site, "booking_url": desk.url,
        **dict.fromkeys(("seen_at", "committed_at", "matched_at"), opening.at),
        "proof_key": f"screenshots/{opening.detection_id}",
    }  # fmt: skip


def _build_outage(desk: Desk, random: Random) -> Row:
    is_over = random.randrange(8) > 0
    starts_at = clock() - (random.uniform(2, 28) if is_over else 0.2) * _DAY
    ends_at = starts_at + timedelta(minutes=random.choice((6, 18, 45, 130, 400)))
    reason = random.choice(_OUTAGES)
    return {
        "desk_id": desk.id, "starts_at": starts_at, "ends_at": ends_at if is_over else None, "reason": reason,
    }  # fmt: skip


def _build_delivery_figures(random: Random) -> Iterator[Row]:
    for ago in range(1, _LEDGER_DAYS + 1):
        for channel, (half, most) in _LATENCIES.items():
            sent, lost = random.randrange(3, 140), random.randrange(0, 2)
            slower = random.uniform(0.7, 1.4) * (3 if ago == _BAD_DAY else 1)
            is_tracked = channel is not Channel.TELEGRAM
            yield {
                "day": _days_ago(ago), "channel": channel, "provider": ALL, "prefecture_id": ALL,
                **dict.fromkeys(("bounced", "failed", "expired", "skipped", "unsure"), 0),
                "messages": sent, "sent": sent, "delivered": sent - lost * is_tracked,
                "no_receipt": lost * is_tracked, "tracked": sent * is_tracked,
                "confirmed": (sent - lost) * is_tracked,
                "missed": 2 if (ago, channel) == (_BAD_DAY, Channel.SMS) else 0,
                "seen_to_accepted": [half * slower, most * slower, 2 * most * slower],
                "seen_to_delivered": [half + 1, most + 2, 2 * most + 4], "updated_at": clock(),
            }  # fmt: skip


def _days_ago(days: int) -> date:
    return (clock() - days * _DAY).date()
