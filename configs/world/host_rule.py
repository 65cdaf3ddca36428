"""Rules of one web host, set by an operator: its budget, the user agent, whether it may be asked at all.

A host that one prefecture has alone is ruled in that prefecture's file, one that several share in hosts.yaml.
"""

import datetime as dt
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from configs.ground.strict_model import IsoDate, Strict
from configs.ground.strict_yaml import ConfigFileError, Document, check, read_document
from configs.world.desk import Text, Whole, is_stand_in

_HOST = re.compile(r"[^A-Z]+:[0-9]+")
BUSIEST = 60  # requests a minute to a real host: twice what the most generous platform allows


class Agent(StrEnum):
    """Who we say we are: a browser of the pool (user_agents.yaml), or ourselves with an address to write to."""

    BROWSER = "browser"
    HONEST = "honest"


class Decision(StrEnum):
    """What a person found in a host's robots.txt and terms; `undecided`: it is not asked until somebody has looked."""

    UNREAD = "unread"
    UNDECIDED = "undecided"
    ALLOWED = "allowed"
    REFUSED = "refused"


_REFUSALS = {
    Decision.UNDECIDED: "its host is not asked before an operator has decided",
    Decision.REFUSED: "its host's robots.txt or terms refuse it",
}


class Robots(Strict):
    """The decision about robots.txt and terms, the day on which it was taken, and what it rests on."""

    decision: Decision
    date: IsoDate
    reason: Text


class HostRule(Strict):
    """One host's. `budget`: requests a minute, None for its platform's; `reason`: why that differs.

    `stealth`: a browser that opens its pages does not say that it is driven by a program; of no effect where `agent` is
    honest.
    """

    budget: Annotated[Whole, Field(ge=1, le=60_000)] | None = None
    reason: Annotated[Text | None, Field(validate_default=True)] = None
    agent: Agent = Agent.BROWSER
    stealth: Annotated[bool, Field(strict=True)] = False
    robots: Robots | None = None

    @field_validator("reason")
    @classmethod
    def _explained(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("budget") is not None and not reason:
            raise ValueError("is missing: say why the budget differs")
        return reason

    @property
    def refusal(self) -> str | None:
        """Return why the host is not asked at all; None where it may be."""
        if self.robots is None or self.robots.decision not in _REFUSALS:
            return None
        return f"{_REFUSALS[self.robots.decision]} ({self.robots.date}): {self.robots.reason}"

    @property
    def is_undecided(self) -> bool:
        """Whether a person is to decide before it is asked for anything but its robots.txt."""
        return self.robots is not None and self.robots.decision is Decision.UNDECIDED

    def allows_after(self, day: dt.date) -> bool:
        """Return whether a person allowed the host on a later day than this."""
        return self.robots is not None and self.robots.decision is Decision.ALLOWED and self.robots.date > day


def load_hosts(path: Path) -> dict[str, HostRule]:
    """Read the rules of hosts that several prefectures share, by `name:port`.

    Raises:
        ConfigFileError: names everything that is wrong.
    """
    document, found = read_document(path), dict[str, HostRule]()
    for host, data in (document.data or {}).items():
        if not _HOST.fullmatch(host):
            document.refuse(
                (host,), "is no host: write its name in lower case and its port, www.example.fr:443"
            )
        elif rule := check(document, HostRule, data, within=(host,)):
            refuse_hasty(document, (host,), host, rule)
            found[host] = rule
    if document.problems:
        raise ConfigFileError(document.problems)
    return found


def refuse_hasty(document: Document, where: tuple[str, ...], host: str, rule: HostRule) -> None:
    """Note a budget that no real site is asked with."""
    if rule.budget is not None and rule.budget > BUSIEST and not is_stand_in(host):
        document.refuse((*where, "budget"), f"a real site is asked at most {BUSIEST} times a minute")
