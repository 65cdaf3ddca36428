"""The help of our commands' options (`scrapy COMMAND -h`)."""

import argparse
import re

import pytest
from scrapy.cmdline import _get_commands_dict
from scrapy.commands import ScrapyCommand
from scrapy.settings import Settings

SETTINGS = Settings({"COMMANDS_MODULE": "crawler.commands"})
OURS = {
    name: command
    for name, command in _get_commands_dict(SETTINGS, inproject=True).items()
    if type(command).__module__.startswith("crawler.")
}


@pytest.mark.parametrize("name", OURS)
def test_no_line_of_it_can_end_in_a_colon_which_scrapy_prints_as_a_heading(name: str) -> None:
    shown = [action.help or "" for action in _options(OURS[name]) if "-h" not in action.option_strings]
    assert [text for text in shown if re.search(r":(\s|$)", text)] == []


@pytest.mark.parametrize("name", OURS)
def test_its_first_line_names_its_arguments_or_nothing(name: str) -> None:
    assert re.fullmatch(r"[^\s].*|", OURS[name].syntax())


def _options(command: ScrapyCommand) -> list[argparse.Action]:
    parser = argparse.ArgumentParser()
    command.settings = SETTINGS
    command.add_options(parser)
    scrapys = next(group for group in parser._action_groups if group.title == "Global Options")
    return [action for action in parser._actions if action not in scrapys._group_actions]
