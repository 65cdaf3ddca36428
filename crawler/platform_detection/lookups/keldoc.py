"""Keldoc: the clinic of an address and its specialties, their cabinets, the motives of each (answers of 2021).

The answers with the clinic and the motives are recorded. For the answer with the cabinets only `id` is known, from a
public program; a name is read if there is one.
"""

from collections.abc import Iterator
from urllib.parse import urlencode

from crawler.parsing.json_models import ACCEPT, JsonModel, origin, parse_json
from crawler.parsing.url_patterns import KIND_TOWN_NAME
from crawler.platform_detection.lookup_base import IdChoice, KnownIds, LookupStep, PlatformLookup
from crawler.reading import Page, PageRequest

_API = "/api/patients/v2"


class _Named(JsonModel):
    id: int
    name: str = ""


class _Clinic(JsonModel):
    id: int
    cabinets: list[_Named]
    specialties: list[_Named]


class _Agenda(JsonModel):
    id: int


class _Motive(JsonModel):
    id: int
    name: str
    agendas: list[_Agenda]


class _Category(JsonModel):
    motive_category_id: int
    motives: list[_Motive]


def _ask_clinic(known: KnownIds) -> PageRequest | None:
    if not (found := KIND_TOWN_NAME.match(known.url)):
        return None
    kind, town = found[0].split("/")[3:5]
    asked = urlencode({"type": kind, "location": town, "slug": found["name"]})
    return _build_request(known, f"searches/resource?{asked}")


def _ask_cabinets(known: KnownIds) -> PageRequest:
    return _build_request(
        known,
        f"clinics/{known.told['clinic']}/specialties/{known.told['specialty']}/cabinets",
    )


def _ask_motives(known: KnownIds) -> PageRequest:
    where = "clinics/{clinic}/specialties/{specialty}/cabinets/{cabinet}".format(**known.told)
    return _build_request(known, f"{where}/motive_categories")


def _build_request(known: KnownIds, what: str) -> PageRequest:
    """Return a request to the booking host, which is not the page's host."""
    return PageRequest(f"{origin(known.url).replace('//www.', '//booking.')}{_API}/{what}", headers=ACCEPT)


def _specialties(page: Page) -> Iterator[IdChoice]:
    if clinic := parse_json(page, _Clinic):
        for each in clinic.specialties:
            yield IdChoice(each.name, {"clinic": clinic.id, "specialty": each.id})


def _cabinets(page: Page) -> Iterator[IdChoice]:
    for each in parse_json(page, list[_Named]) or []:
        yield IdChoice(each.name, {"cabinet": each.id})


def _motives(page: Page) -> Iterator[IdChoice]:
    """Yield the motives with an agenda: the others have no timetable."""
    for category in parse_json(page, list[_Category]) or []:
        for each in category.motives:
            if each.agendas:
                yield IdChoice(each.name, {"motive": each.id})


class KeldocLookup(PlatformLookup):
    """The ids of Keldoc desks."""

    STEPS = (
        LookupStep("clinic", _ask_clinic, _specialties, own=True),
        LookupStep("cabinet", _ask_cabinets, _cabinets),
        LookupStep("motive", _ask_motives, _motives, own=True),
    )
    BY_HAND = (
        "they stand in what the page itself asks for, up to its calendar:"
        " …/clinics/<clinic>/specialties/<specialty>/cabinets/<cabinet>/motive_categories and …/timetables/<motive>"
    )
