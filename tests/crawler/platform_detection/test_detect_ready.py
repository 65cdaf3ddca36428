"""The entries that detect prints for the stand-ins: copied into a desk file, loaded, and checked as by the crawl."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from configs.outcome import Outcome
from crawler.platforms import platforms
from deploy.sandbox.platforms import platforms as stand_in_platforms
from tests.crawler.commanded import Run
from tests.crawler.held import Held
from tests.crawler.platform_detection.printed import NOBODYS, InService, entries, page_of

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

SOFTWARE = [name for name in sorted(stand_in_platforms()) if name in platforms() and name != NOBODYS]


ASKED_FOR = {"orion", "ants"}  # whose ids no request tells: docs/adding-a-prefecture.md says so of them
CONCLUSIVE = {Outcome.SLOTS, Outcome.NO_SLOTS}


@pytest.mark.parametrize("name", SOFTWARE)
def test_the_platform_of_a_stand_in_is_named_with_an_entry_that_is_ready(
    sandbox: "Running", detect: Run, held: Held, in_service: InService, name: str
) -> None:
    url = page_of(sandbox, name)
    code, out, err = detect(url)
    assert code == 0, out + err
    (entry,) = entries(out)
    assert entry["platform"] == name
    assert entry["url"].startswith(url.rpartition("?")[0] or url)
    desk = in_service(out)
    assert sum(sandbox.reservations(site.code) for site in stand_in_platforms()[name].sites) == 0
    assert (desk.watch == "none") == (name in ASKED_FOR)
    if name in ASKED_FOR:
        assert f"docs/platforms/{name}.md" in (desk.because or "")
        assert "# where to find it: " in out
        return
    item = held.check(desk)
    wanted = {Outcome.CAPTCHA} if desk.watch == "presence" else CONCLUSIVE
    assert item.outcome in wanted, item
    assert f"# {item.outcome.upper()}: " in out


def test_what_orions_page_posts_completes_its_desk(
    sandbox: "Running", detect: Run, tmp_path: Path, held: Held, in_service: InService
) -> None:
    posted = {"configId": "config-995101", "purposes": [{"id": "purpose-995101"}], "duration": 20}
    (tmp_path / "body.json").write_text(json.dumps(posted))
    code, out, _ = detect(page_of(sandbox, "orion"), "--file", tmp_path / "body.json")
    assert code == 0
    assert "# not asked: nothing is, with --file" in out
    desk = in_service(out)
    assert (desk.watch, held.check(desk).outcome) == ("full", Outcome.NO_SLOTS)
