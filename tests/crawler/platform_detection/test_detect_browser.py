"""`scrapy detect --browser` with a real Chromium, in a separate process because it installs a reactor."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.crawler.commanded import scrapy
from tests.crawler.wire import answer, wire

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

ROOT = Path(__file__).parents[3]
_SCRIPTED = b"""<html><head><title>Mairie</title></head><body><main></main><script>
document.querySelector("main").innerHTML = '<p><a href="/booking/create/7">Naturalisation</a></p>';
</script></body></html>"""


def detected(browser: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "APP_ENV": "test", "BROWSER_PATH": str(browser)}
    command = [sys.executable, "-m", "scrapy", "detect", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100)


@pytest.mark.journey
@pytest.mark.xdist_group("browser")
@pytest.mark.processes
def test_what_only_a_script_shows_is_found_by_a_browser_and_no_private_network_is_opened(
    browser: Path,
) -> None:
    with wire(answer(_SCRIPTED)) as site:
        without = detected(browser, site.address)
        assert (without.returncode, without.stdout.partition("\n")[0]) == (1, "# platform unknown")
        done = detected(browser, site.address, "--browser")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout.startswith(f"# ezbooking: {site.address}/booking/create/7\n")
    assert "procedures: [NATURALISATION]" in done.stdout
    frame = b'<html><title>Rendez-vous</title><iframe src="http://169.254.169.254/rdv"></iframe></html>'
    with wire(answer(frame)) as site:
        refused = detected(browser, site.address, "--browser")
    assert (refused.returncode, "169.254.169.254 is not on the public internet" in refused.stdout) == (
        1,
        True,
    )


def test_without_a_browser_it_says_how_to_get_one(
    settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings_env(BROWSER_PATH=tmp_path / "none")
    detect = partial(scrapy, capsys, "detect")
    code, out, err = detect("http://127.0.0.1:9/", "--browser")
    assert (code, "--browser: BROWSER_PATH names" in out + err) == (2, True)
    code, out, err = detect("--file", "setup.cfg", "--browser")
    assert (code, "leave it out with --file" in out + err) == (2, True)


@pytest.mark.journey
@pytest.mark.xdist_group("browser")
@pytest.mark.processes
def test_what_a_page_posts_by_itself_completes_its_desk_from_a_link_too(
    browser: Path, sandbox: "Running"
) -> None:
    address = f"{sandbox.site('orion')}/orion-reservation/slots?account=SANDBOX&config=REMISE995101&usemode=app&code=V1"
    linking = f'<html><title>Rendez-vous</title><a href="{address.replace("&", "&amp;")}">Remise de titre</a></html>'
    with wire(answer(linking.encode(), Content_Type="text/html")) as site:
        done = detected(browser, site.address, "--browser")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert f"looking at {address}\n" in done.stderr
    (entry,) = yaml.safe_load(done.stdout)
    assert "# NO_SLOTS: " in done.stdout
    purpose = {"id": "purpose-995101", "name": "Remise de titre"}
    assert "watch" not in entry
    assert entry["parameters"] == {"config": "config-995101", "purposes": [purpose], "duration": 20}
