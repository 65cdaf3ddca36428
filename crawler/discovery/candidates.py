"""Candidates from the list of public sources (configs/candidates.yaml), and from links that a walk met."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Annotated

from pydantic import PlainValidator
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.candidate import Candidate, CandidateSource, build_columns
from configs.ground.strict_model import IsoDate, Strict
from configs.ground.strict_yaml import load_file
from configs.ground.text import truncate_line
from configs.settings.groups import PREFECTURES
from configs.world.booking_address import BookingAddress, cut_address, parse_booking_address
from configs.world.booking_hosts import find_desk_at
from configs.world.desk import Text
from crawler.discovery.booking_links import Booking

_LONGEST = 300  # characters of a note
_FILE = PREFECTURES.parent / "candidates.yaml"


def _read_address(text: object) -> BookingAddress:
    if found := parse_booking_address(str(text)):
        return found
    raise ValueError("has the form of no platform's address (configs/world/booking_address.py)")


class ListedPage(Strict):
    """A page, who names it and when; `prefecture`: whose it probably is."""

    address: Annotated[BookingAddress, PlainValidator(_read_address)]
    date: IsoDate
    source: Text
    note: Text | None = None
    prefecture: Text | None = None


class _CandidateList(Strict):
    pages: tuple[ListedPage, ...]


@lru_cache(maxsize=1)
def load_candidate_list() -> tuple[ListedPage, ...]:
    """Return the pages of the list.

    Raises:
        configs.ground.strict_yaml.ConfigFileError: names everything that is wrong in it.
    """
    return load_file(_FILE, _CandidateList).pages


def add_listed(rows: Session, now: datetime) -> None:
    """Add the pages of configs/candidates.yaml that neither a desk file nor the table has."""
    new = [
        build_columns(each.address, CandidateSource.LIST, now, each.prefecture)
        | {"note": "; ".join(filter(None, (f"{each.source}, {each.date}", each.note)))}
        for each in load_candidate_list()
        if find_desk_at(each.address) is None
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
        values = build_columns(address, CandidateSource.DISCOVERY, now, place)
        new = insert(Candidate).values(**values | linked, note=truncate_line(booking.text, _LONGEST) or None)
        rows.execute(new.on_conflict_do_update(index_elements=["key"], set_=linked))
