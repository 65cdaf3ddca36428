"""The canary: a sister page of a desk, known to answer, which tells a page's own trouble from its host's.

A site that bans softly says nothing of it: it hangs, or answers everything alike with a page that no rule knows.
"""

from dataclasses import dataclass, replace

from configs.desk import Desk
from crawler.fetching.allowance import Spent
from crawler.fetching.failures import NoPage
from crawler.fetching.fetch import Session, gap
from crawler.pace import COUNTED, counts
from crawler.platforms import platform
from crawler.reading import Outcome, Reading, Visit
from crawler.scheduling.schedule import captcha_expected
from crawler.walls import interpret

SHARE = 0.25  # of the deadline: a page that hangs leaves its canary the time to answer


@dataclass(frozen=True, slots=True)
class Canary:
    """What a desk's canary said when the desk itself could not be read. `outcome` None: it led on, as it should."""

    outcome: Outcome | None
    reason: str

    @property
    def silent(self) -> bool:
        """Whether it could not be read either. A site that says that it is busy or closed for work is no silent one."""
        return self.outcome in COUNTED


def spare(desk: Desk, session: Session) -> None:
    """Keep a part of the deadline for the desk's canary, where it has one."""
    if desk.canary:
        session.clock.reserved = session.clock.deadline * SHARE


async def heard(desk: Desk, seen: Visit, outcome: Outcome, session: Session) -> Canary | None:
    """Ask the desk's canary, once, if this outcome counts towards the pause; it is paid for like any other request.

    None: there was no reason to, or nothing can be said: no request was left, or our own way failed. A host that has
    just refused us is not asked again, and of a host that the visit went on at the canary knows nothing.
    """
    session.clock.reserved = 0
    if not (desk.canary and _suspect(desk, outcome, session)):
        return None
    try:
        reading = await _read(desk, replace(seen, url=desk.canary), session)
    except Spent:
        return None
    return None if session.astray else Canary(reading.outcome, reading.reason or "it leads on")


def _suspect(desk: Desk, outcome: Outcome, session: Session) -> bool:
    counted = counts(outcome, captcha_expected=captcha_expected(desk)) and outcome is not Outcome.BLOCKED
    return counted and not (session.astray or session.handed_to)


async def _read(desk: Desk, there: Visit, session: Session) -> Reading:
    chosen = platform(desk.platform)
    await session.clock.pause(gap())
    try:
        page = await session.fetch(chosen.first(there), there, chosen.forbidden)
    except NoPage as failure:
        return failure.reading
    return interpret(chosen, page)
