"""User agents of checks, as user_agents.yaml says: engines that were measured, and the names that go with each."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from configs.ground.strict_model import IsoDate, Strict
from configs.ground.strict_yaml import load_file

_FILE = Path(__file__).with_name("user_agents.yaml")
Kind = Literal["page", "script", "socket"]
# What one engine sends, in its order: opening a page, asking as a page's script does, opening a socket. Values have
# words in braces, and are empty where a request fills in.
Headers = Mapping[Kind, Mapping[str, str]]


class Engine(Strict):
    """Headers of an engine, the day and the browser they were measured of, and the parts of its browsers' names.

    `releases`: client hints by version; `platforms`: words by system; `agents`: User-Agents by brand.
    """

    measured: IsoDate
    browser: str
    releases: Mapping[str, str]
    platforms: Mapping[str, str]
    agents: Mapping[str, str]
    headers: Headers

    def list_words(self) -> Iterator[dict[str, str]]:
        """Yield the words of each browser's headers: `agent`, `system` and `brands`."""
        for brand, agent in self.agents.items():
            for version, hints in self.releases.items():
                for system, platform in self.platforms.items():
                    name = agent.format(platform=platform, version=version)
                    yield {"agent": name, "system": system, "brands": hints.format(brand=brand)}


class UserAgents(Strict):
    """All of the file: engines by name, and the headers of who says who they are."""

    engines: Mapping[str, Engine]
    honest: Headers


@lru_cache(maxsize=1)
def user_agents() -> UserAgents:
    """Return the file, read at the first call."""
    return load_file(_FILE, UserAgents)
