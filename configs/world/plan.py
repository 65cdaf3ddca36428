"""The plans that are sold, as plans.yaml says."""

from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import FILLED, ConfigFileError, Document, check, read_document
from configs.world.desk import Whole

PLANS = Path(__file__).parent / "plans.yaml"

Channel = Literal["email", "push", "sms", "telegram", "voice"]
Positive = Annotated[Whole, Field(ge=1)]


class PlanFileError(ConfigFileError):
    """plans.yaml is wrong; the text has a line for each problem: file, key, what to do."""


# The OpenAPI document shows this docstring: a change of it changes the document.
class PlanName(StrEnum):
    """What a user can hold; NONE is nobody's purchase."""

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
    `interval_seconds` is the best we promise; `channels` bind slot alerts only.
    """

    name: Annotated[PlanName, FILLED]
    price_cents: Annotated[Whole, Field(ge=0)]
    currency: Literal["eur"]
    duration_seconds: Positive | None
    recurring: Annotated[bool, Field(strict=True)]
    alerts: Annotated[Whole, Field(ge=0)] | None
    interval_seconds: Positive | None
    channels: frozenset[Channel]

    @model_validator(mode="after")
    def _coherent(self) -> "Plan":
        sold = self.name is not PlanName.NONE
        if sold and self.recurring is (self.duration_seconds is not None):
            raise ValueError("a plan either recurs or has duration_seconds: write one of them")
        if sold and not (self.price_cents and self.interval_seconds and self.channels and self.alerts != 0):
            raise ValueError("a plan that is sold has a price, an interval, channels and alerts")
        return self


def load_plans(path: Path) -> dict[PlanName, Plan]:
    """Read the plans.

    Raises:
        PlanFileError: names the file and everything that is wrong in it.
    """
    document = read_document(path)
    found = _plans(document) if document.data is not None else {}
    if document.problems:
        raise PlanFileError(document.problems)
    return found


def _plans(document: Document) -> dict[PlanName, Plan]:
    names = [name.value for name in PlanName]
    for strange in sorted(set(document.data) - set(names)):
        document.refuse((strange,), f"is no plan; plans: {', '.join(names)}")
    for missing in (name for name in names if name not in document.data):
        document.refuse((missing,), "is missing: add it")
    plans = {name: _plan(document, name) for name in PlanName if name in document.data}
    return {name: plan for name, plan in plans.items() if plan}


def _plan(document: Document, name: PlanName) -> Plan | None:
    data = document.data[name]
    if not isinstance(data, dict):
        document.refuse((name,), "must be a mapping of keys")
        return None
    if "name" in data:
        document.refuse((name, "name"), "comes from the key above: remove it")
    return check(document, Plan, data | {"name": name}, within=(name,))


@lru_cache(maxsize=1)
def plans() -> dict[PlanName, Plan]:
    """Return the plans by name, read at the first call."""
    return load_plans(PLANS)


def plan(name: PlanName | str) -> Plan:
    """Return one plan.

    Raises:
        ValueError: no plan has that name.
    """
    return plans()[PlanName(name)]
