"""The shipped desk files some times over: each copy of a desk has a page and a host of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from configs.settings import PREFECTURES

_LONGEST = 50  # characters of a slug that are kept: its copy's has some more


class _Plain(yaml.SafeDumper):
    """A dumper without aliases, which desk files may not have."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- PyYAML's
        return True


def write_scaled_desks(folder: Path, times: int) -> Path:
    """Write the files of all prefectures with so many copies of their desks and hosts; return the folder."""
    folder.mkdir(parents=True)
    for path in sorted(PREFECTURES.glob("*.yaml")):
        data = yaml.safe_load(path.read_text("utf-8"))
        data["desks"] = [_copy_desk(each, n) for n in range(times) for each in data["desks"]]
        if data.get("hosts"):
            data["hosts"] = dict(_copy_hosts(data["hosts"], times))
        text = yaml.dump(data, Dumper=_Plain, allow_unicode=True, sort_keys=False)
        (folder / path.name).write_text(text, "utf-8")
    return folder


def _copy_desk(desk: dict[str, Any], number: int) -> dict[str, Any]:
    if not number:
        return desk
    url = urlsplit(desk["url"])
    moved = urlunsplit(url._replace(netloc=_copy_host(url.netloc, number)))
    return desk | {"slug": f"{desk['slug'][:_LONGEST]}-t{number}", "url": moved}


def _copy_hosts(hosts: dict[str, Any], times: int) -> Iterator[tuple[str, Any]]:
    for number in range(times):
        for host, rule in hosts.items():
            yield _copy_host(host, number), rule


def _copy_host(host: str, number: int) -> str:
    return f"t{number}.{host}" if number else host
