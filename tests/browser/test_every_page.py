"""Each page once, in French: what holds for all of them, and that none is left out."""

import pytest
from flask import Flask

from tests.browser.arrival import check_arrival
from tests.browser.content import write_content
from tests.browser.contexts import MakeContext
from tests.browser.page_list import NO_PAGES, Reader, list_pages
from tests.browser.page_walk import PageWalk
from tests.browser.site import Site
from tests.browser.watch import Watch

pytestmark = pytest.mark.xdist_group("browser")


def test_a_new_page_without_parameters_is_named(site: Site) -> None:
    assert {rule.endpoint for rule in site.app.url_map.iter_rules()} >= NO_PAGES
    app = Flask("another", static_folder=None)
    app.add_url_rule("/new/<name>", "new", str.upper)
    with pytest.raises(AssertionError, match=r"no parameters for \['new'\]"):
        list_pages(app, write_content())


@pytest.mark.journey
@pytest.mark.parametrize("reader", Reader)
def test_every_page(site: Site, make_context: MakeContext, watch: Watch, reader: Reader) -> None:
    walk = PageWalk(site, write_content(), make_context, watch, most=1)
    problems = walk.list_problems(check_arrival, reader)
    assert not problems, "\n".join(problems)
