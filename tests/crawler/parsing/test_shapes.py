import pytest

from crawler.parsing.shapes import KIND_TOWN_NAME, PAGE, shaped


@pytest.mark.parametrize(
    "url", ["https://x.example", "https://x.example/", "https://x.example//?a=/b", "ftp://x/a"]
)
def test_a_home_page_is_nobodys_desk(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no Kiosk address: it must be https://<site>/<name>$"):
        shaped(url, PAGE, "Kiosk", "<name>")


def test_what_has_the_shape_says_what_it_holds() -> None:
    assert shaped("https://x.example/a", PAGE, "Kiosk", "<name>")[0] == "https://x.example/a"
    assert shaped("https://x.example/town-hall/paris/main?a=1", KIND_TOWN_NAME, "Kiosk", "")["name"] == "main"
