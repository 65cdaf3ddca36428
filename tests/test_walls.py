"""The import contracts of setup.cfg: they hold, each of them breaks when its wall does, none forgets a blueprint."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("api", "configs", "crawler", "deploy", "notifier")
CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / "setup.cfg")
BREACHES = [
    ("configs", "configs/clock.py", "api.models.base"),
    ("configs", "configs/clock.py", "flask"),
    ("configs", "configs/clock.py", "scrapy"),
    ("records", "api/models/check.py", "api.tokens"),
    ("records", "api/models/check.py", "rq"),
    ("records", "api/models/check.py", "flask"),
    ("tables", "crawler/scheduling/intervals.py", "api.tokens"),
    ("tables", "notifier/gsm.py", "api.migrations"),
    ("front-door", "crawler/scheduling/intervals.py", "notifier.jobs"),
    ("front-door", "api/tokens.py", "notifier.delivery.delivery"),
    ("programs", "notifier/gsm.py", "crawler.scheduling.intervals"),
    ("programs", "deploy/local/ports.py", "api.app"),
    ("blueprints", "api/accounts.py", "api.alerts"),
    ("flask", "crawler/parsing/html_text.py", "flask"),
    ("scrapy", "notifier/gsm.py", "scrapy"),
    ("sendgrid", "notifier/channels/sms.py", "sendgrid"),
    ("twilio", "api/tokens.py", "twilio"),
    ("platforms", "crawler/platforms/another.py", "crawler.platforms.ezbooking"),
    ("readers", "crawler/platforms/keldoc.py", "socket"),
    ("readers", "crawler/platforms/keldoc.py", "configs.clock"),
    ("readers", "crawler/platforms/keldoc.py", "scrapy"),
    ("channels", "notifier/channels/email.py", "notifier.channels.sms"),
    ("spiders", "crawler/spiders/another.py", "crawler.spiders.prefenligne"),
    ("sandbox", "deploy/sandbox/clock.py", "configs.clock"),
]


def names() -> dict[str, str]:
    prefix = "importlinter:contract:"
    return {
        section.removeprefix(prefix): CONTRACTS[section]["name"]
        for section in CONTRACTS.sections()
        if section.startswith(prefix)
    }


def lint(root: Path) -> str:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(
        command, cwd=root, env={"COLUMNS": "300"}, capture_output=True, text=True, timeout=100
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def breached(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the contracts say of a tree in which every wall is broken."""
    root = tmp_path_factory.mktemp("walls")
    shutil.copy(ROOT / "setup.cfg", root)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for _, file, module in BREACHES:
        with (root / file).open("a") as opened:
            opened.write(f"\nimport {module}\n")
    return lint(root)


def test_every_contract_has_a_breach_here() -> None:
    assert {contract for contract, _, _ in BREACHES} == set(names())


@pytest.mark.parametrize(("contract", "file", "module"), BREACHES)
def test_a_contract_breaks_when_its_wall_does(breached: str, contract: str, file: str, module: str) -> None:
    name = names()[contract]
    assert f"{name} BROKEN" in breached
    # headings are underlined
    texts = re.split(r"\n(.+)\n-{5,}\n", breached.partition("Broken contracts")[2])
    section = texts[texts.index(name) + 1]
    importer = file.removesuffix(".py").replace("/", ".")
    assert re.search(rf"{importer} -> {module}\b", section), section


def test_the_list_of_blueprints_is_whole() -> None:
    made = re.compile(r"^blueprint = (API)?Blueprint\(", re.MULTILINE)
    found = {f"api.{file.stem}" for file in (ROOT / "api").glob("*.py") if made.search(file.read_text())}
    assert found == set(CONTRACTS["importlinter:contract:blueprints"]["protected_modules"].split())
