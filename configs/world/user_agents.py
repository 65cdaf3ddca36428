"""User agents of checks, read from user_agents.yaml: current browsers with their headers, and our own name."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import load_file
from configs.world.desk import Text
from configs.world.past_date import PastDate

AGENTS = Path(__file__).parent / "user_agents.yaml"

Kind = Literal["page", "script", "socket"]
_Value = Annotated[str, Field(max_length=500)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z-]{1,60}$")]
_Set = Annotated[Mapping[_Name, _Value], Field(min_length=1)]


class Headers(Strict):
    """What one engine sends, in its order: opening a page, asking as a page's script does, opening a socket."""

    source: Text
    date: PastDate
    page: _Set
    script: _Set
    socket: _Set

    def of(self, kind: Kind) -> Mapping[str, str]:
        """Return the headers of one kind of request: values with words in braces, empty where a request fills in."""
        return {"page": self.page, "script": self.script, "socket": self.socket}[kind]


class Browser(Strict):
    """One browser in one release: its User-Agent, and its client hints."""

    agent: Text
    brand: Text
    version: int
    system: Text


class Browsers(Strict):
    """The browsers of checks, and where their releases were looked up."""

    source: Text
    date: PastDate
    browsers: Annotated[tuple[Browser, ...], Field(min_length=1)]


class HeaderSets(Strict):
    """The headers of browsers, and of those who say who they are."""

    browser: Headers
    honest: Headers


class Agents(Strict):
    """All of user_agents.yaml."""

    headers: HeaderSets
    agents: Browsers


@lru_cache(maxsize=1)
def agents() -> Agents:
    """Return the shipped agents, read at the first call."""
    return load_file(AGENTS, Agents)
