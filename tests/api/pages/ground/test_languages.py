"""The language and headers of a page, its catalogues, and what people write in a form."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from flask import Flask, url_for
from flask.testing import FlaskClient
from flask_babel import ngettext

from api.accounts.schemas import RegistrationForm
from api.alerts.schemas import NewAlert
from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from api.ground.translations import LANGUAGES, translate
from api.pages.assets import build_asset_url, list_assets, read_asset
from api.pages.context import write_hour, write_moment
from api.pages.forms import Form
from api.pages.headers import build_policy, list_payment_hosts
from api.web.languages import choose_language, use_account_language
from configs.ground.brand import BRAND
from tests.clients import Browser
from tests.in_turn import in_turn

TRANSLATED = [each for each in LANGUAGES if each != "fr"]
STATUTORY = {  # https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000044142644 and its neighbours
    "commande avec obligation de paiement",
    "renoncer au contrat ici",
    "confirmer la rétractation",
    "résilier votre contrat",
    "notification de la résiliation",
}
TEXTS = Path("api/pages/texts")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|%(?!\()|<[^>]*>")


@in_turn(
    "query, header, account, answer",
    [
        ("", "", None, "fr"),
        ("", "en-GB,en;q=0.9", None, "en"),
        ("", "ar-MA", None, "ar"),
        ("", "de", None, "de"),
        ("", "fr-FR,en-US;q=0.7,en;q=0.3", None, "fr"),
        ("", "ar-MA,fr;q=0.5", None, "ar"),
        ("", "en-GB,fr;q=0.9", None, "en"),
        ("", "fr-CA, en;q=0.9", None, "fr"),
        ("", "fr;q=0.4, AR_ma;q=0.6", None, "ar"),
        ("", "it,en;q=0.5", None, "en"),
        ("", "it-CH,*;q=0.5,ar;q=0", None, "fr"),
        ("", "zh-Hant-TW", None, "zh"),
        ("", "en", "fr", "fr"),
        ("?lang=ar", "en", "fr", "ar"),
        ("?lang=xx", "en", None, "en"),
        ("?lang=%00", "", None, "fr"),
        ("?lang=" + "a" * 9000, "", "en", "en"),
        ("?lang=ar&lang=en", "", None, "ar"),
    ],
)
def test_the_link_decides_then_the_account_then_the_browser(
    app: Flask, query: str, header: str, account: str | None, answer: str
) -> None:
    with app.test_request_context(f"/{query}", headers={"Accept-Language": header}):
        if account:
            use_account_language(account)
        assert choose_language() == answer


def test_files_have_no_language_in_their_address(app: Flask) -> None:
    with app.test_request_context("/?lang=ar"):
        assert "lang" not in url_for("assets.send_asset", version="x", name="base.css")


def test_an_error_page_is_in_the_language_of_its_link(visitor: Browser) -> None:
    visitor.get("/nothing?lang=ar")
    assert (visitor.status, visitor.page.headings) == (404, ["هذه الصفحة غير موجودة"])
    assert 'href="/nothing?lang=en"' in visitor.page.html


@in_turn("path", ["/", "/aide", "/preparer", "/conditions", "/vie-privee", "/plan"])
def test_no_line_of_a_french_page_begins_with_a_sign(visitor: Browser, path: str) -> None:
    text = re.sub("<script.*?</script>|<[^>]*>", "", visitor.get(path).html, flags=re.DOTALL)
    assert re.findall(".*(?:\\S [:;?!»]|« ).*", text) == []
    assert "\xa0:" in text


def parts(text: object) -> list[str]:
    return list(text) if isinstance(text, tuple | list) else [str(text)]


def read(path: Path) -> list[Message]:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem if path.suffix == ".po" else None, abort_invalid=True)
    assert not catalogue.obsolete
    return [each for each in catalogue if each.id]


@pytest.mark.journey
def test_the_catalogues_have_the_texts_of_templates_and_code_and_no_others(tmp_path: Path) -> None:
    wanted = extract(tmp_path, "api")
    for language in TRANSLATED:
        assert {str(each.id) for each in read(TEXTS / f"{language}.po")} == wanted, "run `make texts`"
    law = subprocess.run(
        ["make", "-s", "--eval", "law: ; @echo $(LAW)", "law"], check=True, capture_output=True, text=True
    )
    binding = {str(each.id) for each in read(TEXTS / "law.pot")}
    assert binding == extract(tmp_path, *law.stdout.split()), "run `make texts`"


def extract(folder: Path, *sources: str) -> set[str]:
    """Return the texts of files and folders."""
    options = ("--mapping-file", "pyproject.toml", "--keywords", "_l lazy_gettext mark")
    command = (sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract", *options)
    found = folder / "texts.pot"
    subprocess.run([*command, "--output-file", str(found), *sources], check=True)
    return {str(each.id) for each in read(found)}


@in_turn("language", TRANSLATED)
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    left_french = list_holes("ar") if language != "en" else set()  # the same in each language
    assert list_holes(language) == left_french
    for message in read(TEXTS / f"{language}.po"):
        assert not message.fuzzy, message.id
        if str(message.id) in left_french:
            continue
        wanted = sorted(set(_PLACEHOLDER.findall(parts(message.id)[-1])))
        for text in parts(message.string):
            assert text, f"a form of {message.id!r} is not translated"
            assert sorted(set(_PLACEHOLDER.findall(text))) == wanted, text


def list_holes(language: str) -> set[str]:
    return {str(each.id) for each in read(TEXTS / f"{language}.po") if not any(each.string or ())}


def test_what_binds_is_french_with_english_beside_in_languages_that_no_native_has_read() -> None:
    binding = {str(each.id) for each in read(TEXTS / "law.pot")}
    assert list_holes("ar") <= binding
    assert list_holes("ar") >= STATUTORY
    for language in set(TRANSLATED) - {"en"}:
        found = translate("commande avec obligation de paiement", language)
        assert (
            found.strip("\u2068\u2069")
            == "commande avec obligation de paiement · order with obligation to pay"
        )


def test_each_language_counts_in_its_own_way(app: Flask) -> None:
    one, many = "Patientez %(count)s minute, puis réessayez.", "Patientez %(count)s minutes, puis réessayez."
    said = {}
    for language in ("fr", "en", "ar"):
        with app.test_request_context(f"/?lang={language}"):
            said[language] = [ngettext(one, many, count, count=count) for count in (0, 1, 2, 3, 11, 100)]
    assert said["fr"][0] == "Patientez 0 minute, puis réessayez."  # French counts nothing in the singular
    assert said["en"][:2] == ["Wait 0 minutes, then try again.", "Wait 1 minute, then try again."]
    assert len({re.sub(r"\d+", "", text) for text in said["ar"]}) == 5


@in_turn(
    "language, said",
    [("fr", "20 novembre 2026, 15:30"), ("en", "November 20, 2026, 15:30"), ("hi", "20 नवंबर 2026, 15:30")],
)
def test_hours_are_by_24_in_every_language(app: Flask, language: str, said: str) -> None:
    with app.test_request_context(f"/?lang={language}"):
        moment = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
        assert write_moment(moment, "Europe/Paris") == said
        assert write_hour(moment, "Europe/Paris") == "15:30"


def read_form(app: Flask, data: dict[str, object]) -> Form[NewAlert]:
    with app.test_request_context("/", method="POST", data=data):
        return Form.read(NewAlert)


@in_turn(
    "day, hour",
    [
        ("31/12/2026", "9h30"),
        ("31.12.2026", "9:30"),
        ("٣١/١٢/٢٠٢٦", "۹:۳۰"),
        ("31 \u2013 12 \u2013 2026", "09 h 30"),
        ("31 12 2026", "09.30"),
        ("2026/12/31", "\uff10\uff19\uff1a\uff13\uff10"),
        ("\u200e2026-12-31", "9h30"),
    ],
)
def test_days_hours_and_figures_are_read_as_people_write_them(app: Flask, day: str, hour: str) -> None:
    form = read_form(app, {
        "prefectureId": "bobigny_93", "procedures[]": "TITRE_SEJOUR", "limits.weekdays[]": ["\u0661", " 3 "],
        "limits.dateTo": day, "limits.hourFrom": hour, "limits.hourTo": "18 h",
    })  # fmt: skip
    assert form.errors == {}
    limits = form.value.limits
    assert (limits.weekdays, str(limits.date_to)) == ([1, 3], "2026-12-31")
    assert (f"{limits.hour_from:%H:%M}", f"{limits.hour_to:%H:%M}") == ("09:30", "18:00")
    assert form.typed["limits.dateTo"] == day


def test_a_refusal_of_the_service_stands_beside_its_field(app: Flask) -> None:
    with app.test_request_context("/"):
        form = Form(RegistrationForm)
        form.refuse(invalid(FieldError(path="email", rule="email", detail="x")))
        form.refuse(ApiError(409, "address-taken", "x"), "email")  # the first error of a field stays
        form.refuse(ApiError(409, "unheard-of", "x"))
        assert form.errors["email"].startswith("Cette adresse n’est pas valable.")
        assert form.errors[""] == "Cette demande n’a pas été acceptée."
        with pytest.raises(ApiError):
            form.refuse(ApiError(503, "busy", "x"))


# What is no page: the API, files, and pages whose templates are older than the areas.
_OTHERS = ("/api/", "/static/", "/l/")
_SIDES = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border|inset|scroll-(?:margin|padding))-(?:left|right)|left|right|float|text-align)\s*:\s*([^;}]*)"
)


def test_every_page_declares_who_may_see_and_keep_it(app: Flask) -> None:
    undeclared = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith(_OTHERS) and not hasattr(app.view_functions[rule.endpoint], "access")
    ]
    assert undeclared == []


def test_the_policy_denies_by_default_and_lets_forms_lead_to_stripe(
    settings_env: Callable[..., None],
) -> None:
    policy = build_policy(list_payment_hosts())
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "form-action 'self' https://checkout.stripe.com https://billing.stripe.com;" in policy
    settings_env(STAND_INS="stripe=http://127.0.0.1:8025/stripe")
    assert "form-action 'self' http://127.0.0.1:8025;" in build_policy(list_payment_hosts())


def test_an_error_page_is_kept_by_nobody_and_other_names_lead_to_no_file(visitor: Browser) -> None:
    visitor.get("/nothing")
    assert visitor.response.headers["Cache-Control"] == "no-store"
    assert visitor.response.headers["Referrer-Policy"] == "same-origin"
    for name in ("nothing.css", "../base.html", "%2e%2e/area.py", "start.js/", "texts/ar.po"):
        assert visitor.client.get(f"/static/x/{name}").status_code == 404, name


def test_a_file_is_kept_for_a_year_under_the_digest_of_all(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        url = build_asset_url("base.css")
    answer = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/css", read_asset("base.css"))
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = client.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    old = client.get("/static/old/base.css")
    assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-store")


@in_turn("name", [name for name in list_assets() if name.endswith(".css")])
def test_styles_follow_the_direction_of_writing_and_take_colours_from_the_tokens(name: str) -> None:
    css = list_assets()[name].read_text()
    assert [found for found in _SIDES.findall(css) if found not in ("start", "end", "center")] == []
    assert name == "tokens.css" or re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", css) == []


@in_turn("name", ["tokens.css", "mark.svg"])
def test_styles_and_pictures_get_the_brands_colour(name: str) -> None:
    sent = read_asset(name).decode()
    assert BRAND in sent
    assert "$" not in sent
