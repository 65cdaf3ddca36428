"""Browser identity of a check: its User-Agent and headers, the same to its end.

It is a browser of the pool (configs/world/user_agents.yaml), or ourselves where the host's rule says `agent: honest`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import load_file
from configs.settings import PREFECTURES, settings
from configs.world.host_rule import Agent as Rule
from configs.world.prefecture import host_rules
from crawler.fetching.decompression import ENCODINGS

_AGENTS = PREFECTURES.parent / "world" / "user_agents.yaml"
Kind = Literal["page", "script", "socket"]

# What one engine sends, in its order: opening a page, asking as a page's script does, opening a socket. Values have
# words in braces, and are empty where a request fills in.
Headers = Mapping[Kind, Mapping[str, str]]


class Agents(Strict):
    """All of user_agents.yaml: the headers of browsers, those of who says who they are, and the browsers of checks.

    A browser is one release of one: its User-Agent (`agent`), and its client hints (`brands`, `system`).
    """

    browser: Headers
    honest: Headers
    browsers: tuple[Mapping[str, str], ...]


@lru_cache(maxsize=1)
def _load_agents() -> Agents:
    return load_file(_AGENTS, Agents)


@dataclass(frozen=True, slots=True)
class HttpAgent:
    """One agent: `name` is its User-Agent, `words` fill in its headers."""

    name: str
    headers: Headers
    words: Mapping[str, str]

    def build_headers(
        self, kind: Kind, method: str, url: str, own: Mapping[str, str], page: str | None
    ) -> dict[str, str]:
        """Return all headers of a request, in the agent's order.

        `own` are those that the request asks for itself: they win. `page`: the address of the page that asks, None
        where a person opens one.
        """
        given = {name.lower(): value for name, value in own.items()}
        site, told = _describe_page(kind, method, url, page)
        words = {**self.words, "site": site}
        sent = {
            name: value
            for name, default in self.headers[kind].items()
            if (value := given.pop(name.lower(), "") or told.get(name) or default.format_map(words))
        }
        return sent | {name: value for name, value in own.items() if name.lower() in given}


def agent_for(host: str) -> HttpAgent:
    """Return the identity for a check of this host (`name:port`): drawn from the pool, or ourselves."""
    rule = host_rules().get(host)
    if rule and rule.agent is Rule.HONEST:
        return honest()
    return random.choice(pool())  # noqa: S311 -- no secret


def honest() -> HttpAgent:
    """Return our own identity, with a contact address (AGENT_CONTACT)."""
    name = f"RDVPriority/1.0 (+{settings().agent_contact})"
    return HttpAgent(name, _load_agents().honest, {"agent": name, "encodings": ENCODINGS})


@lru_cache(maxsize=1)
def pool() -> tuple[HttpAgent, ...]:
    """Return the browsers of user_agents.yaml."""
    found = _load_agents()
    return tuple(
        HttpAgent(each["agent"], found.browser, {**each, "encodings": ENCODINGS}) for each in found.browsers
    )


def origin_of(url: str) -> str:
    """Return an address's origin as a browser writes it: scheme and host, the port where it is not the scheme's."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _describe_page(kind: Kind, method: str, url: str, page: str | None) -> tuple[str, dict[str, str]]:
    """Return `Sec-Fetch-Site`, and the headers that name the page that asks; None: a person opens the address.

    What a request says of its page is the default of https://www.w3.org/TR/referrer-policy/.
    """
    if page is None:
        return "none", {}
    origin = origin_of(page)
    same = origin == origin_of(url)
    told = {"Referer": page if same else f"{origin}/"}
    if kind == "socket" or method != "GET" or (kind == "script" and not same):
        told["Origin"] = origin
    if same:
        return "same-origin", told
    return "same-site" if _registered_name(page) == _registered_name(url) else "cross-site", told


def _registered_name(url: str) -> str:
    """Return the name that somebody registered: two labels, three below gouv.fr, where each service is its own."""
    name = urlsplit(url).hostname or ""
    return ".".join(name.split(".")[-3 if name.endswith(".gouv.fr") else -2 :])
