"""Any page at all: a desk's YAML says by CSS or XPath what a free slot looks like there, and what no slot does."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from configs.desk import Text, Whole
from configs.strict import Strict
from crawler.astray import astray
from crawler.errors import error_of
from crawler.forms import address_of, asked
from crawler.markup import plain, rendered, visible
from crawler.moments import moment_of
from crawler.reading import ANYWHERE, Act, Ask, Covered, Outcome, Page, Place, Reading, Slot, Visit
from crawler.selecting import Match, Selector, found, one_text

SYSTEM = "custom"
EXAMPLE = "https://rendez-vous.example/creneaux"
EXAMPLE_PARAMETERS = {
    "available": "a.creneau-libre",
    "date": ".",
    "no_slot_text": "Aucun rendez-vous n'est disponible.",
}

_MOST_SLOTS = 1000


class Step(Strict):
    """What is done before slots show: the link, form, button or drop-down, its fields, the option chosen in it."""

    at: Selector
    fields: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    option: Text | None = None


class Parameters(Strict):
    """How one site looks. What belongs to a slot (date, time, place, link) is looked for from its element on.

    `ignore`: parts of the page whose dates are no slots (news, the next release), though no slot stands there.
    `wait`, in a browser: what shows once the page is ready, instead of a free slot or the rule for none.
    """

    available: Selector
    date: Selector | None = None
    time: Selector | None = None
    place: Selector | None = None
    link: Selector | None = None
    no_slot: Selector | None = None
    no_slot_text: Text | None = None
    ignore: Selector | None = None
    captcha: Selector | None = None
    banner: Selector | None = None
    steps: Annotated[tuple[Step, ...], Field(max_length=6)] = ()
    next_page: Selector | None = None
    pages: Annotated[Whole, Field(ge=1, le=20)] = 5
    wait: Selector | None = None

    @model_validator(mode="after")
    def _both_answers(self) -> "Parameters":
        if not (self.no_slot or self.no_slot_text):
            raise ValueError("name no_slot_text or no_slot: without a rule for it, no slots cannot be proven")
        if self.time and not self.date:
            raise ValueError("time is of no use without date")
        return self


class _Progress(NamedTuple):
    """How far a visit is: steps taken, the page of slots, whether the banner is done and a page before left doubts."""

    steps: int = 0
    page: int = 1
    banner: int = 0
    doubts: int = 0

    def __str__(self) -> str:
        return " ".join(map(str, self))


def first(visit: Visit) -> Ask:
    """Ask for the desk's page; in a browser, with all that is done there before slots show."""
    wanted: Parameters = visit.parameters
    if not visit.browser:
        return Ask(visit.url, str(_Progress()))
    done = _Progress(steps=len(wanted.steps), banner=1)
    return Ask(visit.url, str(done), acts=_acts(wanted), awaits=_marks(wanted))


def read(page: Page) -> Reading:
    """Do what is still to be done before the slots show, then read them."""
    wanted: Parameters = page.visit.parameters
    at = _Progress(*map(int, page.ask.step.split()))
    if error := error_of(page, entry=at == _Progress()):
        return error
    if wanted.captcha and found(page.root, wanted.captcha):
        return Reading(Outcome.CAPTCHA, f"its captcha's mark is there: {wanted.captcha}")
    return _undone(page, at) if page.undone else _onward(page, wanted, at)


def _onward(page: Page, wanted: Parameters, at: _Progress) -> Reading:
    if wanted.banner and not at.banner and (banner := found(page.root, wanted.banner)):
        return _done(page, banner[0], Step(at=wanted.banner), at._replace(banner=1))
    if at.steps < len(wanted.steps):
        return _step(page, wanted.steps[at.steps], at)
    return _slots(page, wanted, at)


def _acts(wanted: Parameters) -> tuple[Act, ...]:
    banner = (Act(wanted.banner, needed=False),) if wanted.banner else ()
    return banner + tuple(Act(step.at, step.fields, step.option) for step in wanted.steps)


def _marks(wanted: Parameters) -> tuple[str, ...]:
    text = wanted.no_slot_text and f"text={wanted.no_slot_text}"
    either = (wanted.available, wanted.no_slot, text, wanted.captcha)
    return (wanted.wait,) if wanted.wait else tuple(filter(None, either))


def _undone(page: Page, at: _Progress) -> Reading:
    """Say what kept the browser from where slots show."""
    if not page.stuck and at.page == 1 and (absence := _early(page)):
        return absence
    return Reading(
        Outcome.UNREADABLE, page.stuck or f"nothing is there to do: {page.ask.acts[-page.undone].at}"
    )


def _early(page: Page) -> Reading | None:
    """Return the absence of slots where the page says it before the last step."""
    said = _none(page)
    if said and not found(page.root, page.visit.parameters.available):
        return _nothing(page, said, doubts=False)
    return None


def _step(page: Page, step: Step, at: _Progress) -> Reading:
    here = found(page.root, step.at)
    if here:
        return _done(page, here[0], step, at._replace(steps=at.steps + 1))
    nothing = Reading(Outcome.UNREADABLE, f"step {at.steps + 1}: nothing is there to do: {step.at}")
    return _early(page) or nothing


def _done(page: Page, match: Match, step: Step, then: _Progress) -> Reading:
    ask = asked(page, match, Act(step.at, step.fields, step.option), str(then))
    if ask is None:
        what = f"cannot be done, or leads to another site: {step.at} {step.option or ''}"
        return Reading(Outcome.UNREADABLE, what.rstrip())
    return Reading(reason=f"{step.at}: {ask.method} {ask.url}", asks=(ask,))


def _slots(page: Page, wanted: Parameters, at: _Progress) -> Reading:
    free, said = found(page.root, wanted.available), _none(page)
    if free and said:
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots and says {said!r}")
    if len(free) > _MOST_SLOTS:
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots, which no page does")
    if not free and not said:
        return Reading()
    broken = b"<html" in page.lowered and b"</html" not in page.lowered  # the last slot may be half a slot
    slots = [_slot(page, each, wanted) for each in (free[:-1] if broken else free)]
    read = tuple(filter(None, slots))
    if free and not read:
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots, none of which can be read")
    timeless = any(slot.moment is None for slot in read)
    doubts = bool(at.doubts) or len(read) < len(free) or (not timeless and _astray(page, read))
    onward = _next(page, wanted, at._replace(page=at.page + 1, doubts=int(doubts)))
    if not free and not onward:
        return _nothing(page, said, doubts=doubts)
    covered = (Covered(),) if free and not (onward or doubts or timeless) else ()
    outcome = Outcome.SLOTS if free else None
    return Reading(outcome, f"{len(read)} of {len(free)} free slots read", read, covered, onward)


def _nothing(page: Page, said: str, *, doubts: bool) -> Reading:
    if doubts or _astray(page, ()):
        return Reading(Outcome.UNREADABLE, f"says {said!r} and names a moment: a slot, or one to `ignore`")
    return Reading(Outcome.NO_SLOTS, said, covered=(Covered(),))


def _none(page: Page) -> str:
    """Return the page's own word for no slots, empty where it does not say it."""
    wanted: Parameters = page.visit.parameters
    if wanted.no_slot and (marks := found(page.root, wanted.no_slot)):
        return (marks[0] if isinstance(marks[0], str) else visible(marks[0]))[:200] or wanted.no_slot
    sentence = plain(wanted.no_slot_text or "").casefold()
    return wanted.no_slot_text or "" if sentence and sentence in rendered(page.root).casefold() else ""


def _slot(page: Page, match: Match, wanted: Parameters) -> Slot | None:
    if isinstance(match, str):
        return None
    place, moment = ANYWHERE, None
    if wanted.place:
        name = one_text(match, wanted.place)
        if name is None:
            return None
        place = Place(name[:200], name[:200])
    if wanted.date:
        day = one_text(match, wanted.date)
        hour = one_text(match, wanted.time) or "" if wanted.time else None
        moment = moment_of(day or "", hour, page.visit.today, page.visit.zone)
        if moment is None:
            return None
    links = found(match, wanted.link) if wanted.link else [match]
    return Slot(place, moment, (address_of(page, links[0]) if links else None) or page.visit.url)


def _astray(page: Page, slots: Sequence[Slot]) -> bool:
    ignored = page.visit.parameters.ignore
    parts = found(page.root, ignored) if ignored else []
    return astray(page, slots, [each for each in parts if not isinstance(each, str)])


def _next(page: Page, wanted: Parameters, then: _Progress) -> tuple[Ask, ...]:
    if not wanted.next_page or then.page > wanted.pages or not (links := found(page.root, wanted.next_page)):
        return ()
    url, awaits = address_of(page, links[0]), _marks(wanted) if page.visit.browser else ()
    if url and url != page.url:
        return (Ask(url, str(then), rank=then.page, awaits=awaits),)
    if not page.visit.browser or isinstance(links[0], str):
        return ()
    acts = (*_acts(wanted), *[Act(wanted.next_page)] * (then.page - 1))
    return (Ask(page.visit.url, str(then), rank=then.page, acts=acts, awaits=awaits),)
