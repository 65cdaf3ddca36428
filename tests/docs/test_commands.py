"""Commands of the docs, run from their pages against the stand-ins.

Each block in `sh` runs, says behind its language why it cannot (`sh not run: …`), or calls `compose`: `make drill` does.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from api.models.slot import Detection
from deploy.local.processes import free_port
from deploy.local.seed import seed
from deploy.local.stack import ROOT, Stack
from deploy.sandbox import addresses
from tests.in_turn import in_turn
from tests.lab.bench.latency import hasty, open_slot
from tests.sample_desk_files import only
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, quiet_stack
from tests.whole.visitor import Visitor

JOINED = (
    "docs/api.md",
    "docs/operations.md",
    "docs/stand-ins.md",
)  # pages whose commands are about `make run`
ALONE = ("README.md", "docs/adding-a-prefecture.md")  # pages that start the stand-ins themselves
NEEDED = ("curl", "jq", "psql")  # what they call and no wheel brings
BLOCK = re.compile(r"^ *```(sh|sql)(?: not run: (\S[^\n]*))?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"`((?:scrapy|flask|make|python -m) [^`\n…]*)`")
# Sections whose text has commands
OPERATED = (
    "Monitoring: make status, health, SQL", "Tasks", "Operating by the pages", "Before opening", "Tasks by occasion",
    "Processes", "Troubleshooting: what dies, hangs or is full",
)  # fmt: skip
# Commands in the text of a page that cannot run here, and why.
_OF_THE_STACK = "the stack runs it already"
_SHOWN = "a word about a command that a block or another section shows"
NOT_RUN = {
    "flask forget": "it deletes an account for good",
    'flask transfer ORDER-NUMBER CENTS "reference of the transfer"': "it needs a payment that owes one",
    "make chaos": "a journey of its own",
    "make lint": "what comes before every test",
    "make browser": "it installs a browser",
    "make run": _OF_THE_STACK,
    "python -m api.jobs": _OF_THE_STACK,
    "python -m api.migrations upgrade --logins": "it makes logins, which the embedded server has not",
    "python -m api.stream": _OF_THE_STACK,
    "python -m crawler.loops": _OF_THE_STACK,
    "python -m crawler.proofs": _OF_THE_STACK,
    "python -m deploy.backup run": "it runs until it is stopped",
    "python -m deploy.scrapyd": _OF_THE_STACK,
    "python -m notifier.workers": _OF_THE_STACK,
    "python -m notifier.workers --only worker-many": "it ends with its terminal",
    "scrapy crawl discovery": "it walks for hours",
    "scrapy crawl prefenligne": "it runs until it is stopped",
    "scrapy detect": _SHOWN,
    "scrapy detect URL": _SHOWN,
    "scrapy proof": _SHOWN,
}


def read_page(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def find_blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page that are to run."""
    found = BLOCK.findall(read_page(page))
    return [text for named, why, text in found if named == language and not why and "compose" not in text]


def find_commands(page: str, *headings: str) -> list[str]:
    """Return the whole commands in the text of these sections of a page, in their order."""
    sections = BLOCK.sub("", read_page(page)).split("\n## ")
    text = "\n".join(next(each for each in sections if each.startswith(f"{name}\n")) for name in headings)
    return [each for each in dict.fromkeys(COMMAND.findall(text)) if each not in NOT_RUN]


@in_turn("page", sorted(str(each.relative_to(ROOT)) for each in (ROOT / "docs").rglob("*.md")), str)
def test_a_page_with_commands_that_can_run_is_run(page: str) -> None:
    if page not in ("docs/deployment.md", "docs/scaling.md"):  # of whole servers: the drill's
        assert page in (*JOINED, *ALONE) or find_blocks(page, "sh") == []


def make_place(folder: Path, state: Path) -> Path:
    """Make a folder that a shell takes for the tree, whose `.state` is a folder of the test's."""
    _link_all(ROOT, folder, but=(".state", ".venv"))
    _link_all(ROOT / ".venv", folder / ".venv", but=(".ready",))
    (folder / ".venv" / ".ready").touch()  # whatever changed since: `make setup` has nothing to do
    (folder / ".state").symlink_to(state)
    return folder


def _link_all(source: Path, target: Path, but: Collection[str]) -> None:
    target.mkdir()
    for each in source.iterdir():
        if each.name not in but:
            (target / each.name).symlink_to(each)


def run(script: str, place: Path, moved: Mapping[str, str]) -> str:
    """Have one shell run it, as who reads the page; return what it prints. A command that fails ends it."""
    for usual, here in moved.items():
        script = script.replace(usual, here)
    (place / ".curlrc").write_text("fail-with-body\n")  # as an answer of 400 is no success
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH")}
    log = place.with_suffix(".log")
    with log.open("wb") as sink:
        shell = subprocess.Popen(
            ["bash", "-euxo", "pipefail", "-c", script], cwd=place, env=kept | {"CURL_HOME": str(place)},
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(400)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)  # what it left running
            shell.wait()
    assert code == 0, log.read_text("utf-8")
    return log.read_text("utf-8")


def on_stand_ins(test: Callable[..., None]) -> Callable[..., None]:
    """Make a test a journey that needs the programs which the pages call."""
    missing = [each for each in NEEDED if not shutil.which(each)]
    marks = [*STACK_JOURNEY, pytest.mark.skipif(bool(missing), reason=f"install {missing}")]
    for mark in marks:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with quiet_stack(lambda text: only("ezbooking", hasty(text))) as made:
        seed(made)
        yield made


@pytest.fixture
def joined(stack: Stack, tmp_path: Path) -> Callable[[str], str]:
    """Return what runs a script where `make run` would be at work."""
    moved = {
        "127.0.0.1:4000": f"127.0.0.1:{stack.ports.api}",
        f"127.0.0.1:{addresses.INBOX_PORT}": f"127.0.0.1:{stack.ports.inbox}",
        "flask admin person@example.org": "flask admin person@example.org --another",  # the seed has an admin
        "rdv-prefecture.example.fr:443": f"127.77.0.91:{stack.ports.sites}",
    }
    place = make_place(tmp_path / "tree", stack.state)
    return lambda script: run(script, place, moved)


@on_stand_ins
def test_the_sessions_of_the_api_end_with_what_they_promise(joined: Callable[[str], str]) -> None:
    first, second = find_blocks("docs/api.md", "sh")
    said = joined(f"{first}\n{second}")
    assert re.search(r"^email\tnadia@example\.org\t", said, re.MULTILINE)
    assert '"found"\n' in said
    assert '"plan": "URGENCE_TOTAL"' in said


@on_stand_ins
def test_the_commands_of_operators_work(stack: Stack, joined: Callable[[str], str]) -> None:
    Visitor(stack, "person@example.org").register()
    open_slot(stack)
    with session() as s:
        proof = until(
            lambda: s.scalar(sa.select(Check.proof_key).where(Check.proof_key.is_not(None)).limit(1))
        )
        seen = until(lambda: s.scalar(sa.select(Detection.id).limit(1)))
    shell, grep = find_blocks("docs/operations.md", "sh")
    grep = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(seen), grep)
    commands = [each.replace("KEY", proof) for each in find_commands("docs/operations.md", *OPERATED)]
    said = joined("\n".join([shell, *commands, grep]))
    assert "matched" in said
    assert "permission denied" not in said  # which `make status` shows as a part that is down


@on_stand_ins
def test_queries_of_operators_fit_the_tables(stack: Stack) -> None:
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    with engine.connect() as opened:  # which nothing commits
        for block in find_blocks("docs/operations.md", "sql"):
            opened.execute(sa.text(block))


@on_stand_ins
def test_stand_ins_are_broken_as_their_page_says(joined: Callable[[str], str]) -> None:
    assert joined("\n".join(find_blocks("docs/stand-ins.md", "sh")))


@on_stand_ins
def test_messages_are_written_to_a_page(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    place = make_place(tmp_path / "tree", tmp_path / "state")
    run("\n".join(find_commands("docs/adding-a-message.md", "A kind", "A language")), place, {})
    assert (tmp_path / "state" / "messages" / "index.html").exists()


@on_stand_ins
@pytest.mark.parametrize("page", ALONE)
def test_one_desk_is_checked_by_hand(page: str, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    place = make_place(tmp_path / "tree", tmp_path / "state")
    sites = free_port()
    free = f"--sites-port {sites} --providers-port 0 --inbox-port 0"
    moved = {"-m deploy.sandbox": f"-m deploy.sandbox {free}", f":{addresses.SITES_PORT}": f":{sites}"}
    said = run("\n".join(find_blocks(page, "sh")), place, moved)
    assert "no_slots" in said


@pytest.mark.journey
def test_a_new_server_is_prepared_as_its_page_says(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    blocks = [text for _, _, text in BLOCK.findall(read_page("docs/deployment.md"))]
    (own,) = (each for each in blocks if "scrapy desks" in each)
    assert "www.essonne.gouv.fr:443" in run(own, make_place(tmp_path / "tree", tmp_path / "state"), {})
    origin, server = tmp_path / "origin", tmp_path / "server"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, origin], check=True)
    subprocess.run(["git", "-C", origin, "tag", "--force", "v1", "HEAD"], check=True)
    server.mkdir()
    moved = {
        "https://git.example.org/rdvpriority.git": str(origin),
        "cloud-init status --wait": "true",
        "/opt/": f"{server}/opt/",
        "/etc/": f"{server}/etc/",
    }
    (prepared,) = (each for each in blocks if "git clone" in each)
    said = run(prepared, server, moved)
    assert "to be filled in" in said
    assert "\nRELEASE=v1\n" in (server / "etc" / "rdvpriority" / "settings.env").read_text("utf-8")
