"""Options of a check's browser context: French locale, the desk's time zone, stealth only where configured."""

import re
from dataclasses import dataclass
from typing import Any, Self

from playwright.async_api import BrowserContext
from playwright_stealth import Stealth

from configs.world.desk import Desk
from configs.world.host_rule import Agent as Rule
from configs.world.prefecture import host_rules
from crawler.fetching.browser_headers import brands, honest

VIEWPORT = {"width": 1920, "height": 1080}
LANGUAGES = ("fr-FR", "fr")
_HEADLESS = re.compile(r"Headless(?=Chrome/)")
_VERSION = re.compile(r"Chrome/(\d+)")


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """The identity of a check's browser."""

    zone: str  # IANA name
    stealth: bool = False  # hide that the browser is automated
    agent: str | None = None  # the honest User-Agent, where the host's rule requires it

    @classmethod
    def of(cls, desk: Desk) -> Self:
        """Return the guise of a desk's checks."""
        rule = host_rules().get(desk.host)
        hidden = desk.stealth or bool(rule and rule.stealth)
        known = rule is not None and rule.agent is Rule.HONEST
        return cls(desk.time_zone, stealth=hidden and not known, agent=honest().name if known else None)

    def options(self, proxy: str, own_agent: str) -> dict[str, Any]:
        """Return the context's options (https://playwright.dev/python/docs/api/class-browser#browser-new-context).

        `own_agent`: the browser's own User-Agent.
        """
        options: dict[str, Any] = {
            "viewport": VIEWPORT,
            "screen": VIEWPORT,
            "locale": LANGUAGES[0],
            "timezone_id": self.zone,
            "proxy": {"server": proxy},
            "service_workers": "block",  # their requests bypass routes
            "accept_downloads": False,
        }
        if self.agent:
            options["user_agent"] = self.agent
        elif self.stealth:
            agent = _HEADLESS.sub("", own_agent)
            options |= {"user_agent": agent, "extra_http_headers": _hints(agent)}
        return options

    async def put_on(self, context: BrowserContext) -> None:
        """Apply stealth to a context, if configured, before a page is opened.

        Raises:
            playwright.async_api.Error: the context is gone.
        """
        if self.stealth:
            disguise = Stealth(
                navigator_languages_override=LANGUAGES,
                navigator_platform_override="Linux x86_64",
                navigator_hardware_concurrency=False,  # the real number is fine
                navigator_user_agent=False,  # the context sets it, with its headers
                sec_ch_ua=False,
            )
            await disguise.apply_stealth_async(context)


def _hints(agent: str) -> dict[str, str]:
    """Return the client hints for a User-Agent: the browser's own would name its headless build."""
    found = _VERSION.search(agent)
    return {"sec-ch-ua": brands("Google Chrome", int(found[1]))} if found else {}
