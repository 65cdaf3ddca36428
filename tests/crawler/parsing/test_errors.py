import pytest

from configs.outcome import Outcome
from crawler.parsing.errors import error_message, read_error_status
from crawler.reading import Reading
from tests.crawler.pages import page


@pytest.mark.parametrize("status", [200, 204, 399])
def test_a_page_without_an_errors_status_is_to_be_read(status: int) -> None:
    assert read_error_status(page("x", status=status), entry=True) is None


@pytest.mark.parametrize("status", [404, 410])
def test_a_desk_whose_own_address_is_gone_is_closed(status: int) -> None:
    assert read_error_status(page("x", status=status), entry=True) == Reading(
        Outcome.CLOSED, f"HTTP {status}"
    )
    said = read_error_status(page("x", status=status), entry=True, gone="there is no such procedure")
    assert said == Reading(Outcome.CLOSED, f"HTTP {status}: there is no such procedure")


@pytest.mark.parametrize(
    ("status", "entry"), [(404, False), (410, False), (400, True), (403, True), (503, True)]
)
def test_any_other_error_proves_nothing(*, status: int, entry: bool) -> None:
    said = read_error_status(page("Aucun créneau", status=status), entry=entry, gone="never said")
    assert said is not None
    assert said.silent


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"detail": "no such place"}', "no such place"),
        ('{"detail": null, "details": "no such radius"}', "no such radius"),
        ('{"detail": [{"loc": ["query"]}]}', "[{'loc': ['query']}]"),
        (f'{{"detail": "{"x" * 300}"}}', "x" * 200),
        ('{"error": "never"}', ""),
        ("[]", ""),
        ("<html>", ""),
    ],
)
def test_what_a_server_says_of_its_error_stands_under_a_known_key(body: str, said: str) -> None:
    assert error_message(page(body, status=404), "detail", "details") == said
