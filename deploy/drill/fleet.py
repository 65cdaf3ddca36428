"""The step `fleet`: several APIs, nodes and sets of workers, of which one is killed, cut off, stopped or outdated.

These are tests of `make journeys`. The longest, a node that is cut off for ten minutes, is left out.
"""

from deploy.drill.machine import find_program, require_root, run_tests
from deploy.drill.step import Workplace

_LOST_NODE = "tests/whole/test_lost_node.py"
_TESTS = (
    "tests/deploy/test_several_apis.py",
    "tests/notifier/test_restart_with_many.py::test_of_two_machines_with_workers_one_dies_and_a_whole_crowd_is_told",
    "tests/crawler/spider_processes/test_two_nodes.py",
    _LOST_NODE,
)
_LEFT_OUT = f"{_LOST_NODE}::test_a_node_that_was_cut_off_from_redis_comes_back[600]"
_LONGEST = 45 * 60  # seconds


def check_fleet(work: Workplace) -> str:
    """Run them.

    Raises:
        CannotRun: there is no nginx, or we are not root.
        StepFailed: one fails or is left out.
    """
    require_root()
    find_program("nginx", "nginx-light")
    options = ("--deselect", _LEFT_OUT, *_TESTS)
    return run_tests("-m", "journey", *options, seconds=_LONGEST, log=work.folder / "fleet.log")
