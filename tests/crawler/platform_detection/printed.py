"""The output of `scrapy detect`, parsed for its tests."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml

from configs.world.desk import Desk
from deploy.sandbox.platforms import platforms as stand_in_platforms

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

NOBODYS = "selectors"  # its stand-in is a page that no known software serves
InService = Callable[[str], Desk]


def page_of(sandbox: "Running", name: str) -> str:
    site = stand_in_platforms()[name].sites[0]
    return sandbox.site(site.code) + stand_in_platforms()[name].page(site.forms[0])


def entries(out: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(out)
    return found if isinstance(found, list) else []
