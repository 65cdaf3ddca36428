"""The import contracts of setup.cfg: they hold, each of them breaks when its wall does, none forgets a blueprint."""

import configparser
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("walls")  # or each worker builds the graph of all imports
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("api", "configs", "crawler", "deploy", "notifier")
CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / "setup.cfg")
BREACHES = [
    ("configs", "configs/clock.py", "api.models.base"),
    ("configs", "configs/clock.py", "flask"),
    ("configs", "configs/clock.py", "scrapy"),
    ("records", "api/models/check.py", "api.middleware.auth"),
    ("records", "api/models/check.py", "rq"),
    ("records", "api/models/check.py", "flask"),
    ("tables", "crawler/scheduling/intervals.py", "api.middleware.auth"),
    ("tables", "notifier/errors.py", "api.migrations"),
    ("front-door", "crawler/scheduling/intervals.py", "notifier.jobs"),
    ("front-door", "api/middleware/auth.py", "notifier.delivery.delivery"),
    ("programs", "notifier/errors.py", "crawler.scheduling.intervals"),
    ("programs", "deploy/local/ports.py", "api.app"),
    ("blueprints", "api/grant_command.py", "api.alerts.routes"),
    ("routes", "api/detections/routes.py", "api.proofs.routes"),
    ("nouns", "api/accounts/service.py", "api.alerts.service"),
    ("services", "api/detections/queries.py", "flask"),
    ("services", "api/alerts/service.py", "api.middleware.problems"),
    ("services", "api/admin/users/service.py", "api.admin.access"),
    ("routes", "api/admin/users/routes.py", "api.admin.watch.routes"),
    ("flask", "crawler/parsing/html_text.py", "flask"),
    ("scrapy", "notifier/errors.py", "scrapy"),
    ("sendgrid", "notifier/providers/twilio.py", "sendgrid"),
    ("zxcvbn", "api/auth/service.py", "zxcvbn_rs_py"),
    ("twilio", "api/middleware/auth.py", "twilio"),
    ("web-push", "notifier/web_push/push_client.py", "pywebpush"),
    ("stripe", "api/alerts/service.py", "stripe"),
    ("pages", "api/pages/context.py", "sqlalchemy"),
    ("areas", "api/pages/context.py", "api.pages.sign_in.routes"),
    ("services", "api/payments/ledger.py", "flask"),
    ("nouns", "api/alerts/service.py", "api.payments.ledger"),
    ("pyotp", "api/accounts/service.py", "pyotp"),
    ("fpdf", "api/invoices/pdf_files.py", "fpdf"),
    ("cryptography", "configs/signing.py", "cryptography"),
    ("pyrage", "deploy/local/ports.py", "pyrage"),
    ("platforms", "crawler/platforms/another.py", "crawler.platforms.ezbooking"),
    ("readers", "crawler/platforms/keldoc.py", "socket"),
    ("readers", "crawler/platforms/keldoc.py", "configs.clock"),
    ("readers", "crawler/platforms/keldoc.py", "scrapy"),
    ("channels", "notifier/channels/email.py", "notifier.channels.sms"),
    ("providers", "notifier/providers/sendgrid.py", "notifier.providers.twilio"),
    ("spiders", "crawler/spiders/another.py", "crawler.spiders.prefenligne"),
    ("layers", "crawler/fetching/session.py", "crawler.scheduling.intervals"),
    ("layers", "crawler/hosts/backoff.py", "crawler.recording.slot_diff"),
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
    """Return the output of the contracts for a tree in which every wall is broken."""
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
    files = [file for file in (ROOT / "api").rglob("*.py") if made.search(file.read_text())]
    # a blueprint whose routes are in several files is imported by the one that names them
    found = {dotted(file.with_name("routes.py") if file.stem == "blueprint" else file) for file in files}
    assert found == set(CONTRACTS["importlinter:contract:blueprints"]["protected_modules"].split())


def test_the_list_of_what_is_free_of_flask_is_whole() -> None:
    listed = CONTRACTS["importlinter:contract:services"]["source_modules"].split()
    routes = [file for file in (ROOT / "api").rglob("routes.py") if "pages" not in file.parts]
    nouns = [file.parent for file in routes] + [ROOT / "api" / "admin"]
    modules = {
        dotted(file)
        for noun in nouns
        for file in noun.rglob("*.py")
        if file.stem not in ("__init__", "routes", "blueprint", "access", "actions", "live_report")
        and not file.stem.endswith("_routes")
    }
    assert {each for each in modules if not any(fnmatchcase(each, pattern) for pattern in listed)} == set()
    assert len(nouns) > 5


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)
