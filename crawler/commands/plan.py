"""`scrapy plan`: the planner's loop and the incident loop."""

import argparse
import threading

from scrapy.commands import ScrapyCommand

from configs.clock import clock
from configs.settings import settings
from crawler.spider_processes.command_setup import prepare, until_stopped


class Command(ScrapyCommand):
    """Decides which desks are due how often, and tells of troubles."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "Plan which desks are checked how often, for ever (--once: one look)"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--once", action="store_true", help="look at the tables once and end")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Plan and tell until SIGTERM or SIGINT."""
        from crawler.incidents.loop import IncidentLoop  # noqa: PLC0415
        from crawler.planner import Planner  # noqa: PLC0415
        from crawler.scheduling import due_queue  # noqa: PLC0415 -- scrapy loads every command's file for any command

        prepare("planner", args, "redis_url", "database_url")
        with due_queue.connect() as client:
            planner = Planner(client)
            if not opts.once:
                stop = until_stopped()
                incidents = IncidentLoop(planner.failures)
                telling = threading.Thread(target=incidents.run, args=(stop,), name="incidents", daemon=True)
                telling.start()
                planner.run(stop)
                telling.join(timeout=settings().stop_grace_seconds)
                return
            planned = planner.run_once(clock())
            if failing := planner.failures.names():
                named = ", ".join(f"{part} ({error})" for part, error in failing.items())
                raise SystemExit(f"the planner fails in part, the lines above say why: {named}")
            print(f"{planned} desks planned")
