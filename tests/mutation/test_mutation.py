"""Mutations of all golden and recorded pages: no reader invents a slot or an absence (see oracle.py)."""

import random
from dataclasses import replace

import pytest

from configs.world.outcome import Outcome
from crawler.block_pages import classify_page
from crawler.platforms import platform
from tests.fuzz import FUZZ, times
from tests.mutation.doubtful import mutants
from tests.mutation.mutants import BOT_WALL
from tests.mutation.oracle import EVIDENCE, claims, lies
from tests.mutation.pages import Original, originals, same_question


@pytest.mark.rule("3.2")
@pytest.mark.fuzz
@pytest.mark.parametrize("original", originals(), ids=lambda each: each.name)
def test_a_broken_page_claims_nothing_false(original: Original) -> None:
    others = [each for each in originals() if same_question(original, each)]
    chance = random.Random(original.name if FUZZ == 1 else None)
    for mutant in mutants(original, others, chance, times(1)):
        said = claims(original.platform, mutant)
        false = list(lies(mutant, said, EVIDENCE[original.platform](mutant.text, mutant.page)))
        assert not false, f"{mutant.how}: {'; '.join(false)}\n{mutant.text}"


# Cloudflare's page for a site that is down has the marks of its walls, but is no refusal.
WALLS = [
    each for each in originals() if BOT_WALL.search(each.text) and each.truth.outcome != Outcome.UNREACHABLE
]


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("wall", WALLS, ids=lambda each: each.name)
@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_bot_wall_in_place_of_any_page_is_a_wall_whatever_its_status(wall: Original, status: int) -> None:
    for original in {each.platform: each for each in originals()}.values():
        page = replace(original.page, body=wall.page.body, status=status, headers={})
        assert classify_page(platform(original.platform), page).outcome in (Outcome.BLOCKED, Outcome.CAPTCHA)
