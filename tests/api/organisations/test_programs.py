"""Programs of an organisation: owners make and end API keys and webhooks; what is secret is shown once."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from api.models.organisation import Member, MemberRole, Organisation
from api.models.organisation_access import OrganisationKey, Webhook, WebhookDelivery, WebhookEnd, hash_key
from configs.ground.clock import clock
from tests.clients import Browser, Page
from tests.factories import add_account, add_organisation, change, one, rows, save
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("frozen")
PAGE = "/organisation/programmes"
KEYS, HOOKS = f"{PAGE}/cles", f"{PAGE}/webhooks"
HOOK = {"url": "https://hooks.example/in", "events[]": ["slot.seen", "consent.given"]}


@pytest.fixture
def owner(app: Flask, settings_env: Callable[..., None]) -> Browser:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="1")
    who = add_account()
    add_organisation(who.id)
    browser = Browser(app)
    browser.give_login(who.id)
    return browser


def read_secret(page: Page) -> str:
    return str(re.findall(r'<code dir="ltr">([^<]+)</code>', page.html)[0])


def make(browser: Browser, action: str, **fields: object) -> str:
    browser.get(PAGE)
    page = browser.send(action, **fields)
    assert browser.status == 200, page.html[-2000:]
    return read_secret(page)


def test_a_key_is_shown_once_and_kept_as_a_digest(owner: Browser) -> None:
    text = make(owner, KEYS, name="Tableau", **{"scopes[]": ["people:read", "alerts:write"]})
    row = one(OrganisationKey)
    assert (len(text), text[:8]) == (51, "rdv_org_")
    assert (row.key_hash, row.scopes) == (hash_key(text), ["alerts:write", "people:read"])
    page = owner.get(PAGE)
    assert text not in page.html
    assert "jamais utilisée" in page.html
    owner.send(f"{KEYS}/{row.id}/fin")
    assert one(OrganisationKey).ended_at == clock()
    assert "Terminée" in owner.follow().html


def test_a_webhook_s_secret_is_shown_once_and_owners_see_what_became_of_events(owner: Browser) -> None:
    secret = make(owner, HOOKS, **HOOK)
    row = one(Webhook)
    assert secret.startswith("whsec_")
    assert (row.secret, row.events) == (secret, ["consent.given", "slot.seen"])
    assert secret not in owner.get(PAGE).html
    owner.send(f"{HOOKS}/{row.id}/essai")
    event = one(WebhookDelivery)
    assert (event.webhook_id, event.body["type"], event.body["data"]) == (row.id, "test", {})
    assert "Essais\xa0: 0" in owner.follow().html
    change(WebhookDelivery, attempts=8, answer="500", next_attempt_at=None)
    change(Webhook, ended_at=clock(), ended_because=WebhookEnd.FAILING)
    shown = owner.get(PAGE).html
    assert "Abandonné" in shown
    assert "rien n’est arrivé pendant un jour" in shown


@in_turn(
    "url",
    ["http://hooks.example/", "https://127.0.0.1/", "https://10.0.0.1/x", "https://localhost/", "https://[::1]/",
     "https://169.254.169.254/latest", "https://user:pass@hooks.example/", "ftp://hooks.example/", "x", ""],
)  # fmt: skip
def test_an_address_that_nobody_outside_reaches_is_refused(owner: Browser, url: str) -> None:
    owner.get(PAGE)
    owner.send(HOOKS, **HOOK | {"url": url})
    assert owner.status == 422
    assert rows(Webhook) == []


@in_turn("refusal", ["caseworker", "viewer", "no member", "not opened", "ended"])
def test_only_owners_of_an_opened_organisation_make_keys_and_webhooks(
    app: Flask, owner: Browser, refusal: str
) -> None:
    organisation, browser = one(Organisation), owner
    if refusal in ("caseworker", "viewer", "no member"):
        who = add_account(f"{refusal.replace(' ', '')}@example.org")
        if refusal != "no member":
            role = MemberRole(refusal)
            save(Member(organisation_id=organisation.id, user_id=who.id, role=role, joined_at=clock()))
        browser = Browser(app)
        browser.give_login(who.id)
    owner.get(PAGE)
    if refusal == "not opened":
        change(Organisation, opened_at=None, granted_until=None)
    if refusal == "ended":
        change(Organisation, opened_at=clock(), granted_until=clock() - timedelta(seconds=1))
    token = owner.get(PAGE) if browser is owner else browser.get("/canaux")
    sent = {"csrf_token": re.findall(r'name="csrf_token" value="([^"]+)"', token.html)[0]}
    for action, fields in ((KEYS, {"name": "x", "scopes[]": "people:read"}), (HOOKS, HOOK)):
        answer = browser.client.post(action, data=fields | sent, headers=browser.headers)
        assert answer.status_code in (403, 404, 422)
    assert (rows(OrganisationKey), rows(Webhook)) == ([], [])
