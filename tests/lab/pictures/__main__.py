"""`make screenshots`: writes a picture of every page in every variant to .state/screenshots.

A server of pages runs for it on a world that is filled with rows; nothing watches or sends. `--only` and `--variants`
take fewer. `--docs` writes the pictures of the documentation to docs/ instead.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from api.app import create_app
from api.models.user import User
from configs.programs.browser_binary import arguments, browser_path, missing_browser, sandboxed
from configs.settings.groups import PREFECTURES
from tests.api.payments.organisations.house import write_prices
from tests.browser.arrival import OVERFLOWING
from tests.browser.site import Site
from tests.factories import one
from tests.lab.bench.servers import API, serve_app, servers
from tests.lab.pictures.accounts import Who
from tests.lab.pictures.pages import Shot, list_shots
from tests.lab.pictures.world import write_world

_FOLDER, _DOCS = Path(".state/screenshots"), Path("docs")
# Targets under 24 px outside of text (WCAG 2.5.8).
_FIND_SMALL = """() => {
  const flaws = [];
  for (const each of document.querySelectorAll("a[href], button, select, summary, input:not([type=hidden])")) {
    const box = each.getBoundingClientRect();
    const inText = getComputedStyle(each).display === "inline" || each.closest("svg, label, .skip");
    if (box.width && !inText && (box.height < 24 || box.width < 24))
      flaws.push(`${Math.round(box.width)} x ${Math.round(box.height)} px: ${each.textContent.trim().slice(0, 40)}`);
  }
  return flaws;
}"""


@dataclass(frozen=True, slots=True)
class Variant:
    """A window in which all pages are shown."""

    name: str
    width: int
    height: int = 900
    language: str = "fr"
    theme: str = "light"


_VARIANTS = (
    Variant("wide", 1280),
    Variant("narrow", 390, 844),
    Variant("dark", 1280, theme="dark"),
    Variant("ar", 1280, language="ar"),
    Variant("ar-narrow", 390, 844, language="ar", theme="dark"),
    *(Variant(f"{each}-narrow", 390, 844, language=each) for each in ("de", "ru", "zh", "hi")),
)
# The pictures of the documentation: page, window. They show what fits into it.
_DOCS_SHOTS = {
    "advice": Variant("page", 1100, 1000),
    "map": Variant("page", 1100, 860),
    "alert": Variant("page", 1000, 900),
    "admin-incident": Variant("page", 1000, 720),
    "home": Variant("arabic", 390, 844, language="ar"),
}


@dataclass
class Camera:
    """A browser before a server; `take` writes a picture."""

    browser: Browser
    site: Site
    folder: Path
    logins: dict[Who, Any] = field(default_factory=dict)  # cookies

    def sign_in(self, who: Who) -> None:
        """Sign in once, for all pictures of this account."""
        with self._open_context(_VARIANTS[0], Who.VISITOR) as context:
            self.site.give_login(context, one(User, User.email == who.value).id)
            self.logins[who] = context.storage_state()

    def take(self, shot: Shot, variant: Variant, *, whole: bool = True) -> int:
        """Write the picture of a page in a variant, `whole` or what the window shows; return how many flaws it has."""
        with self._open_context(variant, shot.who) as context:
            page = context.new_page()
            joint = "&" if "?" in shot.path else "?"
            page.goto(f"{self.site.url}{shot.path}{joint}lang={variant.language}", wait_until="load")
            for step in shot.steps:
                step(page)
            page.wait_for_load_state("load")
            path = self.folder / f"{shot.name}-{variant.name}.png"
            page.screenshot(path=path, full_page=whole, animations="disabled")
            flaws: list[str] = page.evaluate(OVERFLOWING) + page.evaluate(_FIND_SMALL)
        for flaw in flaws:
            print(f"{shot.name}-{variant.name}: {flaw}", flush=True)
        return len(flaws)

    def _open_context(self, variant: Variant, who: Who) -> BrowserContext:
        return self.browser.new_context(
            viewport={"width": variant.width, "height": variant.height},
            locale=variant.language,
            timezone_id="Europe/Paris",
            color_scheme="dark" if variant.theme == "dark" else "light",
            storage_state=self.logins.get(who),
        )


def main(given: list[str]) -> int:
    """Take the pictures; return 1 where a page looks wrong."""
    options = _read_options(given)
    if missing := missing_browser():
        raise SystemExit(f"make screenshots: no browser: {missing}")
    began = time.monotonic()
    folder = _DOCS if options.docs else _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"PREFECTURES_DIR": str(PREFECTURES), "RECENT_PROOF_SECONDS": "3600", "FRIENDS": "true"}
    with servers(lambda state: settings | {"PLANS_FILE": str(write_prices(state))}) as made:
        ids, app = write_world(made), create_app()
        shots = list_shots(ids, app)
        with (
            serve_app(made, API, PROGRAM="api") as port,
            sync_playwright() as playwright,
            playwright.chromium.launch(
                executable_path=browser_path(), args=arguments(), chromium_sandbox=sandboxed()
            ) as browser,
        ):
            camera = Camera(browser, Site(f"http://127.0.0.1:{port}", app), folder)
            for who in list(Who)[1:]:
                camera.sign_in(who)
            flaws = _take_docs(camera, shots) if options.docs else _take_all(camera, shots, options)
    print(f"{flaws} flaws, {time.monotonic() - began:.0f} s")
    return int(flaws > 0)


def _take_all(camera: Camera, shots: list[Shot], options: argparse.Namespace) -> int:
    """Take every picture that is asked for, and return how many flaws there are."""
    wanted = [each for each in shots if not options.only or each.name in options.only]
    variants = [each for each in _VARIANTS if not options.variants or each.name in options.variants]
    flaws = sum(camera.take(shot, variant) for variant in variants for shot in wanted)
    print(f"{len(wanted) * len(variants)} pictures: {_FOLDER}")
    return flaws


def _take_docs(camera: Camera, shots: list[Shot]) -> int:
    by_name = {each.name: each for each in shots}
    return sum(camera.take(by_name[name], window, whole=False) for name, window in _DOCS_SHOTS.items())


def _read_options(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.pictures", description=__doc__)
    names: dict[str, Any] = {"type": lambda text: text.split(","), "metavar": "NAMES"}
    parser.add_argument("--only", help="names of pages, separated by commas", **names)
    parser.add_argument("--variants", help="names of variants, likewise", **names)
    parser.add_argument("--docs", action="store_true", help="the pictures of the documentation, to docs/")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
