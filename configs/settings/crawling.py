"""Settings of the crawler: desks, hosts, spiders, browsers, proxies and scrapyd."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_settings import NoDecode

from configs.ground.hosts import is_loopback
from configs.settings.common import CommonSettings
from configs.settings.proxies import Proxy, parse_proxies
from configs.settings.value_types import (
    Key,
    WebAddress,
    from_text,
    like,
    split_pairs,
    split_words,
)

SCRAPYD_USER = "scrapyd"
_CONFIGS = Path(__file__).parents[1]
PREFECTURES = _CONFIGS / "prefectures"
HOSTS = _CONFIGS / "hosts.yaml"


_ScrapydAddress = Annotated[
    WebAddress, like("http://.*", "scrapyd speaks http only: reach another machine's through a tunnel")
]


_ScrapydAddresses = Annotated[tuple[_ScrapydAddress, ...], NoDecode, from_text(split_words)]


def _on_loopback(stand_in: str) -> str:
    if not is_loopback(stand_in.rpartition(":")[0] or stand_in):
        raise ValueError(f"{stand_in!r} is no 127.x.y.z:port: stand-ins live on loopback")
    return stand_in


_StandIns = Annotated[
    dict[Annotated[str, Field(min_length=1)], Annotated[str, AfterValidator(_on_loopback)]],
    NoDecode,
    from_text(split_pairs),
]


def _own_scrapyd(known: dict[str, Any]) -> tuple[str, ...]:
    return (known["scrapyd_url"],)


class CrawlingSettings(CommonSettings):
    """How sites are asked; `app_env` says whether they are real ones."""

    ants_token: Key | None = None
    granted_tokens: Annotated[tuple[str, ...], NoDecode, from_text(split_words)] = ()
    prefectures_dir: Path = PREFECTURES
    hosts_file: Path = HOSTS
    allow_live_sites: bool = False
    agent_contact: str = Field("https://rdvpriority.fr", min_length=1, max_length=200, pattern=r"^[!-'*-~]+$")
    sandbox_hosts: _StandIns = Field(default_factory=dict)
    proxy_list: Annotated[tuple[Proxy, ...], NoDecode, from_text(parse_proxies)] = ()
    browser_path: Path | None = None
    browser_processes: int = Field(1, ge=1)
    spider_processes: int = Field(1, ge=1)
    spider_memory_mb: int = Field(400, ge=1)
    discovery: bool = True
    scrapyd_url: _ScrapydAddress = "http://127.0.0.1:6800"
    scrapyd_urls: _ScrapydAddresses = Field(default_factory=_own_scrapyd)
    scrapyd_password: Key | None = None
    scrapyd_pid: int | None = Field(None, ge=1)

    @property
    def loopback_only(self) -> bool:
        """Whether nothing may leave this machine: always so, except in production or where it is allowed."""
        return self.app_env != "production" and not (self.app_env == "development" and self.allow_live_sites)
