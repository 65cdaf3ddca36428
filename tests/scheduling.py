"""The order in which pytest-xdist's workers get the tests: that of `--dist loadgroup`.

Its own scheduler looks at all tests of a worker with each one that ends. With eighteen thousand tests that takes the
process which feeds the workers 20 s, during which they wait for it or share a processor with it.
"""

from collections.abc import Sequence
from typing import Any

from xdist.scheduler.loadgroup import LoadGroupScheduling
from xdist.workermanage import WorkerController


class GroupScheduling(LoadGroupScheduling):  # type: ignore[misc] # it has no types
    """Finds a test by its name at once, and forgets groups that have ended."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        if node in self.registered_collections:
            self.registered_collections[node] = _Positions(collection)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        group = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][group].values()):
            del self.assigned_work[node][group]


class _Positions(list[str]):
    """Names, none of them twice."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self._at = {name: position for position, name in enumerate(names)}

    def index(self, name: str, *_: Any) -> int:
        return self._at[name]
