"""The public ledger as a page: how well we kept our word in thirty days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Self

from flask import render_template
from flask_babel import LazyString, lazy_gettext
from markupsafe import Markup

from api.cache import answer_cache
from api.figures.schemas import ChannelDelivery
from api.middleware.languages import find_linked_language, read_language
from api.middleware.public_answers import read_cached
from api.models.desk import OutageReason
from api.models.payment import CreditForm
from api.models.user import Channel
from api.pages.area import Access, Area
from api.pages.words import CHANNEL_NAMES
from api.reliability.queries import CACHE_KEY, ChannelDay, OutageEntry, Reliability, read_reliability
from configs.world.prefecture import desks, prefectures

_l = lazy_gettext
REASON_NAMES: dict[OutageReason, LazyString] = {
    OutageReason.CAPTCHA: _l("La page demande un captcha"),
    OutageReason.BLOCKED: _l("Le site nous refuse"),
    OutageReason.RATE_LIMITED: _l("Le site limite les visites"),
    OutageReason.MAINTENANCE: _l("Le site est en maintenance"),
    OutageReason.CLOSED: _l("La page est fermée"),
    OutageReason.UNREACHABLE: _l("Le site ne répond pas"),
    OutageReason.UNREADABLE: _l("La page a changé, nous ne la lisons plus"),
    OutageReason.STOPPED: _l("Arrêté par nous"),
}
FORM_NAMES: dict[CreditForm, LazyString] = {
    CreditForm.TIME: _l("Formules prolongées"),
    CreditForm.INVOICE: _l("Déduit de la facture suivante"),
    CreditForm.REFUND: _l("Remboursé"),
}
_DAY = timedelta(days=1)
_WIDTH, _GAP, _HEIGHT = 16, 4, 100  # of a day's bars, in the units of the drawing
_SHOWN = 30  # outages
_KEPT_FOR = 60.0  # seconds: it speaks of days that are over
area = Area("ledger", __name__)


@dataclass(frozen=True, slots=True)
class ChannelBars:
    """The days of one channel as a drawing: bars from the bottom, the oldest day first."""

    channel: Channel
    width: int
    half: str  # path of the bars of p50
    most: str  # path of the bars of p95
    failed: str  # path of the marks above days on which an alert failed
    top_seconds: float  # shown by the full height


@dataclass(frozen=True, slots=True)
class ChannelArrivals:
    """How the alerts of one channel arrived in all these days. Seconds and the rate are None where nothing says so."""

    channel: Channel
    sent: int
    half_seconds: float | None  # within which half of the alerts of a usual day had arrived
    most_seconds: float | None  # the same of 95 %
    rate: float | None  # of the messages whose provider confirms arrivals
    no_receipt: int | None  # without a confirmation in time; None where none is ever sent

    @classmethod
    def build(cls, channel: Channel, days: Sequence[ChannelDelivery]) -> Self:
        """Return the days of one channel together."""
        times = [each.seen_to_delivered for each in days if each.seen_to_delivered]
        tracked = sum(each.tracked for each in days)
        return cls(
            channel=channel,
            sent=sum(each.sent for each in days),
            half_seconds=_find_usual([each.p50 for each in times]),
            most_seconds=_find_usual([each.p95 for each in times]),
            rate=sum(each.confirmed for each in days) / tracked if tracked else None,
            no_receipt=sum(each.no_receipt for each in days) if tracked else None,
        )


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """An outage or a hold, and the place and the desk that it is of."""

    entry: OutageEntry
    place: str
    desk: str
    zone: str


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The ledger, and the summary above it. Seconds are None where too few alerts were sent."""

    found: Reliability
    accepted: int
    failed: int
    half_seconds: float | None  # within which half of the alerts of a usual day were accepted
    most_seconds: float | None  # the same of 95 %
    kept: int  # prefectures where the promised interval was kept
    rated: int  # prefectures with a ratio
    outage_seconds: int  # of all desks together
    charts: list[ChannelBars]
    arrivals: list[ChannelArrivals]
    failures: list[ChannelDay]  # days on which an alert failed
    outages: list[NamedEntry]  # the newest

    @classmethod
    def build(cls, found: Reliability) -> Self:
        """Return what is shown of a ledger."""
        told = [each for each in found.deliveries if each.p50_seconds is not None]
        ratios = [each.ratio for each in found.intervals if each.ratio is not None]
        return cls(
            found=found,
            accepted=sum(each.accepted for each in found.deliveries),
            failed=sum(each.failed for each in found.deliveries),
            half_seconds=_find_usual([each.p50_seconds for each in told]),
            most_seconds=_find_usual([each.p95_seconds for each in told]),
            kept=sum(ratio <= 1 for ratio in ratios),
            rated=len(ratios),
            outage_seconds=sum(each.seconds for each in found.outages_by_reason),
            charts=[_draw(found, channel) for channel in Channel if _list_days(found, channel)],
            arrivals=_list_arrivals(found.arrivals),
            failures=[each for each in found.deliveries if each.failed],
            outages=[_name_entry(each) for each in found.outages[:_SHOWN]],
        )


def _list_arrivals(days: Sequence[ChannelDelivery]) -> list[ChannelArrivals]:
    found = [
        ChannelArrivals.build(channel, [each for each in days if each.channel is channel])
        for channel in Channel
    ]
    return [each for each in found if each.sent]


def _find_usual(seconds: Sequence[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return median(known) if known else None


def _list_days(found: Reliability, channel: Channel) -> dict[date, ChannelDay]:
    return {each.day: each for each in found.deliveries if each.channel is channel}


def _draw(found: Reliability, channel: Channel) -> ChannelBars:
    days, number = _list_days(found, channel), (found.ends_on - found.begins_on).days + 1
    top = max((each.p95_seconds or 0 for each in days.values()), default=0) or 1
    half, most, failed = [], [], []
    for place in range(number):
        each = days.get(found.begins_on + place * _DAY)
        if each is None:
            continue
        at = place * (_WIDTH + _GAP)
        if each.failed:
            failed.append(f"M{at} -12h{_WIDTH}v8h-{_WIDTH}z")
        half.append(_draw_bar(at, each.p50_seconds, top))
        most.append(_draw_bar(at, each.p95_seconds, top))
    return ChannelBars(
        channel, number * (_WIDTH + _GAP) - _GAP, "".join(half), "".join(most), "".join(failed), top
    )


def _draw_bar(at: int, seconds: float | None, top: float) -> str:
    if seconds is None:
        return ""
    high = max(1.0, round(seconds / top * _HEIGHT, 1))
    return f"M{at} {_HEIGHT}h{_WIDTH}v-{high:g}h-{_WIDTH}z"


def _name_entry(entry: OutageEntry) -> NamedEntry:
    """Return an outage with its names; a desk that the files no longer have goes by its id."""
    place, desk = prefectures().get(entry.prefecture_id), desks().get(entry.desk_id)
    return NamedEntry(
        entry,
        f"{place.department} – {place.name}" if place else entry.prefecture_id,
        desk.label if desk else entry.desk_id,
        place.time_zone if place else "Europe/Paris",
    )


@area.page("/fiabilite", Access.PUBLIC)
def show_ledger() -> str:
    """Show the ledger: plain words first, then the tables.

    Its main part is written once for all, since its many rows take long. What stands around it repeats what this
    request's address says, which concerns nobody else.
    """
    key = f"page:ledger:{read_language()}:{find_linked_language()}"
    main = answer_cache().get(key, _render_main, _KEPT_FOR).body.decode()
    return render_template("ledger/ledger.html", main=Markup(main))  # noqa: S704 -- rendered by _render_main


def _render_main() -> bytes:
    view = LedgerView.build(read_cached(Reliability, CACHE_KEY, read_reliability))
    page = render_template(
        "ledger/_main.html",
        view=view,
        found=view.found,
        channels=CHANNEL_NAMES,
        reasons=REASON_NAMES,
        forms=FORM_NAMES,
    )
    return page.encode()
