"""A browser for tests of pages: it keeps cookies, fills the forms that a page has, and checks each page it gets."""

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "path", "rect", "circle", "use", "line"}  # fmt: skip

PRIVATE_SERVICE = (
    "RDVPriority est un service privé, sans lien avec l’administration. Les rendez-vous en préfecture sont gratuits.",
    "RDVPriority is a private service with no link to the authorities. Appointments at a prefecture are free of charge.",
    "RDVPriority خدمة خاصة لا صلة لها بالإدارة. المواعيد في المحافظة مجانية.",
)


class Page(HTMLParser):
    """What a page consists of, as far as tests ask for it. Its elements must be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.ids: Counter[str] = Counter()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[dict[str, Any]] = []
        self.headings: list[str] = []
        self.title = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self.ids.update([given["id"]] if "id" in given else [])
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "form":
            self.forms.append({"attributes": given, "fields": {}})
        if tag == "h1":
            self.headings.append("")
        if self.forms and "form" in self._open and given.get("name"):
            self._note_field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:  # <path/> of an SVG
            return
        assert self._open[-1:] == [tag], f"</{tag}> closes {self._open[-3:]}"
        self._open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "title" in self._open and "svg" not in self._open:
            self.title += data
        elif "script" not in self._open:
            self.text += data
        if "h1" in self._open:
            self.headings[-1] += data

    def _note_field(self, tag: str, given: dict[str, str]) -> None:
        unset = given.get("type") in ("checkbox", "radio") and "checked" not in given
        if tag in ("input", "button") and not unset:
            self.forms[-1]["fields"].setdefault(given["name"], []).append(given.get("value", ""))

    def find_form(self, action: str) -> dict[str, Any]:
        """Return the one form that posts to an address that contains this."""
        (form,) = (each for each in self.forms if action in each["attributes"]["action"])
        return form


class Browser:
    """A visitor with cookies: `get`, `send` a form of the page that is open."""

    def __init__(self, app: Flask, *, language: str = "fr") -> None:
        self.client = app.test_client()
        self.headers = {"Accept-Language": language, "Accept": "text/html"}
        self.response: TestResponse
        self.page: Page

    def get(self, url: str, **options: Any) -> Page:
        """Open a page."""
        return self._show(self.client.get(url, headers=self.headers, **options))

    def send(self, action: str, **fields: Any) -> Page:
        """Send the form of the open page whose action contains this, with what the page has and these fields."""
        form = self.page.find_form(action)
        url = form["attributes"]["action"] or self.response.request.full_path
        return self._show(self.client.post(url, data=form["fields"] | fields, headers=self.headers))

    def follow(self) -> Page:
        """Go where the answer leads."""
        assert self.response.status_code == 303, self.response.text
        return self.get(self.response.headers["Location"])

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def location(self) -> str:
        return self.response.headers["Location"]

    def _show(self, response: TestResponse) -> Page:
        self.response = response
        if response.status_code == 303:
            return Page("")
        self.page = check_page(response)
        return self.page


def check_page(response: TestResponse) -> Page:
    """Check the rules for every page of ours; return its elements."""
    assert response.mimetype == "text/html", response.mimetype
    page = Page(response.text)
    assert response.text.lstrip().lower().startswith("<!doctype html>")
    _check_head(page)
    # Links in messages: the token in their path is the secret, and they read no cookie.
    _check_forms(page, needs_token=not response.request.path.startswith("/l/"))
    assert [each for each, times in page.ids.items() if times > 1] == []
    inline = re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", response.text)
    assert inline == [], "no inline script, style or handler"
    assert "&amp;amp;" not in response.text
    assert "&amp;lt;" not in response.text
    for name, at in page.tags:
        if at.get("rel") in ("canonical", "alternate"):
            continue  # nothing is loaded from there
        links = [at[each] for each in ("src", "href", "action") if each in at and name != "a"]
        assert not [each for each in links if re.match("(https?:)?//", each)], (
            f"{name} of another site: {links}"
        )
    words = " ".join(page.text.split())
    assert any(each in words for each in PRIVATE_SERVICE), (
        "its foot does not say: private service, free appointments"
    )
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return page


def _check_head(page: Page) -> None:
    root = dict(page.tags)["html"]
    assert root["lang"] in ("fr", "en", "ar")
    assert root["dir"] == ("rtl" if root["lang"] == "ar" else "ltr")
    assert len(page.headings) == 1, page.headings
    heading, title = (" ".join(each.split()) for each in (page.headings[0], page.title))
    assert heading
    # after "Erreur : ", or a number of unread notices
    titles = (title, title.partition(" : ")[2], re.sub(r"^\(\d+\+?\) ", "", title))
    assert any(each.startswith(heading) for each in titles), f"{title!r} does not begin with {heading!r}"


def _check_forms(page: Page, *, needs_token: bool) -> None:
    for form in page.forms:
        at = form["attributes"]
        assert "action" in at, "a form names where it posts to"
        if at.get("method") == "post" and needs_token:
            assert "csrf_token" in form["fields"], f"no token: {at}"
