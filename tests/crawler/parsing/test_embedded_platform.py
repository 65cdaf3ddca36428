"""The handover to an embedded platform, and pages without one."""

import pytest

from crawler.parsing.embedded_platform import Handover, hand_over
from crawler.reading import Outcome, VisitContext
from tests.crawler.pages import TODAY

OURS = "https://www.doctolib.fr/prefecture/paris/guichet"


def visit(url: str = "https://www.prefecture.invalid/rendez-vous") -> VisitContext:
    return VisitContext(url, TODAY, parameters=Handover(platform="doctolib", parameters={"motives": [7]}))


def test_the_first_frame_on_the_platforms_own_site_is_asked_with_the_platforms_parameters() -> None:
    frames = (
        "https://www.youtube.com/a/b/c",
        "https://partners.doctolib.fr/prefecture/paris/guichet?pid=1",
        OURS,
    )
    embedded, inner, reading = hand_over(visit(), frames)
    assert (embedded.SYSTEM, inner.url, inner.parameters.motives) == ("doctolib", frames[1], (7,))
    assert [ask.url for ask in reading.asks] == ["https://partners.doctolib.fr/booking/guichet.json"]


@pytest.mark.parametrize(
    "frame",
    [
        "http://www.doctolib.fr/prefecture/paris/guichet",  # anybody on the way could write it
        "https://doctolib.fr.example.org/prefecture/paris/guichet",
        "https://notdoctolib.fr/prefecture/paris/guichet",
        "https://www.doctolib.fr/",
        "http://127.0.0.1:5432/prefecture/paris/guichet",
        "http://169.254.169.254/prefecture/paris/guichet",
        "https://10.0.0.1/prefecture/paris/guichet",
        "https://www.doctolib.fr@10.0.0.1/prefecture/paris/guichet",
        "file:///prefecture/paris/guichet",
        "https://[::1/prefecture/paris/guichet",
    ],
)
def test_no_other_frame_is_followed(frame: str) -> None:
    reading = hand_over(visit(), (frame,))[2]
    assert (reading.outcome, reading.asks) == (Outcome.UNREADABLE, ())
    assert reading.reason == f"embeds no page of doctolib: {frame}"


def test_a_stand_ins_page_may_embed_a_stand_in() -> None:
    stand_in = "http://127.77.4.1:8800/prefecture/paris/guichet"
    assert hand_over(visit("http://127.77.4.9:8800/rendez-vous"), (stand_in,))[2].asks
