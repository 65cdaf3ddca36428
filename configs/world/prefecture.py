"""The prefectures and their desks, as configs/prefectures/ says: one YAML file each.

They are read once. A program has newer files after a restart, or after SIGHUP (docs/operations.md).
"""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import ConfigFileError, Document, check, read_document
from configs.ground.text import suggest_names
from configs.settings import settings
from configs.world.desk import (
    Desk,
    DeskEntry,
    Text,
    WatchLevel,
    WebAddress,
    Whole,
    ZoneName,
)
from configs.world.host_rule import HostRule, load_hosts, refuse_hasty

_EARTH_KM = 6371
_NAME = re.compile(r"[a-z0-9-]+_([0-9]{2,3}|2[ab])")
log = logging.getLogger(__name__)


class PrefectureFile(Strict):
    """What a file says. `tier` (1 to 3) gives the wished interval; `hosts` are rules of those it has alone.

    `proxy`: its checks go by this entry of PROXY_LIST, `host:port`, of several `host:port#number`.
    """

    name: Text
    department: Annotated[str, Field(pattern=r"^([0-9]{2,3}|2[AB])$")]
    region: Text
    chef_lieu: Text
    latitude: Annotated[float, Field(ge=-90, le=90)]  # of the chef-lieu, in degrees, as the next
    longitude: Annotated[float, Field(ge=-180, le=180)]
    site: WebAddress
    time_zone: ZoneName
    tier: Annotated[Whole, Field(ge=1, le=3)]
    proxy: Annotated[str, Field(pattern=r"^[^\s@/#]+:[0-9]+(#[0-9]+)?$")] | None = None
    desks: tuple[DeskEntry, ...]
    hosts: dict[str, HostRule] = Field(default_factory=dict)


class Prefecture(PrefectureFile):
    """One of the 101. Its id is its file's name."""

    id: str
    desks: tuple[Desk, ...]

    def measure_distance(self, other: "Prefecture") -> float:
        """Return the kilometres to the other's town, as the crow flies."""
        north, other_north = radians(self.latitude), radians(other.latitude)
        half = sin((other_north - north) / 2) ** 2
        half += cos(north) * cos(other_north) * sin(radians(other.longitude - self.longitude) / 2) ** 2
        return 2 * _EARTH_KM * asin(sqrt(half))

    @property
    def paused_because(self) -> str | None:
        """Return why nothing is watched here, or None where something is."""
        if any(desk.schedulable for desk in self.desks):
            return None
        if any(desk.watch is WatchLevel.NONE or desk.refused for desk in self.desks):
            return "no page can be watched"
        return "no known page"


def load_prefectures(folder: Path, shared: Mapping[str, HostRule] | None = None) -> dict[str, Prefecture]:
    """Read every `<id>.yaml` of a folder, in the order of their ids; `shared`: the rules of hosts.yaml.

    Raises:
        ConfigFileError: names everything that is wrong in every file.
    """
    files = sorted(path for path in folder.glob("*.y*ml") if not path.name.startswith("."))
    if not files:
        raise ConfigFileError([f"{folder}: holds no <id>.yaml: check PREFECTURES_DIR"])
    documents = [read_document(path) for path in files]
    loaded = {document: _read_file(document) for document in documents}
    found = {document: each for document, each in loaded.items() if each}
    _refuse_conflicts(found, shared or {})
    if problems := [problem for document in documents for problem in document.problems]:
        raise ConfigFileError(problems)
    rules = {host: rule for each in found.values() for host, rule in each.hosts.items()} | dict(shared or {})
    complete = [_complete(document.path.stem, each, rules) for document, each in found.items()]
    return {each.id: each for each in complete}


def _read_file(document: Document) -> PrefectureFile | None:
    name, data = document.path.stem, document.data
    if document.path.suffix != ".yaml" or not _NAME.fullmatch(name):
        document.refuse((), "name the file <chef-lieu>_<department>.yaml, e.g. ajaccio_2a.yaml")
    found = check(document, PrefectureFile, data) if data is not None else None
    if found is None:
        return None
    if name.rpartition("_")[2] != found.department.lower():
        document.refuse(("department",), f"{found.department!r} does not match the file's name {name}.yaml")
    slugs = [desk.slug for desk in found.desks]
    for index, slug in enumerate(slugs):
        if slug in slugs[:index]:
            document.refuse(("desks", index, "slug"), f"{slug!r} is another desk's: choose one of its own")
    _refuse_hosts(document, found)
    return found


def _complete(name: str, file: PrefectureFile, rules: Mapping[str, HostRule]) -> Prefecture:
    """Return the prefecture, each desk with what the file around it says and what its host's rule refuses."""
    refusals = {host: rule.refusal for host, rule in rules.items()}
    around: dict[str, Any] = {
        "prefecture_id": name,
        "time_zone": file.time_zone,
        "position": (file.latitude, file.longitude),
        "proxy": file.proxy,
    }
    desks = tuple(
        Desk.model_construct(**dict(each), **around, refused=refusals.get(each.host)) for each in file.desks
    )
    return Prefecture.model_construct(**dict(file) | {"id": name, "desks": desks})


def _refuse_hosts(document: Document, prefecture: PrefectureFile) -> None:
    own = sorted({desk.host for desk in prefecture.desks})
    for host, rule in prefecture.hosts.items():
        where = ("hosts", host)
        if host not in own:
            document.refuse(where, f"is the host of no desk here; their hosts: {', '.join(own) or 'none'}")
        else:
            refuse_hasty(document, where, host, rule)


def _refuse_conflicts(found: dict[Document, PrefectureFile], shared: Mapping[str, HostRule]) -> None:
    """Note what only shows between files: two files of one department, two rules of one host."""
    departments: dict[str, str] = {}
    rules: dict[str, tuple[str, HostRule]] = {}
    for document, each in found.items():
        name = document.path.stem
        first = departments.setdefault(each.department, name)
        if first != name:
            document.refuse(
                ("department",), f"{each.department!r} is also that of {first}.yaml: keep one file"
            )
        for host, rule in each.hosts.items():
            owner, other = rules.setdefault(host, (name, rule))
            if host in shared:
                document.refuse(("hosts", host), "has its rule in hosts.yaml: keep that one")
            elif other != rule:
                document.refuse(("hosts", host), f"differs from {owner}.yaml's rule: a host has one budget")


class UnknownPrefecture(LookupError):
    """No prefecture has that id; the text names those that exist."""


class UnknownDesk(LookupError):
    """No desk has that id; the text names those that exist."""


_World = tuple[dict[str, Prefecture], dict[str, Desk], dict[str, HostRule], dict[str, list[Desk]]]
_reads = [0]  # how often this process has read its files again


@lru_cache(maxsize=2)
def _world(folder: Path, hosts: Path, reading: int) -> _World:  # noqa: ARG001 -- a part of the key
    shared = load_hosts(hosts)
    found = load_prefectures(folder, shared)
    every = {desk.id: desk for each in found.values() for desk in each.desks}
    rules = {host: rule for each in found.values() for host, rule in each.hosts.items()} | shared
    on_hosts: dict[str, list[Desk]] = {}
    for desk in every.values():
        on_hosts.setdefault(desk.host, []).append(desk)
    return found, every, rules, on_hosts


def _here() -> _World:
    return _world(settings().prefectures_dir, settings().hosts_file, _reads[0])


def reload_desk_files() -> bool:
    """Read the desk files and hosts.yaml again; where they are wrong, log it, keep the former ones and return False."""
    try:
        _world(settings().prefectures_dir, settings().hosts_file, _reads[0] + 1)
    except ConfigFileError as error:
        log.error("the desk files are refused, the former ones stay in use: %s", error)  # noqa: TRY400 -- no traceback
        return False
    _reads[0] += 1
    return True


def prefectures() -> dict[str, Prefecture]:
    """Return the prefectures of PREFECTURES_DIR by id, read at the first call."""
    return _here()[0]


def desks() -> dict[str, Desk]:
    """Return all desks by id."""
    return _here()[1]


def host_rules() -> dict[str, HostRule]:
    """Return what was decided about hosts, by `name:port`; one rule holds for every desk on that host."""
    return _here()[2]


def desks_by_host() -> dict[str, list[Desk]]:
    """Return all desks by the host (`name:port`) whose budget they share."""
    return _here()[3]


def prefecture(prefecture_id: str) -> Prefecture:
    """Return one prefecture.

    Raises:
        UnknownPrefecture: names those that exist.
    """
    known = prefectures()
    if prefecture_id not in known:
        raise UnknownPrefecture(
            f"no prefecture {prefecture_id!r}; {suggest_names(prefecture_id, sorted(known))}"
        )
    return known[prefecture_id]


def desk(desk_id: str) -> Desk:
    """Return one desk.

    Raises:
        UnknownDesk: names those that exist.
    """
    known = desks()
    if desk_id not in known:
        raise UnknownDesk(f"no desk {desk_id!r}; {suggest_names(desk_id, sorted(known))}")
    return known[desk_id]
