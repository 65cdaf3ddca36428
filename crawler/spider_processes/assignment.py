"""Assignment of spider processes to nodes: how many of each queue each node runs. Pure.

Each process goes to the node that may serve its queue and has the fewest of that queue, then the fewest of all, then
had it before: the copies of a queue stand on different machines, and a node that joins or leaves moves few processes.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from configs.node_report import NodeReport, Share
from configs.settings import settings

Shares = dict[str, Share]  # by node


def add_up_wanted(reports: Sequence[NodeReport]) -> Share:
    """Return how many processes each queue needs: the most that a node names. One without a browser names fewer."""
    wanted: Share = {}
    for report in reports:
        for queue, number in report.wanted.items():
            wanted[queue] = max(number, wanted.get(queue, 0))
    return wanted


def assign(
    reports: Sequence[NodeReport],
    *,
    versions: Mapping[str, int],
    drained: Collection[str] = (),
    before: Mapping[str, Share],
    wished: Mapping[str, int] | None = None,
) -> Shares:
    """Return what each of these nodes runs; all of them have an entry.

    `wished` are processes of queues that are to have more than the nodes name (crawler/spider_processes/scaling.py).
    `versions` numbers those of the code, the newest highest. Nodes with older code get only what no node with newer
    code takes. Drained nodes get nothing, nor do those whose scrapyd has been away for KEEPER_LEASE_SECONDS.
    """
    wanted = add_up_wanted(reports)
    more = {queue: number for queue, number in (wished or {}).items() if queue in wanted}
    shares: Shares = {report.name: {} for report in reports}
    able = [report for report in reports if not _is_away(report) and report.name not in drained]
    ages = sorted({versions.get(report.version, 0) for report in able}, reverse=True)
    for demand in (wanted, more):  # what a queue has beyond its need takes no other queue's place
        for age in ages:
            peers = [report for report in able if versions.get(report.version, 0) == age]
            _place(demand, peers, shares, before)
    return shares


def finds_free_core(queue: str, reports: Sequence[NodeReport], *, now: Shares, grown: Shares) -> bool:
    """Whether a queue that has grown runs once more, in no other one's place, on a node with a free core."""
    if _count_all(grown) != _count_all(now) + 1:
        return False
    gaining = [each for each in reports if grown[each.name].get(queue, 0) > now[each.name].get(queue, 0)]
    return bool(gaining) and all(each.load <= each.cores - 1 for each in gaining)


def find_missing(wanted: Share, shares: Mapping[str, Share]) -> Share:
    """Return how many processes of each queue no node runs."""
    missing = {
        queue: number - sum(share.get(queue, 0) for share in shares.values())
        for queue, number in wanted.items()
    }
    return {queue: number for queue, number in missing.items() if number > 0}


def may_end(
    node: str, queue: str, *, live: int, running: Mapping[str, Share], shares: Mapping[str, Share]
) -> int:
    """Return how many processes of a queue a node may end because others have them now.

    `live`: processes of the queue on all nodes that have reported and are not ending. As many stay as are to run;
    of the others each node ends its surplus, in the order of the nodes' names.
    """
    wanted = sum(share.get(queue, 0) for share in shares.values())
    left = live - wanted
    for name in sorted({*running, node}):
        surplus = max(0, running.get(name, {}).get(queue, 0) - shares.get(name, {}).get(queue, 0))
        if name == node:
            return max(0, min(left, surplus))
        left -= surplus
    return 0


def _count_all(shares: Shares) -> int:
    return sum(sum(share.values()) for share in shares.values())


def _place(wanted: Share, peers: Sequence[NodeReport], shares: Shares, before: Mapping[str, Share]) -> None:
    """Give nodes of one version what is missing; queues that few may serve choose first."""
    missing = find_missing(wanted, shares)
    choices = {queue: [each for each in peers if queue in each.queues] for queue in missing}
    for queue in sorted(missing, key=lambda queue: (len(choices[queue]), queue)):
        for _ in range(missing[queue]):
            free = [each for each in choices[queue] if _has_room(each, shares[each.name])]
            if not free:
                break
            name = min(_rank(each.name, queue, shares, before) for each in free)[-1]
            shares[name][queue] = shares[name].get(queue, 0) + 1


def _is_away(report: NodeReport) -> bool:
    """Whether its scrapyd is away for so long that it is no restart."""
    allowed = timedelta(seconds=settings().keeper_lease_seconds)
    return report.away_since is not None and report.at - report.away_since >= allowed


def _has_room(report: NodeReport, share: Share) -> bool:
    return report.processes is None or sum(share.values()) < report.processes


def _rank(name: str, queue: str, shares: Shares, before: Mapping[str, Share]) -> tuple[int, int, bool, str]:
    """Return a node's place among those that may take one more process; the lowest takes it."""
    own = shares[name]
    had = before.get(name, {}).get(queue, 0) > own.get(queue, 0)
    return own.get(queue, 0), sum(own.values()), not had, name
