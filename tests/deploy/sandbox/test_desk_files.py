"""The sandbox's own desk files: read by the product's reader, and true of the stand-ins."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import deploy.sandbox
from configs.world.prefecture import Desk, Grade, Prefecture, WatchLevel, load_prefectures
from deploy.local.environment import sandbox_variables
from deploy.local.ports import StackPorts
from deploy.sandbox.addresses import SITES_PORT, department_host, platform_host, url
from deploy.sandbox.platforms import platforms

FOLDER = Path(deploy.sandbox.__file__).parent / "prefectures"
DEPARTMENTS = platforms()["ezbooking"].sites


@pytest.fixture
def prefectures(settings_env: Callable[..., None]) -> dict[str, Prefecture]:
    settings_env(ANTS_TOKEN="sandbox-token", BROWSER_PATH="/bin/sh")
    return load_prefectures(FOLDER)


def desks(prefectures: dict[str, Prefecture], platform: str | None = None) -> list[Desk]:
    every = [desk for prefecture in prefectures.values() for desk in prefecture.desks]
    return [desk for desk in every if platform in (None, desk.platform)]


def test_each_form_has_its_desk_and_each_desk_its_form(prefectures: dict[str, Prefecture]) -> None:
    stand_ins = {
        f"{url(department_host(each.code), SITES_PORT)}/booking/create/{form.number}"
        for each in DEPARTMENTS
        for form in each.forms
    }
    here = desks(prefectures, "ezbooking")
    assert {desk.url for desk in here} == stand_ins
    assert len(here) == len(stand_ins)


def test_the_search_of_ants_is_watched_by_socket_and_by_list(prefectures: dict[str, Prefecture]) -> None:
    here = desks(prefectures, "ants")
    assert {desk.url for desk in here} == {f"{url(platform_host('ants', 1), SITES_PORT)}/"}
    assert {desk.parameters.get("streaming", True) for desk in here} == {True, False}
    assert all({"CARTE_IDENTITE", "PASSEPORT"} == desk.procedures for desk in here)


@pytest.mark.parametrize("platform", sorted(platforms().keys() - {"ezbooking", "ants", "own_site"}))
def test_the_desks_of_a_platform_are_pages_of_its_stand_ins(
    prefectures: dict[str, Prefecture], platform: str
) -> None:
    pages = {
        f"{url(site.host, SITES_PORT)}{platforms()[platform].page(form)}"
        for site in platforms()[platform].sites
        for form in site.forms
    }
    assert set() != {desk.url for desk in desks(prefectures, platform)} <= pages


def test_what_stands_behind_a_captcha_is_watched_for_its_presence(prefectures: dict[str, Prefecture]) -> None:
    (desk,) = desks(prefectures, "rdvpref")
    assert desk.watch is WatchLevel.PRESENCE
    assert not platforms()["rdvpref"].sites[0].played


def test_all_desks_are_watched_and_stand_on_loopback(prefectures: dict[str, Prefecture]) -> None:
    for desk in desks(prefectures):
        assert desk.schedulable
        assert (desk.grade, desk.source) == (Grade.CONFIRMED, "sandbox")
        assert (urlsplit(desk.url).hostname or "").startswith("127.77.")


def test_each_stand_in_may_be_asked_more_often_than_a_real_site(prefectures: dict[str, Prefecture]) -> None:
    rules = {host: rule for prefecture in prefectures.values() for host, rule in prefecture.hosts.items()}
    assert set(rules) == {desk.host for desk in desks(prefectures)}
    assert all((rule.budget or 0) > 6 and "stand-in" in (rule.reason or "") for rule in rules.values())


def test_one_visit_sees_all_weeks_of_all_counters_within_the_budget_of_its_host(
    prefectures: dict[str, Prefecture], tmp_path: Path
) -> None:
    limit = int(sandbox_variables(tmp_path, StackPorts(), "", "")["VISIT_REQUESTS"])
    forms = {form.number: form for each in DEPARTMENTS for form in each.forms}
    for desk in desks(prefectures, "ezbooking"):
        counters = len(forms[int(desk.url.rpartition("/")[2])].plannings)
        visit = 3 + counters * (2 + desk.horizon // 7 + 1)
        assert counters == 1 or visit <= limit
        assert counters == 1 or visit * 60 / (desk.interval or 30) <= prefecture_budget(prefectures, desk)


def prefecture_budget(prefectures: dict[str, Prefecture], desk: Desk) -> float:
    rules = {host: rule for each in prefectures.values() for host, rule in each.hosts.items()}
    return rules[desk.host].budget or 0
