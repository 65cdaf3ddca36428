"""Candidates from the list of public sources, and from links that a walk met."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.candidate import Candidate, CandidateSource, describe_address
from configs.ground.text import truncate_line
from configs.world.booking_address import BookingAddress, cut_address, parse_booking_address
from configs.world.booking_hosts import find_owner
from configs.world.candidate_list import load_candidate_list
from configs.world.prefecture import desks, prefectures
from crawler.discovery.booking_links import Booking

_LONGEST = 300  # characters of a note


def add_listed(rows: Session, now: datetime) -> None:
    """Add the pages of configs/candidates.yaml that neither a desk file nor the table has."""
    known = {address.key for desk in desks().values() if (address := parse_booking_address(desk.url))}
    new = [
        _build(each.address, CandidateSource.LIST, now, each.prefecture)
        | {"note": "; ".join(filter(None, (f"{each.source}, {each.date}", each.note)))}
        for each in load_candidate_list()
        if each.address.key not in known
    ]
    if new:
        rows.execute(insert(Candidate).on_conflict_do_nothing(index_elements=["key"]), new)


def add_found(rows: Session, found: Iterable[tuple[str, Booking, list[str]]], now: datetime) -> None:
    """Add the booking pages that a walk met (prefecture, page, the pages that link it), or note them as seen again.

    An address of no platform's form is kept without its query: an operator says whose it is.
    """
    for place, booking, pages in found:
        address = parse_booking_address(booking.url) or cut_address(booking.url)
        if address is None:
            continue
        linked = {"linked_by": min(pages), "last_seen_at": now}
        values = _build(address, CandidateSource.DISCOVERY, now, place) | linked
        new = insert(Candidate).values(**values, note=truncate_line(booking.text, _LONGEST) or None)
        rows.execute(new.on_conflict_do_update(index_elements=["key"], set_=linked))


def _build(
    address: BookingAddress, source: CandidateSource, now: datetime, prefecture_id: str | None
) -> dict[str, Any]:
    place = find_owner(address.host) or prefecture_id
    return describe_address(address) | {
        "id": new_id(),
        "source": source,
        "prefecture_id": place if place in prefectures() else None,
        "first_seen_at": now,
        "last_seen_at": now,
    }
