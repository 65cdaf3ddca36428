"""Spider arguments that choose desks; an unknown name is answered with those that exist."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from configs.ground.formatting import list_names, suggest_names
from configs.ground.hosts import is_private
from configs.world.desk import Desk, Fetch, Procedure, check_web_address
from configs.world.prefecture import desks as every
from configs.world.prefecture import prefecture
from crawler.catalogue import desks_of, system_of, visit_of
from crawler.platforms import platform

NAMES = ("prefecture", "procedure", "desk", "url")
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
    """Return the desks of a booking system that a spider's arguments name, at `url` where one is given.

    None where no argument is ours: then the spider serves the queue (arguments that begin with `_` are scrapyd's).
    Desks that are not scheduled (stale, retired, behind a login) are left out unless named themselves; those that say
    what they lack cannot be asked at all.

    Raises:
        WrongArgument: says what exists.
        configs.world.prefecture.UnknownPrefecture: names those that exist.
    """
    ours = (name for name in arguments if name != QUEUE and not name.startswith("_"))
    given = {name: str(arguments[name]).strip() for name in ours}
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
        asked = ", ".join(f"{name}={given[name]}" for name in NAMES[:3] if name in given)
        there = [_describe(desk) for desk in place.desks] if place else []
        known = list_names(there or sorted(desks_of(system)))
        raise WrongArgument(f"{system} has no desk to check with {asked or 'these arguments'}; {known}")
    for desk in fitting:
        if desk.because:
            raise WrongArgument(f"{desk.id} cannot be asked: {desk.because}")
    return _at_url(fitting, given["url"]) if "url" in given else fitting


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
    elsewhere = every().get(name)
    if elsewhere and (system := system_of(elsewhere)) not in map(system_of, here.values()):
        raise WrongArgument(f"{name} is a desk of {system}: scrapy crawl {system} -a desk={name}")
    near = [id_ for id_, desk in here.items() if desk.prefecture_id == name.partition("/")[0]]
    raise WrongArgument(f"no desk {name!r}; {suggest_names(name, near or here)}")


def _at_url(desks: list[Desk], url: str) -> list[Desk]:
    """Return the desks at another address, which their platform understands."""
    if _web(url).path.strip("/") and len(desks) > 1:
        names = ", ".join(each.id for each in desks)
        raise WrongArgument(
            f"url={url} is one page and these are {len(desks)} desks: choose by desk= of {names}"
        )
    moved = [relocate_desk(each, url) for each in desks]
    try:
        for desk in moved:
            platform(desk.platform).first_request(visit_of(desk))
    except ValueError as error:  # the platform says what its addresses look like
        raise WrongArgument(f"url={error}") from None
    return moved


def relocate_desk(desk: Desk, url: str) -> Desk:
    """Return the desk at another address: all of it, or only its scheme, host and port, the path kept.

    Raises:
        WrongArgument: it is no web address.
    """
    parts, own = _web(url), urlsplit(desk.url)
    if not parts.path.strip("/") and not parts.query:
        parts = own._replace(scheme=parts.scheme, netloc=parts.netloc)
    return desk.model_copy(update={"url": parts.geturl()})


def _web(url: str) -> SplitResult:
    try:
        parts = urlsplit(check_web_address(url))
    except ValueError:
        raise WrongArgument(
            f"url={url} is no address: write it as http://127.77.0.91:8800 or as a whole booking page"
        ) from None
    if is_private(parts.hostname or ""):
        raise WrongArgument(f"url={url} points into a private network: name a page that everybody can open")
    return parts
