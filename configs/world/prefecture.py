"""The prefectures and their desks, as configs/prefectures/ says: one YAML file each.

They are read once. A program has newer files after a restart, or after SIGHUP (docs/operations.md).
"""

import logging
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from configs.ground.strict_yaml import ConfigFileError
from configs.settings import settings
from configs.world.desk import Desk, Grade, Procedure, WatchLevel
from configs.world.host_rule import HostRule, load_hosts
from configs.world.prefecture_file import Prefecture, load_prefectures

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
        raise UnknownPrefecture(f"no prefecture {prefecture_id!r}; {_those(prefecture_id, known)}")
    return known[prefecture_id]


def desk(desk_id: str) -> Desk:
    """Return one desk.

    Raises:
        UnknownDesk: names those that exist.
    """
    known = desks()
    if desk_id not in known:
        raise UnknownDesk(f"no desk {desk_id!r}; {_those(desk_id, known)}")
    return known[desk_id]


def _those(name: str, known: dict[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    return (
        "".join(f"did you mean {each}? " for each in close) + f"those that exist: {', '.join(sorted(known))}"
    )
