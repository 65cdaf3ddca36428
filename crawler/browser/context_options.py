"""What a check's browser context is: a person's in France, at the desk's own hour, disguised only where told so."""

import re
from dataclasses import dataclass
from typing import Any, Self

from playwright.async_api import BrowserContext
from playwright_stealth import Stealth

from configs.desk import Desk
from configs.host_rule import Agent as Rule
from configs.prefecture import host_rules
from crawler.fetching.browser_headers import brands, honest

VIEWPORT = {"width": 1920, "height": 1080}
LANGUAGES = ("fr-FR", "fr")
_HEADLESS = re.compile(r"Headless(?=Chrome/)")
_VERSION = re.compile(r"Chrome/(\d+)")


@dataclass(frozen=True, slots=True)
class Guise:
    """How a check's browser shows itself. `zone` is an IANA name; `stealth`: it does not say that it is driven.

    `agent`: the User-Agent to send, where the host's rule says that we say who we are.
    """

    zone: str
    stealth: bool = False
    agent: str | None = None

    @classmethod
    def of(cls, desk: Desk) -> Self:
        """Return a desk's."""
        rule = host_rules().get(desk.host)
        hidden = desk.stealth or bool(rule and rule.stealth)
        known = rule is not None and rule.agent is Rule.HONEST
        return cls(desk.time_zone, stealth=hidden and not known, agent=honest().name if known else None)

    def options(self, proxy: str, own_agent: str) -> dict[str, Any]:
        """Return the context's options (https://playwright.dev/python/docs/api/class-browser#browser-new-context).

        `own_agent`: the User-Agent that the browser has by itself.
        """
        options: dict[str, Any] = {
            "viewport": VIEWPORT,
            "screen": VIEWPORT,
            "locale": LANGUAGES[0],
            "timezone_id": self.zone,
            "proxy": {"server": proxy},
            "service_workers": "block",  # their requests pass no route
            "accept_downloads": False,
        }
        if self.agent:
            options["user_agent"] = self.agent
        elif self.stealth:
            agent = _HEADLESS.sub("", own_agent)
            options |= {"user_agent": agent, "extra_http_headers": _hints(agent)}
        return options

    async def put_on(self, context: BrowserContext) -> None:
        """Disguise a context's pages, where that is wanted, before any is opened.

        Raises:
            playwright.async_api.Error: it is gone.
        """
        if self.stealth:
            disguise = Stealth(
                navigator_languages_override=LANGUAGES,
                navigator_platform_override="Linux x86_64",
                navigator_hardware_concurrency=False,  # a real figure is there already
                navigator_user_agent=False,  # the context's, with its headers
                sec_ch_ua=False,
            )
            await disguise.apply_stealth_async(context)


def _hints(agent: str) -> dict[str, str]:
    """Return the client hint that goes with a User-Agent: by itself the browser would name its headless build."""
    found = _VERSION.search(agent)
    return {"sec-ch-ua": brands("Google Chrome", int(found[1]))} if found else {}
