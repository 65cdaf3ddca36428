"""Candidates in the due queue: booking pages that no desk file has, visited by the steps of a probe.

The name of such an entry holds the page's address, so that a spider makes a desk of it without a table.
"""

from collections.abc import Collection
from datetime import date
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.models.candidate import Candidate, CandidateState
from configs.ground.addresses import resolve_stand_in
from configs.settings import settings
from configs.world.booking_address import parse_booking_address
from configs.world.booking_hosts import explain_unasked
from configs.world.desk import Desk, Grade, Procedure, WatchLevel, is_stand_in
from crawler.platforms import platform
from crawler.url_policy import AddressRefused, ensure_allowed

OPEN_PER_HOST = 5  # candidates of a host that are asked; the rest waits until an operator decided about one
_CANDIDATE = "candidate"  # begins the name of a candidate in the due queue; no prefecture's id


def is_candidate(name: str) -> bool:
    """Tell whether a name of the due queue is that of a candidate."""
    return name.startswith(f"{_CANDIDATE}/")


@lru_cache(maxsize=1024)
def find_candidate(name: str) -> Desk | None:
    """Return a candidate, by its name in the due queue, as a desk whose id that name is.

    None where its platform needs parameters, which no address tells.
    """
    address = parse_booking_address(name.removeprefix(f"{_CANDIDATE}/"))
    if address is None or address.platform is None:
        return None
    reader = platform(address.platform)
    try:
        reader.Parameters()
    except ValidationError:
        return None
    return Desk.model_construct(
        prefecture_id=_CANDIDATE, slug=address.url, label=_CANDIDATE, procedures=frozenset({Procedure.AUTRE}),
        platform=address.platform, url=address.url, grade=Grade.STALE, source=_CANDIDATE, date=date.min,
        watch=WatchLevel(reader.WATCH), interval=86400,
    )  # fmt: skip


def find_home(host: str) -> Desk | None:
    """Return a desk for what concerns a host alone on which no desk is, as its robots.txt."""
    scheme = "http" if is_stand_in(host) else "https"
    return find_candidate(f"{_CANDIDATE}/{scheme}://{host.removesuffix(':443')}/booking/create/0")


def find_asked(rows: Session, stopped: Collection[str]) -> dict[str, list[tuple[Desk, Candidate]]]:
    """Return the candidates that may be visited, by host, at most OPEN_PER_HOST of each: those of people first."""
    query = sa.select(Candidate).where(
        Candidate.state == CandidateState.OPEN, Candidate.platform.is_not(None)
    )
    order = (Candidate.host, Candidate.given_at.asc().nulls_last(), Candidate.first_seen_at, Candidate.id)
    found: dict[str, list[tuple[Desk, Candidate]]] = {}
    for host, there in groupby(rows.scalars(query.order_by(*order)), key=attrgetter("host")):
        if host not in stopped and explain_unasked(host) is None:
            asked = [(desk, each) for each in there if (desk := find_candidate(f"{_CANDIDATE}/{each.url}"))]
            found[host] = [pair for pair in asked[:OPEN_PER_HOST] if _may_be_asked_here(pair[0])]
    return {host: pairs for host, pairs in found.items() if pairs}


def _may_be_asked_here(desk: Desk) -> bool:
    try:
        ensure_allowed(resolve_stand_in(desk.url, settings().sandbox_hosts), settings())
    except AddressRefused:
        return False
    return True
