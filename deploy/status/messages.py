"""What was decided to be said, where it stands, and what the providers made of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from rich.text import Text

from api.models.notification import Notification, State
from api.models.slot import Detection
from api.models.user import Channel
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.parallel_probe import tables
from deploy.status.text import BAD, DIM, GOOD, ODD, first, join_pieces, line

_DAY = timedelta(days=1)
RECENT = timedelta(minutes=15)
_ON_THE_WAY = (State.PENDING, State.SENDING)
_LATE = 10.0  # seconds after which a message that waits shows that something is slow


@dataclass(frozen=True, slots=True)
class Dead:
    """Messages that failed for good, for one reason."""

    channel: Channel
    reason: str
    number: int
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class Messages:
    """Notifications of a day by state; those on the way and the dead letters whatever their age. Ages in seconds."""

    by_state: dict[str, int]
    on_the_way: int
    oldest_seconds: float | None
    unmatched: int
    oldest_unmatched_seconds: float | None
    dead: list[Dead]


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One channel in the last RECENT: messages taken and refused, and page read → taken in milliseconds."""

    channel: Channel
    accepted: int
    failed: int
    again: int
    median_ms: float | None
    newest_at: datetime | None


def read_messages() -> Messages:
    """Read the tables."""
    now = clock()
    n, number = Notification, sa.func.count()
    day = sa.select(n.state, number).where(n.created_at >= now - _DAY).group_by(n.state)
    waits = sa.select(number, sa.func.min(n.created_at)).where(n.state.in_(_ON_THE_WAY))
    unmatched = sa.select(number, sa.func.min(Detection.committed_at)).where(Detection.matched_at.is_(None))
    newest = sa.func.max(n.failed_at)
    dead = sa.select(n.channel, sa.func.coalesce(n.reason, ""), number, newest).where(n.state == State.FAILED)
    with tables() as s:
        on_the_way, oldest = s.execute(waits).one()
        detections, oldest_detection = s.execute(unmatched).one()
        rows: Any = s.execute(dead.group_by(n.channel, n.reason).order_by(newest.desc()))
        return Messages(
            by_state={state.value: found for state, found in s.execute(day)},
            on_the_way=on_the_way,
            oldest_seconds=_age(oldest, now),
            unmatched=detections,
            oldest_unmatched_seconds=_age(oldest_detection, now),
            dead=[Dead(*row) for row in rows],
        )


def _age(at: datetime | None, now: datetime) -> float | None:
    return round((now - at).total_seconds(), 3) if at else None


def read_providers() -> list[ProviderStatus]:
    """Read the ledger's last RECENT, a row for each channel."""
    n, since = Notification, clock() - RECENT
    took = sa.extract("epoch", n.accepted_at - n.seen_at) * 1000
    accepted, failed = n.accepted_at >= since, sa.and_(n.failed_at >= since, n.state == State.FAILED)
    lately = sa.select(
        n.channel,
        sa.func.count().filter(accepted),
        sa.func.count().filter(failed),
        sa.func.count().filter(n.attempts > 1),
        sa.func.percentile_cont(0.5).within_group(took),
        sa.func.max(n.accepted_at),
    ).where(sa.or_(accepted, failed))
    with tables() as s:
        found = {row[0]: row for row in s.execute(lately.group_by(n.channel))}
    return [_provider(channel, found.get(channel)) for channel in Channel]


def _provider(channel: Channel, row: Any) -> ProviderStatus:
    if row is None:
        return ProviderStatus(channel, 0, 0, 0, None, None)
    _, accepted, failed, again, median, newest = row
    return ProviderStatus(
        channel, accepted, failed, again, None if median is None else round(median, 1), newest
    )


def lines(part: Messages) -> list[Text]:
    """Say it."""
    states = [line(f"{found} {state}") for state in State if (found := part.by_state.get(state))]
    said = [line("in 24 h: ", join_pieces(states) if states else "none")]
    said.append(
        join_pieces(
            [
                _waits(part.on_the_way, "on the way", part.oldest_seconds),
                _waits(part.unmatched, "detections not matched", part.oldest_unmatched_seconds),
            ]
        )
    )
    letters = sum(each.number for each in part.dead)
    said.append(line((f"{letters} dead letters", BAD if letters else GOOD)))
    return said + first([_dead_line(each) for each in part.dead], "reasons")


def _waits(number: int, what: str, oldest: float | None) -> Text:
    said = line((f"{number} {what}", ODD if number else ""))
    if oldest is not None:
        said.append(
            f", the oldest {format_duration(timedelta(seconds=oldest))}", BAD if oldest > _LATE else ""
        )
    return said


def _dead_line(each: Dead) -> Text:
    ago = f"  the last {format_duration(clock() - each.newest_at)} ago"
    return line(f"  {each.number} {each.channel.value}: {each.reason}", (ago, DIM))


def provider_lines(part: list[ProviderStatus]) -> list[Text]:
    """Say it."""
    return [_provider_line(each) for each in part]


def _provider_line(each: ProviderStatus) -> Text:
    if not each.accepted and not each.failed:
        return line(f"{each.channel.value:<9}", (f"nothing in {format_duration(RECENT)}", DIM))
    refused = (f"{each.failed} failed", BAD) if each.failed else ("none failed", GOOD)
    said = line(f"{each.channel.value:<9}{each.accepted} accepted, ", refused)
    if each.again:
        said.append(f", {pluralize(each.again, 'message')} tried again", ODD)
    return said.append(f"; {each.median_ms:.0f} ms after the page (median)" if each.median_ms else "")
