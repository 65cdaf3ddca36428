"""Faults in which one of our programs dies at any moment."""

import signal
import time

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell


def _kill(field: Field, kind: str, most: int = 3) -> None:
    for _ in range(field.rng.randint(1, most)):
        field.victims.kill(kind, field.rng)
        time.sleep(field.rng.uniform(0, 0.8))


@fault("spider", weight=3)
def kill_spider(field: Field, _spell: Spell) -> None:
    """A spider dies, in whatever it does."""
    _kill(field, "spider", most=1)


@fault("worker", weight=3)
def kill_workers(field: Field, _spell: Spell) -> None:
    """Workers die, in whatever they do."""
    _kill(field, "worker", most=4)


@fault("sweep", weight=2)
def kill_sweep(field: Field, _spell: Spell) -> None:
    """The sweep dies."""
    _kill(field, "sweep")


@fault("worker", "sweep", weight=2)
def kill_notifier(field: Field, _spell: Spell) -> None:
    """The parent of the workers and of the sweep dies, and takes them along."""
    _kill(field, "notifier master", most=1)


@fault("background", harmless=True, weight=2)
def kill_job_worker(field: Field, _spell: Spell) -> None:
    """A worker of the background jobs dies, in whatever it does."""
    _kill(field, "job-worker")


@fault("background", harmless=True, weight=2)
def kill_scheduler(field: Field, _spell: Spell) -> None:
    """The scheduler of the background jobs dies."""
    _kill(field, "scheduler")


@fault("background", harmless=True)
def kill_background(field: Field, _spell: Spell) -> None:
    """The parent of the background workers and of their scheduler dies, and takes them along."""
    _kill(field, "background master", most=1)


@fault("planner", weight=2)
def kill_planner(field: Field, _spell: Spell) -> None:
    """The planner dies, and the keeper with it."""
    _kill(field, "planner")


@fault("gunicorn", weight=2)
def kill_gunicorn_worker(field: Field, _spell: Spell) -> None:
    """A worker of the API dies."""
    _kill(field, "gunicorn worker")


@fault("gunicorn")
def kill_gunicorn_master(field: Field, _spell: Spell) -> None:
    """The API dies as a whole."""
    _kill(field, "gunicorn master", most=1)


@fault("scrapyd", "spider")
def kill_scrapyd(field: Field, _spell: Spell) -> None:
    """The parent of the spiders dies; they stay behind as orphans and must leave by themselves."""
    _kill(field, "scrapyd", most=1)


@fault("scrapyd", "spider")
def terminate_scrapyd(field: Field, _spell: Spell) -> None:
    """The parent of the spiders is asked to end, which leaves orphans all the same."""
    field.victims.kill("scrapyd", field.rng, signal.SIGTERM)


@fault("scrapyd", "spider", "planner", "redis", names="scrapyd")  # health sees the keeper through Redis
def scrapyd_that_dies_again_and_again(field: Field, _spell: Spell) -> None:
    """The parent of the spiders dies as soon as it is back, for some seconds."""
    end = time.monotonic() + 6
    while time.monotonic() < end:
        field.victims.kill("scrapyd", field.rng)
        time.sleep(1.2)
