"""Spider arguments that choose desks; an unknown name is answered with those that exist."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
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


@dataclass(frozen=True)
class DeskChoice:
    """Spider arguments, as given. Without any, a spider serves the queue (`once` is False)."""

    prefecture: str | None = None
    procedure: str | None = None
    desk: str | None = None
    url: str | None = None
    unknown: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Take what is ours of a spider's arguments; those that begin with `_` are scrapyd's."""
        known = {name: str(value).strip() for name, value in arguments.items() if name in NAMES}
        others = sorted(
            name for name in arguments if name not in (*NAMES, QUEUE) and not name.startswith("_")
        )
        return cls(**known, unknown=tuple(others))

    @property
    def once(self) -> bool:
        """Whether the spider checks once what is named, instead of serving the queue."""
        return self != DeskChoice()

    def desks(self, system: str) -> list[Desk]:
        """Return the desks of a booking system that fit, at `url` where one is given.

        Those that are not scheduled (stale, retired, behind a login) are left out unless named themselves; those that
        say what they lack cannot be asked at all.

        Raises:
            WrongArgument: says what exists.
            configs.world.prefecture.UnknownPrefecture: names those that exist.
        """
        if self.unknown:
            raise WrongArgument(f"no argument {self.unknown[0]!r}; {suggest_names(self.unknown[0], NAMES)}")
        if empty := [name for name in NAMES if getattr(self, name) == ""]:
            raise WrongArgument(f"{empty[0]}= is empty: give it a value or leave it out")
        fitting = self._fitting(desks_of(system))
        if not fitting:
            raise WrongArgument(self._nothing(system))
        for each in fitting:
            if each.because:
                raise WrongArgument(f"{each.id} cannot be asked: {each.because}")
        return self._at_url(fitting)

    def _fitting(self, desks: dict[str, Desk]) -> list[Desk]:
        within = prefecture(self.prefecture).id if self.prefecture else None
        procedure = _procedure(self.procedure) if self.procedure else None
        chosen = [_desk(self.desk, within, desks)] if self.desk else list(desks.values())
        return [
            each
            for each in chosen
            if (self.desk or each.schedulable)
            and (not within or each.prefecture_id == within)
            and (not procedure or procedure in each.procedures)
        ]

    def _nothing(self, system: str) -> str:
        asked = ", ".join(f"{name}={value}" for name in NAMES[:3] if (value := getattr(self, name)))
        here = prefectures()[self.prefecture].desks if self.prefecture else ()
        there = [
            f"{each.id} ({', '.join(sorted(each.procedures))}; {system_of(each)}; "
            f"{each.unwatched_because or each.grade})"
            for each in here
        ]
        known = there or sorted(desks_of(system))
        return f"{system} has no desk to check with {asked or 'these arguments'}; {list_names(known)}"

    def _at_url(self, desks: list[Desk]) -> list[Desk]:
        if not self.url:
            return desks
        if _web(self.url).path.strip("/") and len(desks) > 1:
            names = ", ".join(each.id for each in desks)
            raise WrongArgument(
                f"url={self.url} is one page and these are {len(desks)} desks: choose by desk= of {names}"
            )
        return [_ensure_understood(relocate_desk(each, self.url)) for each in desks]


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
