"""Watches of real desk files and a real Redis; periods are short, and trial starts are real where a test says so."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from api.middleware.desk_files import read_again
from configs.clock import clock
from configs.deployed_files import desk_files_version
from configs.file_watch import FileWatch, end_for_newer_files
from configs.prefecture import desks, keep_desk_files, reload_desk_files
from configs.prefecture_file import PrefectureFileError
from configs.refused_files import KEY, read_refusals
from configs.start_trial import hide_folders, list_problems, try_start
from tests.waiting import until

if TYPE_CHECKING:
    from configs.desk import Desk

EVRY = "evry-courcouronnes_91"
READ = "configs.prefecture.prefectures"


@pytest.fixture
def files(folder: Path, settings_env: Callable[..., None], redis_server: redis.Redis) -> Path:
    settings_env(PREFECTURES_DIR=folder, DEPLOY_SETTLE_SECONDS="0.05", FILES_SECONDS="0.02")
    return folder


@pytest.fixture
def make(files: Path, redis_server: redis.Redis) -> Callable[..., FileWatch]:
    """Return a function that makes a watch of the desk files; it tries them by `try_files`."""
    return lambda try_files=lambda: "", program="planner": FileWatch(
        program, try_files, desk_files_version, client=redis_server
    )


@pytest.fixture(autouse=True)
def _kept() -> Iterator[None]:
    yield
    keep_desk_files(keep=False)


def settle(watch: FileWatch) -> bool:
    """Look until the watch has decided about the files that are there; tell whether it wants them."""
    found: list[bool] = []
    tries: list[int] = []
    inner = watch._try

    def count() -> str:
        tries.append(1)
        return inner()

    watch._try = count

    def has_decided() -> bool:
        found.append(watch.find_newer())
        return bool(tries) or watch.accepted == desk_files_version()

    until(has_decided)
    watch._try = inner
    return any(found)


def raise_away(*_: object) -> None:
    raise redis.ConnectionError


def add_desk(folder: Path, slug: str = "passeport") -> None:
    """Add a desk like the first one to the file."""
    path = folder / f"{EVRY}.yaml"
    text = path.read_text("utf-8")
    begin = text.index("  - slug: naturalisation")
    end = text.find("  - slug:", begin + 1)
    copied = text[begin : end if end > 0 else None].replace("slug: naturalisation", f"slug: {slug}")
    path.write_text(f"{text[:begin]}{copied}{text[begin:]}", "utf-8")


def test_files_that_did_not_change_are_not_tried(make: Callable[..., FileWatch]) -> None:
    watch = make(lambda: pytest.fail("they are what runs"))
    assert not watch.find_newer()


def test_newer_files_count_once_they_have_settled(make: Callable[..., FileWatch], files: Path) -> None:
    watch = make()
    add_desk(files)
    assert not watch.find_newer()
    assert settle(watch)
    assert not watch.find_newer()
    assert watch.accepted == desk_files_version()


def test_files_that_change_all_the_time_are_not_tried(
    make: Callable[..., FileWatch], files: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(PREFECTURES_DIR=files, DEPLOY_SETTLE_SECONDS="60")
    watch = make(lambda: pytest.fail("half a deploy is no version"))
    for number in range(5):
        add_desk(files, f"desk-{number}")
        assert not watch.find_newer()


def test_refused_files_are_reported_until_they_are_mended(
    make: Callable[..., FileWatch], files: Path, redis_server: redis.Redis
) -> None:
    why = ["evry.yaml:3: tier: must be 1 to 3"]
    watch = make(lambda: why[0])
    add_desk(files)
    assert not settle(watch)
    (report,) = read_refusals(redis_server)
    assert (report.program, report.reason) == ("planner", why[0])
    since = report.since
    redis_server.delete(KEY)
    assert not watch.find_newer()  # it is not tried again at once, and reported each time
    assert [each.since for each in read_refusals(redis_server)] == [since]
    why[0] = ""
    add_desk(files, "visa")
    assert settle(watch)
    assert read_refusals(redis_server) == []


def test_files_that_are_taken_back_need_no_start(
    make: Callable[..., FileWatch], files: Path, redis_server: redis.Redis
) -> None:
    watch = make(lambda: "wrong")
    before = (files / f"{EVRY}.yaml").read_text("utf-8")
    add_desk(files)
    settle(watch)
    (files / f"{EVRY}.yaml").write_text(before, "utf-8")
    os.utime(files / f"{EVRY}.yaml", (1, 1))
    assert not watch.find_newer()
    assert read_refusals(redis_server) == []


def test_what_was_refused_is_tried_again(
    make: Callable[..., FileWatch], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("configs.file_watch._TRY_AGAIN", 0.05)
    answers = ["the tables are of revision 1", ""]
    watch = make(lambda: answers.pop(0))
    add_desk(files)
    assert not settle(watch)
    until(watch.find_newer)


def test_files_that_change_during_their_trial_are_tried_again(
    make: Callable[..., FileWatch], files: Path
) -> None:
    def disturb() -> str:
        add_desk(files, "visa")
        return ""

    watch = make(disturb)
    add_desk(files)
    assert not settle(watch)
    watch._try = lambda: ""
    assert settle(watch)


def test_a_redis_that_is_away_delays_no_file(
    make: Callable[..., FileWatch], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = make(lambda: "wrong")
    monkeypatch.setattr("configs.file_watch.publish_refusal", raise_away)
    monkeypatch.setattr("configs.file_watch.withdraw_refusal", raise_away)
    add_desk(files)
    assert not settle(watch)
    watch._try = lambda: ""
    add_desk(files, "visa")
    assert settle(watch)


def test_a_watch_ends_its_program_and_survives_errors(
    make: Callable[..., FileWatch], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, stop = make(), threading.Event()
    read, errors = watch._read, [OSError("the disk hangs")]

    def fail_once() -> str:
        if errors:
            raise errors.pop()
        return read()

    watch._read = fail_once
    add_desk(files)
    watch.start(stop, partial(end_for_newer_files, stop))
    assert stop.wait(20)


def test_a_report_of_long_ago_is_none(
    make: Callable[..., FileWatch], files: Path, redis_server: redis.Redis
) -> None:
    watch = make(lambda: "wrong")
    add_desk(files)
    settle(watch)
    (report,) = read_refusals(redis_server)
    for at in (clock() - timedelta(minutes=2), clock() + timedelta(minutes=2)):
        redis_server.hset(KEY, "planner@one", report.model_copy(update={"at": at}).model_dump_json())
        assert len(read_refusals(redis_server)) == 1


# Trial starts


def test_a_trial_start_says_what_is_wrong_without_folders(
    files: Path, edit: Callable[[str, str], int]
) -> None:
    assert try_start("configs.prefecture", [READ]) == ""
    line = edit("tier: 1", "tier: 9")
    found = try_start("configs.prefecture", [READ])
    assert found.startswith(f"{EVRY}.yaml:{line}: tier: ")
    assert str(files) not in found


def test_a_trial_start_names_an_error_of_new_code_by_its_class_alone(files: Path) -> None:
    assert try_start("configs.no_such_module", []) == "it does not start (ModuleNotFoundError)"


def test_a_trial_start_that_hangs_is_ended(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.start_trial._SECONDS", 0.01)
    assert try_start("configs.prefecture", [READ]) == "it does not start within 0.01 s"


def test_of_many_problems_the_first_are_named() -> None:
    assert list_problems(["a", "b\n\x1b[2J", "c", "d", "e"]) == "a; b [2J; c; 2 more"
    assert len(list_problems(["x" * 10_000])) < 400
    assert hide_folders("/one/two/a.yaml and /one/two", Path("/one/two")) == "a.yaml and two"


# Files that are read again in the same process, as the API does


def test_files_are_read_again_whole_or_not_at_all(files: Path, edit: Callable[[str, str], int]) -> None:
    before = dict(desks())
    add_desk(files)
    assert desks() == before
    shutil.copy(files / f"{EVRY}.yaml", files / "bobigny_93.yaml")  # its department is another's
    with pytest.raises(PrefectureFileError, match=r"bobigny_93\.yaml"):
        reload_desk_files()
    assert desks() == before
    (files / "bobigny_93.yaml").unlink()
    reload_desk_files()
    assert desks().keys() - before.keys() == {f"{EVRY}/passeport"}


def test_half_a_file_and_a_folder_that_is_away_change_nothing(files: Path) -> None:
    before, path = dict(desks()), files / f"{EVRY}.yaml"
    text = path.read_text("utf-8")
    path.write_text(text[: text.index("slug: naturalisation") + 4], "utf-8")
    assert read_again().startswith(f"{EVRY}.yaml:")
    files.rename(files.with_name("away"))
    assert read_again() == "prefectures: holds no <id>.yaml: check PREFECTURES_DIR"
    assert desks() == before
    files.with_name("away").rename(files)
    path.write_text(text, "utf-8")
    assert read_again() == ""


def test_who_has_begun_keeps_the_files_of_its_beginning(files: Path) -> None:
    keep_desk_files(keep=True)
    before = desks()
    add_desk(files)
    reload_desk_files()
    assert desks() is before
    seen: list[dict[str, Desk]] = []
    other = threading.Thread(target=lambda: seen.append(desks()))
    other.start()
    other.join()
    assert len(seen[0]) == len(before) + 1
    keep_desk_files(keep=False)
    assert desks() is seen[0]


def test_files_that_change_while_they_are_read_are_read_once_more(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from configs import prefecture

    load, changes = prefecture._load, ["visa", "passeport"]

    def disturb(folder: Path, hosts: Path) -> prefecture._World:
        found = load(folder, hosts)
        if changes:
            add_desk(files, changes.pop())
        return found

    monkeypatch.setattr(prefecture, "_load", disturb)
    reload_desk_files()
    assert {f"{EVRY}/visa", f"{EVRY}/passeport"} < desks().keys()


def test_files_that_never_stand_still_are_refused(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from configs import prefecture

    versions = iter(range(100))
    monkeypatch.setattr(prefecture, "desk_files_version", lambda: next(versions))
    with pytest.raises(PrefectureFileError, match="changes all the time"):
        reload_desk_files()
