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

from configs.ground.formatting import suggest_names
from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import ConfigFileError, Document, check, read_document
from configs.settings import settings
from configs.world.desk import Desk, Grade, Procedure, Text, WatchLevel, WebAddress, Whole, ZoneName
from configs.world.host_rule import HostRule, load_hosts, refuse_hasty

_EARTH_KM = 6371
_NAME = re.compile(r"[a-z0-9-]+_([0-9]{2,3}|2[ab])")


class Prefecture(Strict):
    """One of the 101. `tier` (1 to 3) gives the wished interval; `hosts` are rules of those it has alone."""

    id: str
    name: Text
    department: Annotated[str, Field(pattern=r"^([0-9]{2,3}|2[AB])$")]
    region: Text
    chef_lieu: Text
    latitude: Annotated[float, Field(ge=-90, le=90)]  # of the chef-lieu, in degrees, as the next
    longitude: Annotated[float, Field(ge=-180, le=180)]
    site: WebAddress
    time_zone: ZoneName
    tier: Annotated[Whole, Field(ge=1, le=3)]
    desks: tuple[Desk, ...]
    hosts: dict[str, HostRule] = Field(default_factory=dict)

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
    loaded = {document: _prefecture(document) for document in documents}
    found = {document: each for document, each in loaded.items() if each}
    _refuse_conflicts(found, shared or {})
    rules = {host: rule for each in found.values() for host, rule in each.hosts.items()} | dict(shared or {})
    if problems := [problem for document in documents for problem in document.problems]:
        raise ConfigFileError(problems)
    return {each.id: _obeying(each, rules) for each in found.values()}


def _prefecture(document: Document) -> Prefecture | None:
    name, data = document.path.stem, document.data
    if document.path.suffix != ".yaml" or not _NAME.fullmatch(name):
        document.refuse((), "name the file <chef-lieu>_<department>.yaml, e.g. ajaccio_2a.yaml")
    if data is None:
        return None
    department = data.get("department")
    if isinstance(department, str) and name.rpartition("_")[2] != department.lower():
        document.refuse(("department",), f"{department!r} does not match the file's name {name}.yaml")
    _fill(document, name, data)
    prefecture = check(document, Prefecture, data)
    if prefecture:
        _refuse_hosts(document, prefecture)
    return prefecture


def _fill(document: Document, name: str, data: dict[str, Any]) -> None:
    """Fill in the fields that come from the file's name and its top; the file may not set them itself."""
    if "id" in data:
        document.refuse(("id",), "comes from the file's name: remove it")
    data["id"] = name
    entries = data.get("desks")
    slugs: set[str] = set()
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            position = data.get("latitude"), data.get("longitude")
            given = {
                "prefecture_id": name,
                "time_zone": data.get("time_zone"),
                "position": position if all(isinstance(each, float) for each in position) else None,
                "refused": None,
            }
            _fill_desk(document, index, entry, given)
            slug = str(entry.get("slug"))
            if slug in slugs:
                document.refuse(
                    ("desks", index, "slug"), f"{slug!r} is another desk's: choose one of its own"
                )
            slugs.add(slug)


def _fill_desk(document: Document, index: int, entry: dict[str, Any], given: dict[str, Any]) -> None:
    for key, value in given.items():
        if key in entry:
            document.refuse(("desks", index, key), "comes from the file around the desk: remove it")
        entry.pop(key, None)
        # a wrong zone or position is refused once, where it is written
        if isinstance(value, str | tuple):
            entry[key] = value


def _refuse_hosts(document: Document, prefecture: Prefecture) -> None:
    own = sorted({desk.host for desk in prefecture.desks})
    for host, rule in prefecture.hosts.items():
        where = ("hosts", host)
        if host not in own:
            document.refuse(where, f"is the host of no desk here; their hosts: {', '.join(own) or 'none'}")
        else:
            refuse_hasty(document, where, host, rule)


def _obeying(prefecture: Prefecture, rules: Mapping[str, HostRule]) -> Prefecture:
    """Return the prefecture with what the rules of its desks' hosts refuse."""
    refusals = {host: refusal for host, rule in rules.items() if (refusal := rule.refusal)}
    if not any(desk.host in refusals for desk in prefecture.desks):
        return prefecture
    desks = tuple(desk.model_copy(update={"refused": refusals.get(desk.host)}) for desk in prefecture.desks)
    return prefecture.model_copy(update={"desks": desks})


def _refuse_conflicts(found: dict[Document, Prefecture], shared: Mapping[str, HostRule]) -> None:
    """Note what only shows between files: two files of one department, two rules of one host."""
    departments: dict[str, str] = {}
    rules: dict[str, tuple[str, HostRule]] = {}
    for document, each in found.items():
        first = departments.setdefault(each.department, each.id)
        if first != each.id:
            document.refuse(
                ("department",), f"{each.department!r} is also that of {first}.yaml: keep one file"
            )
        for host, rule in each.hosts.items():
            owner, other = rules.setdefault(host, (each.id, rule))
            if host in shared:
                document.refuse(("hosts", host), "has its rule in hosts.yaml: keep that one")
            elif other != rule:
                document.refuse(("hosts", host), f"differs from {owner}.yaml's rule: a host has one budget")


__all__ = [
    "Desk",
    "Grade",
    "HostRule",
    "Prefecture",
    "Procedure",
    "UnknownDesk",
    "UnknownPrefecture",
    "WatchLevel",
    "desk",
    "desks",
    "desks_by_host",
    "host_rules",
    "load_prefectures",
    "prefecture",
    "prefectures",
    "reload_desk_files",
]


class UnknownPrefecture(LookupError):
    """No prefecture has that id; the text names those that exist."""


class UnknownDesk(LookupError):
    """No desk has that id; the text names those that exist."""


log = logging.getLogger(__name__)

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
