"""The steps of a drill with two nodes, in their order: what a stack of several machines must stand."""

import logging
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from boto3 import client as open_s3
from moto.server import ThreadedMotoServer

from tests.lab.drill.engine import PROJECT, Engine, StepFailed
from tests.lab.drill.images import build_images
from tests.lab.drill.nodes import BUCKETS, Swarm, carry_images, enter_first, join_swarm
from tests.lab.drill.steps import Drill, await_health, release, serve_visitor, under_load
from tests.lab.drill.visitor import wait_for
from tests.lab.drill.walls import check_walls

_CUT_SECONDS = 40.0
_MOVED = ("api-1", "notifier", "scrapyd", "stream", "planner")
_RUNS = "SELECT pg_postmaster_start_time()"
# Asks the API of this very container for a path, as a person; prints its status and how many bytes it answered.
_ASK_HERE = """
import sys, urllib.request, urllib.error
asked = urllib.request.Request("http://127.0.0.1:4000" + sys.argv[1], headers={
    "Authorization": "Bearer " + sys.argv[2], "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"})
try:
    with urllib.request.urlopen(asked, timeout=20) as answer:
        print(answer.status, len(answer.read()))
except urllib.error.HTTPError as error:
    print(error.code, error.read()[:200])
"""


def make_images(drill: Drill) -> str:
    """Build the images as for one machine, and carry them to both."""
    swarm = _swarm(drill)
    built = build_images(Engine(swarm.files, swarm.builder))
    carry_images(swarm)
    return built


def start_stack(drill: Drill) -> str:
    """Join the machines, and begin the first release by its command."""
    swarm, begun = _swarm(drill), time.monotonic()
    enter_first()
    _make_stores()
    join_swarm(swarm)
    release(drill, "v1", 0)
    swarm.settle_services()
    await_health(drill)
    return f"all report after {time.monotonic() - begun:.0f} s; on the second node: {', '.join(swarm.list_away())}"


def cut_off(drill: Drill) -> str:
    """Cut the second node off for a while, kill it, and bring it back; slots open meanwhile."""
    swarm, took = _swarm(drill), []
    for name, harm, mend in (
        ("cut off", swarm.cut_other, partial(swarm.cut_other, back=True)),
        ("killed", swarm.kill_other, swarm.nodes[1].start),
    ):
        away = ", ".join(swarm.list_away())
        harm()
        begun = time.monotonic()
        drill.open_slot()
        time.sleep(_CUT_SECONDS)
        drill.open_slot()
        drill.settle()
        took.append(
            f"{name} with {away}: all told {time.monotonic() - begun - _CUT_SECONDS:.0f} s after the second slot"
        )
        mend()
        for service in _MOVED:  # docs/scaling.md: nothing moves back by itself
            swarm.docker("service", "update", "--force", "--detach", f"{PROJECT}_{service}")
        swarm.settle_services()
        await_health(drill)
        drill.open_slot()
        drill.settle()
    return "; ".join(took)


def roll(drill: Drill) -> str:
    """Roll a release out and back under load, then one whose notifier cannot log in: it goes back by itself."""
    return under_load(drill, lambda: _swarm(drill).settle_services())


def restart_database(drill: Drill) -> str:
    """Restart PostgreSQL while a slot opens."""
    swarm, begun = _swarm(drill), time.monotonic()
    before = swarm.query(_RUNS)
    drill.open_slot()
    swarm.docker("service", "update", "--force", "--quiet", f"{PROJECT}_postgres")
    drill.open_slot()
    wait_for(lambda: _is_new(swarm, before), "PostgreSQL after its restart")
    await_health(drill)
    return f"well after {time.monotonic() - begun:.0f} s; {drill.settle()}"


def ask_elsewhere(drill: Drill) -> str:
    """Ask an API on the node without data for an invoice and for the proof of a slot."""
    swarm, person = _swarm(drill), drill.people[0]
    swarm.docker("service", "scale", f"{PROJECT}_api-1=3")
    person.sign_in()
    invoice = wait_for(lambda: person.ask("GET", "/billing/invoices")["items"], "the invoice")[0]
    proof = wait_for(lambda: person.ask("GET", "/detections?limit=1")["items"][0]["proof"], "the proof")
    listed = ["docker", "ps", "--quiet", "--filter", f"name={PROJECT}_api-1"]
    found = swarm.call(listed, 60, swarm.nodes[1]).stdout.split()
    if not found:
        raise StepFailed("no API runs on the second node")
    for here in (f"/api/billing/invoices/{invoice['id']}", urlsplit(proof).path):
        asked = ["docker", "exec", found[0], "python", "-c", _ASK_HERE, here, person.token]
        told = swarm.call(asked, 60, swarm.nodes[1]).stdout
        if not told.startswith("200 "):
            raise StepFailed(f"{here} on the second node: {told}")
    return "an invoice and a proof are answered by the node that has no data"


STEPS: dict[str, Callable[[Drill], str]] = {
    "images": make_images,
    "start": start_stack,
    "visitor": serve_visitor,
    "walls": check_walls,
    "node": cut_off,
    "release": roll,
    "database": restart_database,
    "elsewhere": ask_elsewhere,
}


def _swarm(drill: Drill) -> Swarm:
    if not isinstance(drill.engine, Swarm):
        raise TypeError("this drill has one node")
    return drill.engine


def _is_new(swarm: Swarm, before: list[list[str]]) -> bool:
    try:
        return swarm.query(_RUNS) != before
    except StepFailed:
        return False


def _make_stores() -> None:
    """Serve the stores of objects on the first node, as another company does."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    ThreadedMotoServer("0.0.0.0", 9000, verbose=False).start()  # noqa: S104 -- of a namespace of its own
    keys = {"aws_access_key_id": "drill", "aws_secret_access_key": "drill", "region_name": "eu-west-3"}
    store = open_s3("s3", endpoint_url="http://127.0.0.1:9000", **keys)
    for name in BUCKETS:
        store.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
