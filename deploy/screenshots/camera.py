"""Takes the pictures: a browser window for each variant, one login for each account, and what looks wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from configs.browser_binary import arguments, browser_path, sandboxed
from deploy.screenshots.page_list import Shot, sign_in_as
from deploy.screenshots.people_rows import Who

# Pages that scroll sideways (WCAG 1.4.10), and targets under 24 px outside of text (WCAG 2.5.8).
_FIND_FLAWS = """() => {
  const flaws = [], root = document.documentElement;
  const over = root.scrollWidth - root.clientWidth;
  if (over > 0) flaws.push(`wider than the window by ${over} px`);
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


VARIANTS = (
    Variant("wide", 1280),
    Variant("narrow", 390, 844),
    Variant("dark", 1280, theme="dark"),
    Variant("ar", 1280, language="ar"),
    Variant("ar-narrow", 390, 844, language="ar", theme="dark"),
)


@dataclass
class Camera:
    """A browser before a server; `take` writes a picture."""

    browser: Browser
    address: str  # of the server
    folder: Path
    logins: dict[Who, Any] = field(default_factory=dict)  # cookies
    contexts: dict[tuple[Variant, Who], BrowserContext] = field(
        default_factory=dict
    )  # with what they have cached

    def sign_in(self, who: Who) -> None:
        """Sign in once, for all pictures of this account."""
        context = self._open_context(VARIANTS[0], Who.VISITOR)
        page = context.new_page()
        page.goto(f"{self.address}/login")
        sign_in_as(who)(page)
        page.wait_for_url("**/dashboard")
        self.logins[who] = context.storage_state()
        context.close()

    def take(self, shot: Shot, variant: Variant, *, whole: bool = True) -> list[str]:
        """Write the picture of a page in a variant, `whole` or what the window shows; return what looks wrong."""
        with self._open_page(variant, shot) as page:
            joint = "&" if "?" in shot.path else "?"
            page.goto(f"{self.address}{shot.path}{joint}lang={variant.language}", wait_until="load")
            if shot.act:
                shot.act(page)
                page.wait_for_load_state("load")
            path = self.folder / f"{shot.name}-{variant.name}.png"
            page.screenshot(path=path, full_page=whole, animations="disabled")
            flaws: list[str] = page.evaluate(_FIND_FLAWS)
            return flaws

    @contextmanager
    def _open_page(self, variant: Variant, shot: Shot) -> Iterator[Page]:
        """Open a page in the context of this variant and account; in one of its own where something is done there."""
        key = (variant, shot.who)
        if shot.act or key not in self.contexts:
            context = self._open_context(*key)
            if not shot.act:
                self.contexts[key] = context
        else:
            context = self.contexts[key]
        page = context.new_page()
        try:
            yield page
        finally:
            page.close()
            if shot.act:
                context.close()

    def _open_context(self, variant: Variant, who: Who) -> BrowserContext:
        return self.browser.new_context(
            viewport={"width": variant.width, "height": variant.height},
            locale=variant.language,
            timezone_id="Europe/Paris",
            color_scheme="dark" if variant.theme == "dark" else "light",
            storage_state=self.logins.get(who),
        )


@contextmanager
def open_camera(address: str, folder: Path) -> Iterator[Camera]:
    """Start a browser that takes pictures of a server's pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=arguments(), chromium_sandbox=sandboxed()
        )
        try:
            yield Camera(browser, address, folder)
        finally:
            browser.close()
