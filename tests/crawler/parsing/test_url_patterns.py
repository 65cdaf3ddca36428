import pytest

from crawler.parsing.url_patterns import KIND_TOWN_NAME, PAGE, api_of, match_address


@pytest.mark.parametrize(
    "url", ["https://x.example", "https://x.example/", "https://x.example//?a=/b", "ftp://x/a"]
)
def test_a_home_page_is_nobodys_desk(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no Kiosk address: it must be https://<site>/<name>$"):
        match_address(url, PAGE, "Kiosk", "<name>")


def test_what_has_the_shape_says_what_it_holds() -> None:
    assert match_address("https://x.example/a", PAGE, "Kiosk", "<name>")[0] == "https://x.example/a"
    assert (
        match_address("https://x.example/town-hall/paris/main?a=1", KIND_TOWN_NAME, "Kiosk", "")["name"]
        == "main"
    )


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://rdv.example/search?a=1", "https://api.rdv.example"),
        ("https://api.rdv.example/", "https://api.rdv.example"),
        ("http://127.0.0.1:8800/x", "http://127.0.0.1:8800"),
    ],
)
def test_a_sites_api_answers_beside_it_and_a_stand_ins_where_it_is(url: str, api: str) -> None:
    assert api_of(url, "https://rdv.example/", "the search") == api


@pytest.mark.parametrize(
    "url",
    ["http://rdv.example/", "https://rdv.example.evil/", "https://a@rdv.example/", "https://x.example/"],
)
def test_no_other_site_is_asked_as_that_api(url: str) -> None:
    with pytest.raises(ValueError, match=f"^{url} is not the search: write https://rdv.example/$"):
        api_of(url, "https://rdv.example/", "the search")
