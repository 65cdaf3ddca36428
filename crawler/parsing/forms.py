"""Requests for a person's actions on a page: follow a link, submit a form, choose from a drop-down."""

from urllib.parse import urlsplit

from lxml import html

from configs.ground.addresses import same_site
from crawler.parsing.html_text import visible_text
from crawler.reading import BrowserAction, Page, PageRequest


def address_of(page: Page, match: html.HtmlElement | str) -> str | None:
    """Return the target of a link (or of an address as text); None if it is no page of the same site."""
    href = match if isinstance(match, str) else match.get("href")
    target = ((href and page.link(href)) or "").partition("#")[0]
    return target if target and urlsplit(target).hostname and same_site(page.url, target) else None


def build_request(
    page: Page, match: html.HtmlElement | str, act: BrowserAction, step: str
) -> PageRequest | None:
    """Return the request of an action; None without a link or form here, or if it leaves the site."""
    if isinstance(match, str) or match.get("href"):
        url = address_of(page, match)
        return PageRequest(url, step) if url else None
    form = next(
        (each for each in (match, *match.iterancestors()) if isinstance(each, html.FormElement)), None
    )
    chosen = _choice(match, act.option) if act.option is not None else _button_field(match)
    if form is None or chosen is None:
        return None
    url = address_of(page, match.get("formaction") or form.get("action") or page.url)
    if url is None:
        return None
    sent = {str(name): str(value) for name, value in form.form_values()} | chosen | dict(act.fields)
    if form.get("method", "").upper() == "POST":
        return PageRequest(url, step, "POST", sent)
    return PageRequest(url.partition("?")[0], step, "GET", sent)


def _choice(select: html.HtmlElement, wanted: str) -> dict[str, str] | None:
    named = [(visible_text(each), each.get("value")) for each in select.iter("option")]
    values = [text if value is None else value for text, value in named if wanted in (text, value)]
    name = select.get("name")
    return {name: values[0]} if name and len(values) == 1 else None


def _button_field(node: html.HtmlElement) -> dict[str, str]:
    """Return the button's field, which a browser sends with its form."""
    name = node.get("name") if node.tag in ("button", "input") else None
    return {name: node.get("value", "")} if name else {}
