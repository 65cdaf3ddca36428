"""Assignment of processes to nodes: what holds for any fleet, and cases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.node_report import NodeReport, Share
from crawler.spider_processes.assignment import Shares, add_up_wanted, assign, find_missing, may_end

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
QUEUES = ["ants", "custom", "custom-browser", "doctolib", "prefenligne"]
VERSIONS = {"v1": 1, "v2": 2}
ALL = dict.fromkeys(QUEUES, 1)


def node(name: str, **changes: Any) -> NodeReport:
    given_: dict[str, Any] = {"machine": "m", "at": NOW, "version": "v1", "queues": QUEUES, "wanted": ALL}
    return NodeReport(name=name, **(given_ | changes))


def give(*reports: NodeReport, before: Shares | None = None, drained: tuple[str, ...] = ()) -> Shares:
    return assign(reports, versions=VERSIONS, drained=drained, before=before or {})


def total(share: Share) -> int:
    return sum(share.values())


nodes = st.lists(
    st.builds(
        node,
        st.sampled_from("abcdef"),
        version=st.sampled_from(["v1", "v2"]),
        queues=st.lists(st.sampled_from(QUEUES), unique=True),
        processes=st.none() | st.integers(0, 4),
        wanted=st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 4)),
        away_since=st.none() | st.just(NOW - timedelta(minutes=1)),
    ),
    unique_by=lambda report: report.name,
)
befores = st.dictionaries(
    st.sampled_from("abcdef"), st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 3))
)
names = st.lists(st.sampled_from("abcdef"), unique=True)


@given(nodes, befores, names)
def test_no_node_gets_what_it_may_not_run_and_no_queue_more_than_it_needs(
    reports: list[NodeReport], before: Shares, drained: list[str]
) -> None:
    shares = give(*reports, before=before, drained=tuple(drained))
    assert shares.keys() == {report.name for report in reports}
    wanted = add_up_wanted(reports)
    for report in reports:
        share = shares[report.name]
        assert set(share) <= set(report.queues)
        assert report.processes is None or total(share) <= report.processes
        assert not share or (report.name not in drained and not report.away_since)
    for queue in QUEUES:
        assert sum(share.get(queue, 0) for share in shares.values()) <= wanted.get(queue, 0)


@given(nodes, befores, names)
def test_nothing_is_missing_that_a_node_with_room_could_run(
    reports: list[NodeReport], before: Shares, drained: list[str]
) -> None:
    shares = give(*reports, before=before, drained=tuple(drained))
    for queue in find_missing(add_up_wanted(reports), shares):
        for report in reports:
            able = queue in report.queues and report.name not in drained and not report.away_since
            full = report.processes is not None and total(shares[report.name]) >= report.processes
            assert not able or full


@given(nodes, befores)
def test_what_is_carried_out_is_assigned_again(reports: list[NodeReport], before: Shares) -> None:
    shares = give(*reports, before=before)
    assert give(*reversed(reports), before=shares) == shares


@given(nodes, befores)
def test_older_code_runs_only_what_newer_cannot(reports: list[NodeReport], before: Shares) -> None:
    shares = give(*reports, before=before)
    newer = [each for each in reports if each.version == "v2" and not each.away_since]
    for old in (each for each in reports if each.version == "v1"):
        for queue in shares[old.name]:
            for report in newer:
                full = report.processes is not None and total(shares[report.name]) >= report.processes
                assert queue not in report.queues or full


@given(st.integers(1, 6), st.integers(1, 4), befores)
def test_equal_nodes_differ_by_one_process_at_most(count: int, copies: int, before: Shares) -> None:
    wanted = dict.fromkeys(QUEUES, copies)
    shares = give(*(node(name, wanted=wanted) for name in "abcdef"[:count]), before=before)
    sizes = [total(share) for share in shares.values()]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == copies * len(QUEUES)


def test_one_node_runs_all() -> None:
    assert give(node("main")) == {"main": ALL}


def test_copies_of_a_queue_stand_on_different_nodes() -> None:
    both = {"ants": 2, "custom": 2}
    shares = give(node("a", wanted=both), node("b", wanted=both))
    assert shares == {"a": {"ants": 1, "custom": 1}, "b": {"ants": 1, "custom": 1}}


def test_a_node_that_joins_takes_few_and_one_that_leaves_gives_its_own() -> None:
    one = give(node("a"))
    two = give(node("a"), node("b"), before=one)
    assert sorted(map(total, two.values())) == [2, 3]
    three = give(node("a"), node("b"), node("c"), before=two)
    stays = sum(share.get(queue, 0) for name, share in three.items() for queue in two.get(name, {}))
    assert (stays, total(three["c"])) == (4, 1)
    assert give(node("a"), before=two) == one


def test_a_node_without_a_browser_leaves_browsers_to_others() -> None:
    plain = [queue for queue in QUEUES if not queue.endswith("-browser")]
    lean = node("a", queues=plain, wanted=dict.fromkeys(plain, 1))
    assert "custom-browser" not in give(lean, node("b"))["a"]
    assert give(lean, node("b"))["b"]["custom-browser"] == 1


def test_a_queue_that_few_may_serve_is_placed_before_others_fill_them() -> None:
    shares = give(node("a", processes=1), node("b", queues=["ants", "custom"], processes=9))
    assert shares["b"] == {"ants": 1, "custom": 1}
    assert total(shares["a"]) == 1


@pytest.mark.parametrize(
    ("changes", "drained"),
    [
        ({"processes": 0}, ()),
        ({"version": "v0"}, ()),
        ({"queues": []}, ()),
        ({"away_since": NOW - timedelta(seconds=15)}, ()),
        ({}, ("a",)),
    ],
)
def test_a_node_gets_nothing(changes: dict[str, Any], drained: tuple[str, ...]) -> None:
    assert give(node("a", **changes), node("b"), drained=drained) == {"a": {}, "b": ALL}


def test_a_scrapyd_that_restarts_costs_no_share() -> None:
    assert give(node("a", away_since=NOW - timedelta(seconds=14))) == {"a": ALL}


def test_what_no_node_may_run_is_missing() -> None:
    reports = [node("a", queues=["ants"]), node("b", queues=["custom"], processes=0)]
    missing = find_missing(add_up_wanted(reports), give(*reports))
    assert missing == dict.fromkeys(set(QUEUES) - {"ants"}, 1)


def end(name: str, live: int, running: dict[str, int], shares: dict[str, int]) -> int:
    by_node = {each: {"ants": number} for each, number in running.items()}
    return may_end(
        name, "ants", live=live, running=by_node, shares={each: {"ants": n} for each, n in shares.items()}
    )


def test_a_process_ends_only_when_another_node_runs_it() -> None:
    assert end("a", 1, {"a": 1}, {"a": 0, "b": 1}) == 0
    assert end("a", 2, {"a": 1, "b": 1}, {"a": 0, "b": 1}) == 1


def test_of_two_nodes_that_have_one_too_many_the_first_ends_its_own() -> None:
    assert end("a", 2, {"a": 1, "b": 1}, {"c": 1}) == 1
    assert end("b", 2, {"a": 1, "b": 1}, {"c": 1}) == 0
    assert end("b", 3, {"a": 1, "b": 1, "c": 1}, {"c": 1}) == 1


counts = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3))


@given(counts, counts)
def test_nodes_that_end_processes_together_leave_enough(
    running: dict[str, int], shares: dict[str, int]
) -> None:
    live = sum(running.values())
    ended = sum(end(name, live, running, shares) for name in "abcd")
    assert live - ended >= min(live, sum(shares.values()))
