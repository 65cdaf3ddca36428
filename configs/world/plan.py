"""The plans that are sold, and what organisations pay, as plans.yaml says."""

from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.ground.strict_model import IsoDate, Strict
from configs.ground.strict_yaml import ConfigFileError, check, read_document
from configs.settings import settings
from configs.world.desk import Whole

PLANS = Path(__file__).parent / "plans.yaml"

Channel = Literal["email", "push", "sms", "telegram", "voice"]
Positive = Annotated[Whole, Field(ge=1)]


# The OpenAPI document shows this docstring: a change of it changes the document.
class PlanName(StrEnum):
    """What a user can hold; NONE is never bought."""

    NONE = "NONE"
    URGENCE_24H = "URGENCE_24H"
    URGENCE_7J = "URGENCE_7J"
    URGENCE_TOTAL = "URGENCE_TOTAL"


@cache
def rank_plan(name: PlanName | str) -> int:
    """Return a plan's place among them, the cheapest first."""
    return list(PlanName).index(PlanName(name))


def name_plan(name: PlanName) -> str:
    """Return a plan's name as terms, quotes, mails and Stripe's pages have it, in every language: `URGENCE 7J`."""
    return name.value.replace("_", " ")


class Plan(Strict):
    """One plan. Price in cents, times in seconds.

    `duration_seconds` is None where a subscription decides; `alerts` None means no fixed number (fair use);
    `interval_seconds` is the best we promise; `channels` bind slot alerts only. `friend_days`: what a friend's order
    gives who bought or holds it, and for how many friends in a year it does so.
    """

    name: PlanName
    price_cents: Annotated[Whole, Field(ge=0)]
    currency: Literal["eur"]
    duration_seconds: Positive | None
    recurring: Annotated[bool, Field(strict=True)]
    alerts: Annotated[Whole, Field(ge=0)] | None
    interval_seconds: Positive | None
    channels: frozenset[Channel]
    friend_days: Annotated[Whole, Field(ge=0)] = 0
    friends_a_year: Annotated[Whole, Field(ge=0)] = 0


def plans() -> dict[PlanName, Plan]:
    """Return the plans by name, read at the first call.

    Raises:
        ConfigFileError: plans.yaml is wrong.
    """
    return _read_plans(settings().plans_file or PLANS)


@lru_cache(maxsize=2)
def _read_plans(path: Path) -> dict[PlanName, Plan]:
    document = read_document(path)
    entries = document.data or {}
    read = (
        check(document, Plan, {**(entries.get(name) or {}), "name": name}, within=(name,))
        for name in PlanName
    )
    found = {each.name: each for each in read if each}
    if document.problems:
        raise ConfigFileError(document.problems)
    return found


def plan(name: PlanName | str) -> Plan:
    """Return one plan.

    Raises:
        ValueError: no plan has that name.
    """
    return plans()[PlanName(name)]


class PriceStep(Strict):
    """A lower price of each further day, above so many days of all people together in a month."""

    above_days: Positive
    day_cents: Positive


class OrganisationPrices(Strict):
    """What organisations pay for months that begin from a day on, in cents without tax.

    `day_cents` is for 24 watched hours of one person; `floor_cents` the least that a month with any use costs.
    """

    since: IsoDate
    day_cents: Positive
    floor_cents: Annotated[Whole, Field(ge=0)] = 0
    steps: tuple[PriceStep, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since.day != 1:
            raise ValueError("since: write the first day of a month")
        falling = [(0, self.day_cents), *((each.above_days, each.day_cents) for each in self.steps)]
        if any(a >= c or b <= d for (a, b), (c, d) in pairwise(falling)):
            raise ValueError("steps: more days, and a lower price, in each one than in the one before")
        return self


def organisation_prices() -> tuple[OrganisationPrices, ...]:
    """Return the prices of organisations, the newest first; none where they have grants alone.

    Raises:
        ConfigFileError: plans.yaml is wrong.
    """
    return _read_prices(settings().plans_file or PLANS)


@lru_cache(maxsize=2)
def _read_prices(path: Path) -> tuple[OrganisationPrices, ...]:
    document = read_document(path)
    entries = (document.data or {}).get("organisations") or ()
    read = [
        check(document, OrganisationPrices, each, within=("organisations", at))
        for at, each in enumerate(entries)
    ]
    found = {each.since: each for each in read if each}
    if len(found) < len(entries) and not document.problems:
        document.refuse(("organisations",), "two prices begin on the same day: leave one")
    if document.problems:
        raise ConfigFileError(document.problems)
    return tuple(found[since] for since in sorted(found, reverse=True))


def find_organisation_prices(day: date) -> OrganisationPrices | None:
    """Return the prices of the month that has this day; None where organisations pay nothing then."""
    return next((each for each in organisation_prices() if each.since <= day.replace(day=1)), None)
