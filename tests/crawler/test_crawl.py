"""The command's own part: what it decides before a reactor is there."""

import argparse
from collections.abc import Callable

import pytest

from crawler.commands.crawl import Command
from tests.crawler.held import scrapy_settings
from tests.in_turn import in_turn


@pytest.fixture
def _servers(settings_env: Callable[..., None]) -> None:
    """Name the servers that a serving spider needs; nothing here connects to them."""
    settings_env(REDIS_URL="redis://127.0.0.1:1", DATABASE_URL="postgresql://127.0.0.1:1/none")


def prepared(*arguments: str) -> Command:
    """Return the command as `scrapy crawl …` has it when it is about to run."""
    command = Command()
    command.settings = scrapy_settings()
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)
    opts, args = parser.parse_known_args(arguments)
    command.process_options(args, opts)
    return command


@pytest.mark.rule("3.10")
@in_turn(
    "arguments, said",
    [
        (("citopia",), "scrapy crawl citopia: no spider of ours; those that exist: .*discovery.*prefenligne"),
        (("prefenligne", "-a", "prefecture=x"), "scrapy crawl prefenligne: no prefecture 'x'"),
        (("prefenligne", "-a", "procedure=VISA"), "no desk to check with procedure=VISA"),
        (("prefenligne", "-a", "desk=naturalisation-torcy"), "is not on this machine"),
        (("discovery",), "scrapy crawl discovery: .* is not on this machine"),
        (("discovery", "-a", "prefecture=melun_77"), "is not on this machine"),
        (("discovery", "-a", "prefecture=x"), "no prefecture 'x'"),
        (("discovery", "-a", "desk=x"), "no argument 'desk'; discovery takes prefecture="),
    ],
)
def test_what_is_wrong_is_said_and_nothing_starts(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        prepared(*arguments)


@pytest.mark.rule("3.10")
@pytest.mark.parametrize("missing", ["REDIS_URL", "DATABASE_URL"])
@pytest.mark.usefixtures("_servers")
def test_a_spider_that_cannot_serve_says_what_it_lacks_and_does_not_start(
    settings_env: Callable[..., None], missing: str
) -> None:
    settings_env(**{missing: ""})
    with pytest.raises(SystemExit, match=f"scrapy crawl prefenligne: {missing} is not set"):
        prepared("prefenligne", "-a", "_job=1")


def test_a_walk_of_all_sites_says_which_servers_it_needs(settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR="deploy/sandbox/prefectures", ANTS_TOKEN="any")
    with pytest.raises(SystemExit, match="scrapy crawl discovery: REDIS_URL is not set"):
        prepared("discovery")
