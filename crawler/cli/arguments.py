"""Spider arguments that choose desks; an unknown name is answered with those that exist."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from configs.ground.formatting import list_names, suggest_names
from configs.ground.hosts import is_private
from configs.world.desk import Desk, Fetch, Procedure, check_web_address
from configs.world.prefecture import desks as every
from configs.world.prefecture import prefecture, prefectures
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
    try:
        return Fetch(arguments[QUEUE])
    except ValueError:
        raise WrongArgument(
            f"no {QUEUE} {arguments[QUEUE]!r}; {suggest_names(str(arguments[QUEUE]), list(Fetch))}"
        ) from None


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
    if unknown := min(given.keys() - set(NAMES), default=None):
        raise WrongArgument(f"no argument {unknown!r}; {suggest_names(unknown, NAMES)}")
    if empty := [name for name in NAMES if given.get(name) == ""]:
        raise WrongArgument(f"{empty[0]}= is empty: give it a value or leave it out")
    fitting = _fitting(given, desks_of(system)) if given else []
    if given and not fitting:
        raise WrongArgument(_nothing(given, system))
    for each in fitting:
        if each.because:
            raise WrongArgument(f"{each.id} cannot be asked: {each.because}")
    return _at_url(fitting, given["url"]) if "url" in given else fitting


def _fitting(given: Mapping[str, str], desks: dict[str, Desk]) -> list[Desk]:
    within = prefecture(given["prefecture"]).id if "prefecture" in given else None
    procedure = _procedure(given["procedure"]) if "procedure" in given else None
    chosen = [_desk(given["desk"], within, desks)] if "desk" in given else list(desks.values())
    return [
        each
        for each in chosen
        if ("desk" in given or each.schedulable)
        and (not within or each.prefecture_id == within)
        and (not procedure or procedure in each.procedures)
    ]


def _nothing(given: Mapping[str, str], system: str) -> str:
    asked = ", ".join(f"{name}={given[name]}" for name in NAMES[:3] if name in given)
    here = prefectures()[given["prefecture"]].desks if "prefecture" in given else ()
    there = [
        f"{each.id} ({', '.join(sorted(each.procedures))}; {system_of(each)}; "
        f"{each.unwatched_because or each.grade})"
        for each in here
    ]
    known = there or sorted(desks_of(system))
    return f"{system} has no desk to check with {asked or 'these arguments'}; {list_names(known)}"


def _at_url(desks: list[Desk], url: str) -> list[Desk]:
    if _web(url).path.strip("/") and len(desks) > 1:
        names = ", ".join(each.id for each in desks)
        raise WrongArgument(
            f"url={url} is one page and these are {len(desks)} desks: choose by desk= of {names}"
        )
    return [_ensure_understood(relocate_desk(each, url)) for each in desks]


def relocate_desk(desk: Desk, url: str) -> Desk:
    """Return the desk at another address: all of it, or only its scheme, host and port, the path kept.

    Raises:
        WrongArgument: it is no web address.
    """
    parts, own = _web(url), urlsplit(desk.url)
    if not parts.path.strip("/") and not parts.query:
        parts = own._replace(scheme=parts.scheme, netloc=parts.netloc)
    return desk.model_copy(update={"url": parts.geturl()})


def _ensure_understood(desk: Desk) -> Desk:
    try:
        platform(desk.platform).first_request(visit_of(desk))
    except ValueError as error:  # the platform says what its addresses look like
        raise WrongArgument(f"url={error}") from None
    return desk


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


def _procedure(name: str) -> Procedure:
    try:
        return Procedure(name.upper())
    except ValueError:
        raise WrongArgument(
            f"no procedure {name!r}; {suggest_names(name.upper(), list(Procedure))}"
        ) from None


def _desk(name: str, within: str | None, desks: dict[str, Desk]) -> Desk:
    """Find a desk by its id, or by its slug where that is enough."""
    here = {id_: each for id_, each in desks.items() if not within or each.prefecture_id == within}
    fits = [each for each in here.values() if name in (each.id, each.slug)]
    if len(fits) > 1:
        raise WrongArgument(f"desk={name} fits several: {list_names([each.id for each in fits])}")
    if not fits:
        raise WrongArgument(_no_desk(name, here))
    return fits[0]


def _no_desk(name: str, here: dict[str, Desk]) -> str:
    elsewhere = every().get(name)
    if (
        elsewhere
        and name not in here
        and (system := system_of(elsewhere)) not in map(system_of, here.values())
    ):
        return f"{name} is a desk of {system}: scrapy crawl {system} -a desk={name}"
    near = [id_ for id_, each in here.items() if each.prefecture_id == name.partition("/")[0]]
    return f"no desk {name!r}; {suggest_names(name, near or here)}"
