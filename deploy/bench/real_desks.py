"""The real desk files with stand-ins that answer under their hosts' names, and a subscriber for each desk."""

import json
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

from configs.desk import Desk
from configs.settings import PREFECTURES
from crawler.catalogue import visit_of
from crawler.platforms import platform
from deploy.bench.people import Crowd
from deploy.bench.servers import Servers, Settings, child
from deploy.local.processes import free_port, wait_until
from deploy.sandbox.addresses import url
from deploy.sandbox.platforms import stand_ins


def settings_for(desks: Collection[Desk], port: int) -> Settings:
    """Return the settings by which each desk's host is asked at a stand-in of its platform."""
    pairs = sorted(_answering(desks).items())
    hosts = ",".join(f"{real}={stand_in}:{port}" for real, stand_in in pairs)
    return {"PREFECTURES_DIR": str(PREFECTURES), "SANDBOX_HOSTS": hosts}


def _answering(desks: Collection[Desk]) -> dict[str, str]:
    """Return who answers for each real host, the sites of a platform in turn: those of pages, and those first asked."""
    sites = {
        name: cycle([site.host for platform_name, site in stand_ins().values() if platform_name == name])
        for name in {platform_name for platform_name, _ in stand_ins().values()}
    }
    found: dict[str, str] = {}
    for desk in desks:
        asked = platform(desk.platform).first_request(visit_of(desk)).url
        names = [urlsplit(each).hostname or "" for each in (desk.url, asked)]
        if not set(names) <= set(found):
            found |= dict.fromkeys(names, next(sites[desk.platform]))
    return found


@contextmanager
def answering(made: Servers, port: int) -> Iterator[None]:
    """Run the stand-ins, which have whatever form is asked for, on a port while the block lasts."""
    others = [f"--{name}-port={free_port()}" for name in ("providers", "inbox")]
    command = ["-m", "deploy.sandbox", "--any-form", "--no-world", f"--sites-port={port}", *others]
    log = made.state / "stand-ins.log"
    with child(command, log, made.environment) as process:
        wait_until(lambda: "Inbox" in log.read_text(), log, what="the stand-ins", process=process)
        yield


def wait_for(made: Servers, desks: Sequence[Desk]) -> None:
    """Let one person with URGENCE_TOTAL wait for each desk."""
    names = ", ".join(f"'{desk.id}'" for desk in desks)
    Crowd("fleet", len(desks), f"NULL, NULL, (ARRAY[{names}])[n]").write(made.engine)


def open_slots(port: int, one_in: int, slots: int) -> int:
    """Open so many slots on one in so many forms that were asked for until now; return how many forms that are."""
    opened = 0
    for _, site in stand_ins().values():
        root = f"{url(site.host, port)}/_control"
        known = {form.number for form in site.forms}
        asked = [each["form"] for each in _call_stand_in(root)["forms"] if each["form"] not in known]
        for form in asked[::one_in]:
            _call_stand_in(f"{root}/open", {"form": form, "count": slots})
            opened += 1
    return opened


def _call_stand_in(address: str, body: dict[str, int] | None = None) -> Any:
    sent = json.dumps(body).encode() if body else None
    request = urllib.request.Request(address, sent, {"Content-Type": "application/json"})  # noqa: S310 -- a stand-in's
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- as above
        return json.load(answer)
