"""The public ledger as a page: how well we kept our word in thirty days."""

from collections.abc import Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any

from flask import render_template
from flask_babel import LazyString, lazy_gettext
from markupsafe import Markup

from api.ground.cache import answer_cache
from api.models.desk import OutageReason
from api.models.payment import CreditForm
from api.models.user import Channel
from api.pages.area import Access, Area
from api.pages.words import CHANNEL_NAMES
from api.prefectures.reliability import CACHE_KEY, ChannelDay, OutageEntry, Reliability, read_reliability
from api.prefectures.schemas import ChannelDelivery
from api.web.languages import find_linked_language, read_language
from api.web.public_answers import read_cached
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
    CreditForm.TIME: _l("Offres prolongées"),
    CreditForm.INVOICE: _l("Déduit de la facture suivante"),
    CreditForm.REFUND: _l("Remboursé"),
}
_DAY = timedelta(days=1)
_WIDTH, _GAP, _HEIGHT = 16, 4, 100  # of a day's bars, in the units of the drawing
_SHOWN = 30  # outages
_KEPT_FOR = 60.0  # seconds: it speaks of days that are over
area = Area("ledger", __name__)


def _build_view(found: Reliability) -> dict[str, Any]:
    """Return the ledger and the summary above it. Seconds are None where too few alerts were sent."""
    told = [each for each in found.deliveries if each.p50_seconds is not None]
    ratios = [each.ratio for each in found.intervals if each.ratio is not None]
    arrivals = [_sum_arrivals(found.arrivals, channel) for channel in Channel]
    return {
        "accepted": sum(each.accepted for each in found.deliveries),
        "failed": sum(each.failed for each in found.deliveries),
        # Within which half of the alerts of a usual day were accepted, and 95 %
        "half_seconds": _find_usual([each.p50_seconds for each in told]),
        "most_seconds": _find_usual([each.p95_seconds for each in told]),
        "kept": sum(ratio <= 1 for ratio in ratios),  # prefectures where the promised interval was kept
        "rated": len(ratios),  # prefectures with a ratio
        "outage_seconds": sum(each.seconds for each in found.outages_by_reason),  # of all desks together
        "charts": [_draw(found, channel) for channel in Channel if _list_days(found, channel)],
        "arrivals": [each for each in arrivals if each["sent"]],
        "failures": [each for each in found.deliveries if each.failed],  # days on which an alert failed
        "outages": [_name_entry(each) for each in found.outages[:_SHOWN]],  # the newest
    }


def _sum_arrivals(all_days: Sequence[ChannelDelivery], channel: Channel) -> dict[str, Any]:
    """Return how the alerts of one channel arrived in all these days."""
    days = [each for each in all_days if each.channel is channel]
    times = [each.seen_to_delivered for each in days if each.seen_to_delivered]
    tracked = sum(each.tracked for each in days)
    return {
        "channel": channel,
        "sent": sum(each.sent for each in days),
        # Within which half of the alerts of a usual day had arrived, and 95 %; None where nothing says so
        "half_seconds": _find_usual([each.p50 for each in times]),
        "most_seconds": _find_usual([each.p95 for each in times]),
        # Of the messages whose provider confirms arrivals
        "rate": sum(each.confirmed for each in days) / tracked if tracked else None,
        # Without a confirmation in time; None where none is ever sent
        "no_receipt": sum(each.no_receipt for each in days) if tracked else None,
    }


def _find_usual(seconds: Sequence[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return median(known) if known else None


def _list_days(found: Reliability, channel: Channel) -> dict[date, ChannelDay]:
    return {each.day: each for each in found.deliveries if each.channel is channel}


def _draw(found: Reliability, channel: Channel) -> dict[str, Any]:
    """Return the days of one channel as a drawing: bars from the bottom, the oldest day first."""
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
    return {
        "channel": channel,
        "width": number * (_WIDTH + _GAP) - _GAP,
        "half": "".join(half),  # path of the bars of p50
        "most": "".join(most),  # path of the bars of p95
        "failed": "".join(failed),  # path of the marks above days on which an alert failed
        "top_seconds": top,  # shown by the full height
    }


def _draw_bar(at: int, seconds: float | None, top: float) -> str:
    if seconds is None:
        return ""
    high = max(1.0, round(seconds / top * _HEIGHT, 1))
    return f"M{at} {_HEIGHT}h{_WIDTH}v-{high:g}h-{_WIDTH}z"


def _name_entry(entry: OutageEntry) -> dict[str, Any]:
    """Return an outage with its names; a desk that the files no longer have goes by its id."""
    place, desk = prefectures().get(entry.prefecture_id), desks().get(entry.desk_id)
    return {
        "entry": entry,
        "place": f"{place.department} – {place.name}" if place else entry.prefecture_id,
        "desk": desk.label if desk else entry.desk_id,
        "zone": place.time_zone if place else "Europe/Paris",
    }


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
    found = read_cached(Reliability, CACHE_KEY, read_reliability)
    page = render_template(
        "ledger/_main.html",
        view=_build_view(found),
        found=found,
        channels=CHANNEL_NAMES,
        reasons=REASON_NAMES,
        forms=FORM_NAMES,
    )
    return page.encode()
