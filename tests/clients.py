"""Clients of tests: a user's program that calls the API, and a browser that opens the pages and fills their forms."""

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask_jwt_extended import create_access_token
from lxml import etree
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from api.auth.logins import LoginChange, open_login
from api.ground.translations import LANGUAGES, translate
from api.models.base import session
from api.models.user import Role, User
from api.web.auth import issue_tokens
from configs.world.plan import PlanName
from tests.desk_proofs import prove_desks
from tests.factories import EMAIL, PASSWORD, add_account, add_grant, give_role

COOKIES = ("__Host-access", "__Host-refresh", "__Host-session")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "path", "rect", "circle", "use", "line"}  # fmt: skip

_PRIVATE = "RDVPriority est un service privé, sans lien avec l’administration. Les rendez-vous en préfecture sont gratuits."


@dataclass(frozen=True)
class Answer:
    """An answer with its JSON, empty where it has none."""

    status_code: int
    json: Any
    headers: Headers
    data: bytes
    mimetype: str | None

    @classmethod
    def of(cls, found: TestResponse) -> "Answer":
        body = {} if found.json is None else found.json
        return cls(found.status_code, body, found.headers, found.data, found.mimetype)

    @property
    def text(self) -> str:
        return self.data.decode()


def problem(answer: Any) -> tuple[int, str]:
    """Return status and the last part of the type of a refusal."""
    return answer.status_code, str(answer.json["type"]).rpartition(":")[2]


def read_json(answer: Any, status: int = 200) -> dict[str, Any]:
    """Return the JSON of an answer, which must have this status."""
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


@dataclass
class Person:
    """A signed-in user's program; requests with `headers` are that user's."""

    app: Flask
    id: UUID
    email: str
    headers: dict[str, str]
    login_id: UUID

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return Answer.of(
            self.app.test_client(use_cookies=False).open(
                path, method=method, json=body, headers=self.headers, **options
            )
        )

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", path, query_string=query or None)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.send("POST", path, body)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.send("PUT", path, body)

    def patch(self, path: str, body: Any = None) -> Answer:
        return self.send("PATCH", path, body)

    def delete(self, path: str, body: Any = None) -> Answer:
        return self.send("DELETE", path, body)

    def holds(self, plan: PlanName, days: float = 1, starts: float = 0) -> None:
        """Grant a plan from `starts` days from now on; checks prove all desks."""
        prove_desks()
        add_grant(self.id, plan, days, starts)


People = Callable[..., Person]  # the fixture `person`


def sign_in(app: Flask, user_id: UUID) -> Person:
    """Sign a user in by a program that keeps no cookies."""
    with session() as s:
        user = s.get_one(User, user_id)
        login = open_login(s, user, "", from_known_place=True).login
        claims = {"ver": user.token_version, "login": str(login.id)}
    with app.app_context():
        # As long as the login: tests step the clock by days.
        token = create_access_token(str(user_id), expires_delta=timedelta(days=7), additional_claims=claims)
    headers = {"Authorization": f"Bearer {token}"}
    return Person(app, user_id, user.email, headers, login.id)


_NO_BREAK = re.compile("\xa0(?=[:;?!»])|(?<=«)\xa0")  # as a reader takes it
_TAG = re.compile(r'<(/?)([a-zA-Z][\w-]*)(?:[^<>"]|"[^"]*")*?(/?)>')


def _check_order(html: str) -> None:
    """Check that elements are closed in order, which a parser mends in silence."""
    opened: list[str] = []
    for ends, tag, ends_itself in _TAG.findall(html):
        if tag in _VOID or ends_itself:
            continue
        if not ends:
            opened.append(tag)
            continue
        while tag == "select" and opened[-1:] == ["option"]:  # its end may be left out
            opened.pop()
        assert opened[-1:] == [tag], f"</{tag}> closes {opened[-3:]}"
        opened.pop()
    assert opened == [], f"not closed: {opened}"


def _read_text(element: etree._Element) -> str:
    return _NO_BREAK.sub(" ", "".join(element.itertext()))


def _read_form(form: etree._Element) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    for each in form.iter("input", "button"):
        at = each.attrib
        if at.get("name") and (at.get("type") not in ("checkbox", "radio") or "checked" in at):
            fields.setdefault(at["name"], []).append(at.get("value", ""))
    for each in form.iter("select"):
        options = list(each.iter("option"))
        chosen = [option for option in options if "selected" in option.attrib] or options[:1]
        fields |= {each.attrib["name"]: [option.attrib["value"] for option in chosen]}
    for each in form.iter("textarea"):
        fields[each.attrib["name"]] = [each.text or ""]
    return {"attributes": dict(form.attrib), "fields": fields}


class Page:
    """What a page consists of, as far as tests ask for it. Its elements must be closed in order."""

    def __init__(self, html: str) -> None:
        self.html = html
        _check_order(html)
        root = etree.HTML(html or "<p>")
        elements = list(root.iter(etree.Element)) if html else []
        self.tags = [(str(each.tag), dict(each.attrib)) for each in elements]
        self.ids = Counter(at["id"] for _, at in self.tags if "id" in at)
        self.forms = [_read_form(each) for each in root.iter("form")]
        self.headings = [_read_text(each) for each in root.iter("h1")]
        # The texts of the cells of all tables.
        self.rows = [
            [_read_text(each) for each in row.iter("td", "th")] for row in root.iterfind(".//tbody//tr")
        ]
        self.title = root.findtext("head/title") or ""
        for each in (*root.iterfind("head/title"), *root.iter("script")):
            each.text = None
        self.text = _read_text(root)

    @property
    def next(self) -> str | None:
        """The address of the following page of a list."""
        return next((at["href"] for _, at in self.tags if at.get("rel") == "next"), None)

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
        return self.post(url, form["fields"] | fields)

    def post(self, url: str, fields: dict[str, Any]) -> Page:
        """Send these fields."""
        return self._show(self.client.post(url, data=fields, headers=self.headers))

    def follow(self) -> Page:
        """Go where the answer leads."""
        assert self.response.status_code == 303, self.response.text
        return self.get(self.response.headers["Location"])

    def send_twice(self, action: str, **fields: str) -> list[int]:
        """Send a form of the open page twice at the same time; return the statuses of the answers."""
        form = self.page.find_form(action)
        options = {"data": form["fields"] | fields, "headers": self.headers | {"Cookie": self.cookie_header}}

        def send(_: int) -> int:
            client = self.client.application.test_client(use_cookies=False)
            return client.post(form["attributes"]["action"], **options).status_code

        with ThreadPoolExecutor(2) as pool:
            return sorted(pool.map(send, range(2)))

    def sign_in(self, email: str = EMAIL) -> "Browser":
        """Sign in by the form, and follow to the page after it; who was signed in is no more."""
        self.cookies = {}
        self.get("/login")
        self.send("/login", email=email, password=PASSWORD)
        self.follow()
        return self

    def give_login(self, user_id: UUID, name: str = "") -> LoginChange:
        """Put the cookies of a new login into the browser."""
        with session() as s:
            user = s.get_one(User, user_id)
            opened = open_login(s, user, name, from_known_place=True)
        with self.client.application.app_context():
            tokens = issue_tokens(user, opened.login, str(opened.token_id))
        self.client.set_cookie("__Host-access", tokens.access)
        self.client.set_cookie("__Host-refresh", tokens.refresh)
        return opened

    def forget_access(self) -> None:
        """Take the access cookie away, as the browser does when it is too old."""
        self.client.delete_cookie("__Host-access")

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies, by name."""
        found = (self.client.get_cookie(name) for name in COOKIES)
        return {each.key: each.value for each in found if each}

    @cookies.setter
    def cookies(self, cookies: dict[str, str]) -> None:
        for name in COOKIES:
            self.client.delete_cookie(name)
        for name, value in cookies.items():
            self.client.set_cookie(name, value)

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

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


def seat_operator(
    app: Flask,
    role: Role = Role.ADMIN,
    *,
    second_factor: bool = True,
    language: str = "fr",
    email: str | None = None,
) -> Browser:
    """Return a browser in which a new operator is signed in, with a second factor that this login has shown."""
    user = add_account(email or f"{role.value}@example.org", language)
    give_role(user.id, role, second_factor=second_factor)
    browser = Browser(app, language=language)
    browser.give_login(user.id)
    return browser


def check_page(response: TestResponse) -> Page:
    """Check the rules that every page keeps; return its elements."""
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
    assert any(translate(_PRIVATE, each) in words for each in LANGUAGES), (
        "its foot does not say: private service, free appointments"
    )
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return page


def _check_head(page: Page) -> None:
    root = dict(page.tags)["html"]
    assert root["lang"] in LANGUAGES
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
