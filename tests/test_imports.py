"""Nothing is built at import: no client, no engine, no app, no file, no thread; not even the environment is read."""

import configparser
import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.in_turn import in_turn

pytestmark = pytest.mark.xdist_group("imports")  # or each worker imports everything
ROOT = Path(__file__).resolve().parents[1]
# Alembic runs its files; those of the benchmark start with Scrapy's own.
CODE = """
import importlib, json, pkgutil, sys, threading

done, surplus = [], []
FORBIDDEN = {"socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.system", "sqlite3.connect"}

def watch(event, given):
    if event == "socket.bind" and given[1][1] == 0:
        return  # urllib3 looks whether there is IPv6
    if event in FORBIDDEN or (event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")):
        done.append(f"{event} {given[0]}")

sys.addaudithook(watch)
for modules, absent in json.loads(sys.argv[1]):
    for each in modules.split():
        importlib.import_module(each)
    surplus += [f"{modules}: {each}" for each in absent.split() if each in sys.modules]
import aiohttp, rich.console, structlog, twisted.python.log  # what was left out can be imported afterwards
structlog.get_logger()
names = []
for package in ("api", "configs", "crawler", "deploy", "notifier"):
    for found in pkgutil.walk_packages([f"{ROOT}/{package}"], f"{package}."):
        if not found.name.startswith("api.migrations.") and not found.name.endswith("__main__"):
            names.append(found.name)
            importlib.import_module(found.name)
from api.models.base import engine
from configs.settings import settings
built = [each.__name__ for each in (engine, settings) if each.cache_info().currsize]
threads = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
print(json.dumps({"names": names, "done": done, "built": built, "threads": threads, "surplus": surplus}))
"""
# Modules that programs begin with, and what none of them needs. One process imports them in this order, so that what an
# earlier one loads is found at the later ones, too.
PROGRAMS = [
    ("api.stream.__main__", "flask rich rq sentry_sdk sqlalchemy twisted"),
    ("deploy.backup.__main__", "flask rq scrapy sqlalchemy twisted"),
    ("api.models.all", "flask rq scrapy twisted"),
    (  # what `python -m crawler.loops` imports: none asks a site
        "crawler.loops crawler.spider_processes.keeper crawler.planner crawler.incidents.loop",
        "flask rq scrapy scrapy_redis twisted rich parsel playwright jinja2 requests sentry_sdk",
    ),
    ("notifier.workers", "pygments rich scrapy sentry_sdk twisted"),
    (  # gunicorn loads its hooks first
        "api.web.gunicorn_hooks api.app api.jobs.__main__",
        "aiohttp fontTools fpdf PIL pygments rich scrapy sentry_sdk twisted",
    ),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Import all our modules in a process without an environment and in another directory."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", CODE.replace("{ROOT}", str(ROOT)), json.dumps(PROGRAMS)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=kept | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    programs = {"api.app", "crawler.dispatcher", "deploy.local.stack", "notifier.workers"}
    assert programs < set(answer["names"])
    return answer


@pytest.mark.journey
@in_turn("what", ["done", "built", "threads", "surplus"])
def test_an_import_does_nothing_and_programs_load_only_what_they_need(
    found: dict[str, list[str]], what: str
) -> None:
    assert found[what] == []


@in_turn("package", ["api", "configs", "crawler", "deploy", "notifier"])
def test_no_module_of_a_package_hides_one_of_the_standard_library(package: str) -> None:
    # a program that is started by path has its package's folder at the head of sys.path
    assert {each.stem for each in (ROOT / package).iterdir()} & sys.stdlib_module_names == set()


@pytest.mark.journey
def test_what_scrapyd_imports_of_ours_loads_little() -> None:
    absent = {"pydantic", "sqlalchemy", "redis", "structlog", "yaml"}
    code = f"import sys, crawler.spider_processes.launcher; print({absent!r} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "set()", done.stderr


# The lists of modules in the import contracts of setup.cfg forget none; `make lint` sees that the contracts hold.


CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / "setup.cfg")


def test_routes_are_where_the_contract_looks_for_them() -> None:
    made = re.compile(r"^\w*blueprint = ((API)?Blueprint|make_blueprint)\(|^\w+ = Area\(", re.MULTILINE)
    files = [file for file in (ROOT / "api").rglob("*.py") if made.search(file.read_text())]
    patterns = CONTRACTS["importlinter:contract:routes"]["protected_modules"].split()
    found = [dotted(file) for file in files if not any(fnmatchcase(dotted(file), each) for each in patterns)]
    # helpers of all routes; the blueprint that several files of views share; the frame of operators' pages
    assert sorted(found) == ["api.pages.admin.area", "api.pages.links.area", "api.web.openapi"]
    assert len(files) > 25


def test_each_module_of_the_api_has_its_layer() -> None:
    layers = re.split(r"[\s|:]+", CONTRACTS["importlinter:contract:wings"]["layers"].strip())
    names = [dotted(file) for file in sorted((ROOT / "api").rglob("*.py")) if file.stem != "__init__"]
    found = [
        name
        for name in names
        if not name.startswith(tuple(f"{each}." for each in layers)) and name not in layers
    ]
    assert found == []


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)
