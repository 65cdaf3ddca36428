"""Catalogue of desks for the crawler: each has a platform that exists and parameters that it accepts.

Arguments of spiders choose among them; an unknown name is answered with those that exist.

Spiders and commands check all desk files when they start (`make lint` by `scrapy desks`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from configs.ground.strict_yaml import ConfigFileError, explain_problem
from configs.ground.text import list_names, suggest_names
from configs.settings import settings
from configs.world.desk import Desk, Fetch, Procedure, WatchLevel
from configs.world.prefecture import desks, prefecture
from crawler.platforms import UnknownPlatform, platform, platforms
from crawler.visit_state import visit_of


def check_catalogue() -> None:
    """Check every desk of PREFECTURES_DIR.

    Raises:
        ConfigFileError: names each desk that does not fit its platform.
    """
    if problems := [problem for desk in desks().values() for problem in _problems(desk)]:
        raise ConfigFileError(problems)


def desks_of(system: str) -> dict[str, Desk]:
    """Return the desks of one booking system by id."""
    return {desk.id: desk for desk in desks().values() if system_of(desk) == system}


def systems() -> list[str]:
    """Return the booking systems that some platform belongs to."""
    return sorted({each.SYSTEM for each in platforms().values()})


def system_of(desk: Desk) -> str:
    """Return the booking system whose spider checks a desk."""
    return platform(desk.platform).SYSTEM


def _problems(desk: Desk) -> Iterator[str]:
    try:
        visit = visit_of(desk)
        first = platform(desk.platform).first_request(visit)
        if visit.browser and not first.awaits:
            yield _line(desk, ("fetch",), f"no {desk.platform} page is opened in a browser: leave it out")
        level = platform(desk.platform).WATCH
        if desk.watch is WatchLevel.FULL and level == WatchLevel.PEOPLE:
            text = f"a captcha stands before the slots of every {desk.platform} page: write `watch: people`"
            yield _line(desk, ("watch",), text)
        if desk.watch is WatchLevel.PEOPLE and level != WatchLevel.PEOPLE:
            yield _line(
                desk, ("watch",), f"no captcha precedes a slot page of {desk.platform}: write `presence`"
            )
    except UnknownPlatform as error:
        yield _line(desk, ("platform",), str(error))
    except ValidationError as error:
        for each in error.errors(include_url=False):
            if desk.because and (each["type"] == "missing" or not each["loc"]):
                continue  # it is not asked, and says what it lacks
            yield _line(desk, ("parameters", *each["loc"]), _explain_error(desk.platform, each))
    except ValueError as error:
        yield _line(desk, ("url",), str(error))


def _explain_error(name: str, wrong: ErrorDetails) -> str:
    fields = platform(name).Parameters.model_fields
    if wrong["type"] == "extra_forbidden":
        return f"is no parameter of {name}; its parameters: {', '.join(sorted(fields)) or 'none'}"
    if wrong["type"] == "missing":
        field = fields.get(str(wrong["loc"][-1]))
        return f"is missing: {(field and field.description) or 'add it'}"
    return explain_problem(wrong["type"], wrong["msg"])


def _line(desk: Desk, key: tuple[int | str, ...], text: str) -> str:
    path = settings().prefectures_dir / f"{desk.prefecture_id}.yaml"
    return f"{path}: desk {desk.slug}: {'.'.join(map(str, key))}: {text}"


# Arguments of spiders, which choose desks

NAMES = ("prefecture", "procedure", "desk")
QUEUE = "fetch"


class WrongArgument(LookupError):
    """An argument names nothing that exists, or no desk fits all of them; the text says what would."""


def fetch_of(arguments: Mapping[str, Any]) -> Fetch:
    """Return which of its queues a spider serves.

    Raises:
        WrongArgument: there is no such queue, or desks are named, each of which is fetched as its file says.
    """
    if QUEUE not in arguments:
        return Fetch.HTTP
    if named := [name for name in NAMES if name in arguments]:
        raise WrongArgument(f"{QUEUE}= chooses a queue and {named[0]}= desks: leave one of them out")
    _ensure_among(QUEUE, str(arguments[QUEUE]), list(Fetch))
    return Fetch(arguments[QUEUE])


def _ensure_among(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise WrongArgument(f"no {what} {name!r}; {suggest_names(name, known)}")


def choose_desks(system: str, arguments: Mapping[str, Any]) -> list[Desk]:
    """Return the desks of a booking system that a spider's arguments name.

    None where no argument is ours: then the spider serves the queue (arguments that begin with `_` are scrapyd's).
    Desks that are not scheduled (stale, retired, behind a login) are left out unless named themselves; those that say
    what they lack cannot be asked at all.

    Raises:
        WrongArgument: says what exists.
        configs.world.prefecture.UnknownPrefecture: names those that exist.
    """
    given = {
        name: str(value).strip()
        for name, value in arguments.items()
        if name != QUEUE and not name.startswith("_")
    }
    for name, value in sorted(given.items()):
        _ensure_among("argument", name, NAMES)
        if not value:
            raise WrongArgument(f"{name}= is empty: give it a value or leave it out")
    if not given:
        return []
    place = prefecture(given["prefecture"]) if "prefecture" in given else None
    here = {
        id_: desk for id_, desk in desks_of(system).items() if not place or desk.prefecture_id == place.id
    }
    procedure = given.get("procedure", "").upper()
    if procedure:
        _ensure_among("procedure", procedure, list(Procedure))
    named = [_find_desk(given["desk"], here)] if "desk" in given else None
    fitting = [
        desk
        for desk in named or here.values()
        if (named or desk.schedulable) and (not procedure or procedure in desk.procedures)
    ]
    if not fitting:
        asked = ", ".join(f"{name}={given[name]}" for name in NAMES if name in given)
        there = [_describe(desk) for desk in place.desks] if place else []
        known = list_names(there or sorted(desks_of(system)))
        raise WrongArgument(f"{system} has no desk to check with {asked or 'these arguments'}; {known}")
    for desk in fitting:
        if desk.because:
            raise WrongArgument(f"{desk.id} cannot be asked: {desk.because}")
    return fitting


def _describe(desk: Desk) -> str:
    because = desk.unwatched_because or desk.grade
    return f"{desk.id} ({', '.join(sorted(desk.procedures))}; {system_of(desk)}; {because})"


def _find_desk(name: str, here: Mapping[str, Desk]) -> Desk:
    """Find a desk by its id, or by its slug where that is enough."""
    fits = [desk for desk in here.values() if name in (desk.id, desk.slug)]
    if len(fits) > 1:
        raise WrongArgument(f"desk={name} fits several: {list_names([desk.id for desk in fits])}")
    if fits:
        return fits[0]
    elsewhere = desks().get(name)
    if elsewhere and (system := system_of(elsewhere)) not in map(system_of, here.values()):
        raise WrongArgument(f"{name} is a desk of {system}: scrapy crawl {system} -a desk={name}")
    near = [id_ for id_, desk in here.items() if desk.prefecture_id == name.partition("/")[0]]
    raise WrongArgument(f"no desk {name!r}; {suggest_names(name, near or here)}")
