"""Mutations of all golden and recorded pages: no reader invents a slot or an absence (see oracle.py)."""

import random
from dataclasses import replace

import pytest

from configs.world.outcome import Outcome
from crawler.block_pages import classify_page
from crawler.platforms import platform, platforms
from tests.fuzz import FUZZ, times
from tests.mutation.mutants import BOT_WALL, mutants
from tests.mutation.oracle import EVIDENCE, claims, lies
from tests.mutation.pages import originals, same_question


@pytest.mark.rule("3.2")
@pytest.mark.fuzz
@pytest.mark.parametrize("name", sorted(platforms()))
def test_a_broken_page_claims_nothing_false(name: str) -> None:
    false = list[str]()
    for original in originals():
        if original.platform == name:
            others = [each for each in originals() if same_question(original, each)]
            chance = random.Random(original.name if FUZZ == 1 else None)
            for mutant in mutants(original, others, chance, times(1)):
                said = claims(name, mutant)
                found = "; ".join(lies(mutant, said, EVIDENCE[name](mutant.text, mutant.page)))
                false += [f"{original.name}, {mutant.how}: {found}\n{mutant.text}"] if found else []
    assert not false, "\n\n".join(false)


@pytest.mark.rule("3.2")
def test_a_bot_wall_in_place_of_any_page_is_a_wall_whatever_its_status() -> None:
    for wall in originals():
        # Cloudflare's page for a site that is down has the marks of its walls, but is no refusal.
        if not BOT_WALL.search(wall.text) or wall.truth.outcome == Outcome.UNREACHABLE:
            continue
        for original in {each.platform: each for each in originals()}.values():
            for status in (200, 403, 503):
                page = replace(original.page, body=wall.page.body, status=status, headers={})
                found = classify_page(platform(original.platform), page).outcome
                assert found in (Outcome.BLOCKED, Outcome.CAPTCHA), (wall.name, original.platform, status)
