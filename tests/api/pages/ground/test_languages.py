from flask import Flask, url_for

from api.middleware.languages import choose_language, use_account_language
from tests.clients import Browser
from tests.in_turn import in_turn


@in_turn(
    "query, header, account, answer",
    [
        ("", "", None, "fr"),
        ("", "en-GB,en;q=0.9", None, "en"),
        ("", "ar-MA", None, "ar"),
        ("", "de", None, "fr"),
        ("", "fr-FR,en-US;q=0.7,en;q=0.3", None, "fr"),
        ("", "ar-MA,fr;q=0.5", None, "ar"),
        ("", "en-GB,fr;q=0.9", None, "en"),
        ("", "fr-CA, en;q=0.9", None, "fr"),
        ("", "fr;q=0.4, AR_ma;q=0.6", None, "ar"),
        ("", "de,en;q=0.5", None, "en"),
        ("", "de-CH,*;q=0.5,ar;q=0", None, "fr"),
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
