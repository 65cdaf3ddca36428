"""None of our files has the State's look."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SEEN = {".css", ".html", ".jinja", ".js", ".py", ".svg", ".txt", ".webmanifest", ".yaml"}
# The design system of the State, its typeface and its blue: none may be used by a private service.
STATE = re.compile(r"dsfr|marianne[^ -]|#000091", re.IGNORECASE)


def test_what_people_see_has_no_file_typeface_or_colour_of_the_state() -> None:
    files = [path for each in ("api", "notifier") for path in (ROOT / each).rglob("*")]
    looks = [path for path in files if path.suffix in SEEN]
    assert len(looks) > 100
    assert [path.name for path in looks if STATE.search(path.read_text(encoding="utf-8"))] == []
