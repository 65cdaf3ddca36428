"""The list of booking pages that public sources name without their prefecture: configs/candidates.yaml."""

from functools import lru_cache
from typing import Annotated

from pydantic import PlainValidator

from configs.ground.strict_model import IsoDate, Strict
from configs.ground.strict_yaml import load_file
from configs.settings import PREFECTURES
from configs.world.booking_address import BookingAddress, parse_booking_address
from configs.world.desk import Text

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
