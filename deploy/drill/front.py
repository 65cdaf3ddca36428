"""The step `nginx`: `nginx -t` with the shipped configuration, and requests through it."""

from deploy.drill.machine import find_program, require_root, run_checked, run_tests
from deploy.drill.step import StepFailed, Workplace
from deploy.local.processes import free_port
from deploy.server_files import write_nginx_copy

_TESTS = "tests/deploy/test_nginx.py"


def check_nginx(work: Workplace) -> str:
    """Check the configuration, and run the tests that serve through it.

    Raises:
        CannotRun: there is no nginx, or we are not root.
        StepFailed: nginx has something to say, or a test fails or is left out.
    """
    require_root()
    nginx = find_program("nginx", "nginx-light")
    conf = write_nginx_copy(
        work.folder / "nginx", server_name="rdv.test", api="127.0.0.1:4000", user="www-data",
        http_port=free_port(), https_port=free_port(),
    )  # fmt: skip
    if said := run_checked([nginx, "-t", "-q", "-c", str(conf)]).strip():
        raise StepFailed(f"nginx -t says: {said}")
    return f"nginx -t is silent; {_TESTS}: {run_tests(_TESTS)}"
