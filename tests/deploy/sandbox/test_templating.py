"""The sandbox's HTML: what is put in is escaped, what is missing is an error, every template renders."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

import deploy.sandbox
from deploy.sandbox.platforms.ezbooking.departments import DEPARTMENTS
from deploy.sandbox.platforms.ezbooking.pages import page, progress
from deploy.sandbox.stand_in_types import Form, Planning, StandIn
from deploy.sandbox.templating import render

FOLDER = Path(deploy.sandbox.__file__).parent / "templates"
# Those for every site, and one platform's; those of the others are rendered where their pages are tested.
TEMPLATES = sorted(
    path.relative_to(FOLDER).as_posix() for path in [*FOLDER.glob("*.html"), *FOLDER.glob("ezbooking/*")]
)
EVIL = Form(1, "<script>alert(1)</script>", (Planning(2, '"><b>'), Planning(3, "&amp;")))
PLACE = StandIn("75", "O'Paris <x>", "à Paris", "Paris", "127.77.0.75", (EVIL,))


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_renders_for_every_department(template: str) -> None:
    for department in DEPARTMENTS:
        form = department.forms[0]
        made = render(
            template, site=department, form=form, base="/booking/create/1", prefix="", step=0,
            planning=1, steps=progress(1), title="502 Bad Gateway", reason="x",
            first="01/01/2026", last="07/01/2026", heads=[], rows=[], offered=[("1", "Guichet A")],
        )  # fmt: skip
        assert "</" in made


def test_what_is_put_in_is_escaped() -> None:
    made = page(
        "choice.html", PLACE, EVIL,
        prefix="", step=1, offered=tuple((str(each.number), each.label) for each in EVIL.plannings),
    ).decode()  # fmt: skip
    assert "<script>alert" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
    assert '"><b>' not in made
    assert "&amp;amp;" in made


def test_what_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("gateway.html")


@pytest.mark.parametrize(
    ("current", "done", "marks"),
    [(1, 0, "r-----"), (None, 1, "G-----"), (3, 1, "Gr----"), (4, 3, "GGr---")],
)
def test_the_progress_marks_what_is_done_and_where_one_is(current: int | None, done: int, marks: str) -> None:
    pictures = [picture.rpartition("etape_")[2] for picture, _ in progress(current, done)]
    found = "".join(name[1] if name[1] in "rG" else "-" for name in pictures)
    assert found == marks
    assert [name[0] for name in pictures] == list("134689")


def test_a_page_is_rendered_once() -> None:
    first = page("conditions.html", PLACE, EVIL, prefix="", step=0)
    assert page("conditions.html", PLACE, EVIL, prefix="", step=0) is first
