"""The page of notices: their number in the title, read and unread ones, what is new in an open page."""

from uuid import UUID

from api.models.notice import Notice
from api.models.user import User
from configs.ground.clock import clock
from tests.api.notices.test_routes import write_notice
from tests.clients import Browser
from tests.factories import EMAIL, add_account, one, rows

PAGE = "/notifications"


def find_user() -> UUID:
    return one(User, User.email == EMAIL).id


def read_parts(browser: Browser) -> dict[str, str]:
    found: dict[str, str] = (browser.client.get(f"{PAGE}/direct", headers=browser.headers).json or {})[
        "parts"
    ]
    return found


def test_a_page_names_its_stream(camille: Browser) -> None:
    (address,) = [given["data-stream"] for _, given in camille.get(PAGE).tags if "data-stream" in given]
    assert address.endswith("/live/notices")


def test_an_account_without_notices_says_so(camille: Browser) -> None:
    page = camille.get(PAGE)
    assert "Aucune notification pour l’instant" in page.text
    assert page.title.startswith("Notifications")


def test_the_number_of_unread_notices_stands_in_the_title(camille: Browser) -> None:
    for number in range(3):
        write_notice(find_user(), f"Titre {number}")
    page = camille.get(PAGE)
    assert page.title.startswith("(3) Notifications")
    assert "3 notifications non lues" in page.text
    assert page.text.index("Titre 2") < page.text.index("Titre 0")
    assert 'href="/dashboard"' in page.html


def test_what_stands_in_a_notice_is_text(camille: Browser) -> None:
    write_notice(
        find_user(), "<b>Titre</b>", body="<script>x</script>\nhttps://www.essonne.example/a?b=1&c=2"
    )
    html = camille.get(PAGE).html
    assert "<script>x" not in html
    assert "<b>Titre" not in html
    assert 'href="https://www.essonne.example/a?b=1&amp;c=2" rel="noopener noreferrer"' in html


def test_a_notice_whose_slots_are_gone_says_so(camille: Browser) -> None:
    write_notice(find_user(), gone_at=clock())
    assert "Plus disponible" in camille.get(PAGE).text


def test_one_notice_and_then_all_are_marked_as_read(camille: Browser) -> None:
    keys = [write_notice(find_user(), str(number)) for number in range(3)]
    camille.get(PAGE)
    camille.send(f"{keys[1]}/lue")
    assert (camille.status, camille.location) == (303, PAGE)
    assert camille.get(PAGE).title.startswith("(2) ")
    write_notice(find_user(), "unseen")
    camille.send(f"{PAGE}/lues")
    assert {row.title for row in rows(Notice) if row.read_at is None} == {"unseen"}
    assert camille.get(PAGE).title.startswith("(1) ")


def test_the_notice_of_another_user_is_left_alone(camille: Browser) -> None:
    theirs = write_notice(add_account("robin@example.org").id, "Titre")
    write_notice(find_user())
    camille.get(PAGE)
    camille.send(f"{PAGE}/lues", last=str(theirs))
    assert [row.read_at for row in rows(Notice) if row.id == theirs] == [None]


def test_older_notices_are_on_pages_of_their_own(camille: Browser) -> None:
    for number in range(21):
        write_notice(find_user(), f"Titre {number:02}")
    page = camille.get(PAGE)
    assert "Titre 00" not in page.text
    following = next(given["href"] for tag, given in page.tags if given.get("rel") == "next")
    older = camille.get(following)
    assert "Titre 00" in older.text
    assert "data-live" not in older.html


def test_an_open_page_learns_what_is_new(camille: Browser) -> None:
    user_id = find_user()
    before = read_parts(camille)
    assert before["unread"].strip() == ""
    write_notice(user_id, "Titre")
    after = read_parts(camille)
    assert 'data-unread="1"' in after["unread"]
    assert "Titre" in after["notices"]
