"""The step `fleet`: several APIs, scrapyds and sets of workers, of which one is killed.

These are tests of `make journeys`.
"""

from deploy.drill.machine import find_program, require_root, run_tests
from deploy.drill.step import Workplace

_TESTS = (
    "tests/deploy/test_several_apis.py",
    "tests/notifier/test_restart_with_many.py::test_of_two_machines_with_workers_one_dies_and_a_whole_crowd_is_told",
    "tests/crawler/spider_processes/test_two_scrapyds.py",
)
_LONGEST = 45 * 60  # seconds


def check_fleet(work: Workplace) -> str:
    """Run them.

    Raises:
        CannotRun: there is no nginx, or we are not root.
        StepFailed: one fails or is left out.
    """
    require_root()
    find_program("nginx", "nginx-light")
    return run_tests("-m", "journey", *_TESTS, seconds=_LONGEST, log=work.folder / "fleet.log")
