import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from scrapy.cmdline import _get_commands_dict
from scrapy.settings import Settings

from api.models.desk import DeskStatus
from configs.ground.clock import clock
from crawler.commands.desks import listing, reason_table, state_table
from tests.api.world import PREFECTURES
from tests.crawler.commanded import command
from tests.factories import add_desk
from tests.in_turn import in_turn


@in_turn(
    "arguments, said",
    [
        (("--prefecture", "bobigny"), "no prefecture 'bobigny'; did you mean bobigny_93"),
        (("bobigny_93",), "use --prefecture"),
    ],
)
def test_the_command_ends_with_the_words_and_no_traceback(arguments: tuple[str, ...], said: str) -> None:
    assert said in str(command("desks", *arguments))


def test_how_desks_stand_is_shown_with_their_intervals(
    database: str, capsys: pytest.CaptureFixture[str], frozen: object
) -> None:
    add_desk(
        "creteil_94/naturalisation",
        status=DeskStatus.ACTIVE,
        status_reason="watched: no slot is open",
        wished_seconds=30,
        share_seconds=61.4,
        feasible_seconds=61.4,
        achieved_seconds=63,
        last_check_at=clock(),
        whole_at=clock() - timedelta(seconds=5 * 61.4),
    )
    shown = {line.split()[0]: line.split() for line in listing(None, state_table).splitlines()}
    assert shown["DESK"][:5] == ["DESK", "STATUS", "WISHED", "FEASIBLE", "ACHIEVED"]
    known = next(words for name, words in shown.items() if name == "creteil_94/naturalisation")
    assert known[1:5] == ["ACTIVE", "30", "61", "63"]
    assert known[7] == "yes"
    assert " ".join(known[8:]) == "watched: no slot is open"
    assert any(" ".join(words).endswith("- not planned yet") for words in shown.values())


def test_why_a_desk_is_checked_or_is_not(settings_env: Callable[..., None]) -> None:
    lines = listing(None, reason_table).splitlines()
    assert lines[0].split() == ["DESK", "GRADE", "WATCH", "HOST", "ROBOTS", "WHY"]
    said = {line.split()[0]: line for line in lines[1:]}
    assert "checked; " in said["bobigny_93/titre-sejour-remise"]
    assert said["agen_47/visite-medicale-permis"].endswith("its address is very old, or known to be dead")


def test_what_is_decided_of_a_desks_host_is_listed(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    rule = "{decision: %s, date: 2026-11-20, reason: read by an operator}"
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(f"127.77.0.77:8800:\n  robots: {rule % 'allowed'}\n", encoding="utf-8")
    settings_env(PREFECTURES_DIR=PREFECTURES, HOSTS_FILE=hosts)
    assert " 127.77.0.77:8800  allowed 2026-11-20  checked" in listing("melun_77", reason_table)
    assert " 127.77.0.93:8800  unread " in listing("bobigny_93", reason_table)


SETTINGS = Settings({"COMMANDS_MODULE": "crawler.commands"})
OURS = {
    name: command
    for name, command in _get_commands_dict(SETTINGS, inproject=True).items()
    if type(command).__module__.startswith("crawler.")
}


@in_turn("name", OURS)
def test_its_first_line_names_its_arguments_or_nothing(name: str) -> None:
    assert re.fullmatch(r"[^\s].*|", OURS[name].syntax())
