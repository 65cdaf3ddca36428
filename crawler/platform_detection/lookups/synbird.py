"""Synbird: the company and its places by the name in the address, then the prestations there.

Source: public programs of 2022 and 2026, which name a company by its number. Two things are inferences: that its name
works too (`slug`, which they send as null), and that a page asks only the questions listed with a prestation.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from crawler.parsing.json_models import JsonModel, OrNone, as_from, origin, parse_json
from crawler.platform_detection.lookup_base import (
    IdChoice,
    KnownIds,
    LookupStep,
    PlatformLookup,
    only_page_asks,
)
from crawler.reading import Page, PageRequest

_API = "/v6/pro/company"
_CHOSEN = frozenset({"nbpers", "radio"})  # questions whose answer is one of their items


class _Place(JsonModel):
    id: int
    name: str = ""


class _Professional(JsonModel):
    id: int
    slug: str
    places: list[_Place]


class _Company(JsonModel):
    professional: _Professional


class _Item(JsonModel):
    id: int
    label: str
    duration: int = 0


class _Question(JsonModel):
    type: str
    name: str = ""
    items: OrNone[list[_Item]] = None


class _Prestation(JsonModel):
    id: int
    name: str
    questions: tuple[_Question, ...] = Field((), alias="additional_informations_start")


class _Activity(JsonModel):
    prestations: list[_Prestation]


class _Activities(JsonModel):
    activities: list[_Activity]


class _Widget(JsonModel):
    companies: list[_Activities]


class _Search(JsonModel):
    """The body that the page itself posts for its calendar."""

    id_professional_company: int
    id_professional_prestation: int
    id_professional_place: list[int]
    additional_informations_start: list[dict[str, Any]]
    number_slots: int = 1


def _ask_company(known: KnownIds) -> PageRequest:
    return _build_request(known, "get", {"id_professional_company": None, "slug": _slug(known.url)})


def _ask_prestations(known: KnownIds) -> PageRequest:
    return _build_request(known, "getWidget", {"id_professional_company": f"{known.told['company']}"})


def _build_request(known: KnownIds, what: str, body: dict[str, Any]) -> PageRequest:
    site = origin(known.url).replace("//app.", "//ws.")
    return PageRequest(f"{site}{_API}/{what}", method="POST", json=body, headers=as_from(known.url))


def _slug(url: str) -> str:
    return urlsplit(url).path.strip("/").split("/")[0]


def _company(page: Page) -> Iterator[IdChoice]:
    """Yield the company with all its places, if it is the company in the address."""
    company = parse_json(page, _Company)
    if not company or company.professional.slug != _slug(page.visit.url):
        return
    places = company.professional.places
    named = ", ".join(f"{each.id} is {each.name!r}" for each in places)
    remark = f"for some of its places only, shorten places: {named}" if len(places) > 1 else ""
    ids = [each.id for each in places]
    yield IdChoice("", {"company": company.professional.id, "places": ids}, remark)


def _prestations(page: Page) -> Iterator[IdChoice]:
    widget = parse_json(page, _Widget)
    for company in widget.companies if widget else ():
        for activity in company.activities:
            yield from map(_prestation, activity.prestations)


def _prestation(each: _Prestation) -> IdChoice:
    """Return a prestation; each question is answered by its first item, and a note has the others."""
    open_ones = [
        question for question in each.questions if question.type not in _CHOSEN or not question.items
    ]
    if open_ones:
        names = ", ".join(question.name or question.type for question in open_ones)
        return IdChoice(each.name, {"prestation": each.id}, lacks=f"answers: its page also asks: {names}")
    answers = [_answers(question) for question in each.questions]
    parameters: dict[str, Any] = {"prestation": each.id}
    if answers:
        parameters["answers"] = [first for first, *_ in answers]
    others = [json.dumps(other, ensure_ascii=False) for _, *rest in answers for other in rest]
    remark = "answers: the first to each question; instead of it could stand " + " or ".join(others)
    return IdChoice(each.name, parameters, remark if others else "")


def _answers(question: _Question) -> list[dict[str, Any]]:
    return [
        {"id": item.id, "type": question.type, "duration": item.duration, "breadcrumb": item.label}
        for item in question.items or ()
    ]


def _read_posted_body(page: Page) -> Iterator[IdChoice]:
    """Yield all ids from a saved request of the page itself."""
    if body := parse_json(page, _Search):
        told = {
            "company": body.id_professional_company,
            "prestation": body.id_professional_prestation,
            "places": body.id_professional_place,
            "answers": body.additional_informations_start,
            "people": body.number_slots,
        }
        yield IdChoice("", told)


class SynbirdLookup(PlatformLookup):
    """The ids of Synbird desks."""

    STEPS = (
        LookupStep("company", _ask_company, _company, own=True),
        LookupStep("prestation", _ask_prestations, _prestations, own=True),
        LookupStep("answers", only_page_asks, _read_posted_body, own=True),
    )
    BY_HAND = (
        "save the body that the page itself posts to …/company/getSlotsFor when its calendar shows (the browser's"
        " network tools) and say: scrapy detect URL --file BODY"
    )
