"""Client of scrapyd's HTTP API (https://scrapyd.readthedocs.io/en/stable/api.html)."""

import json
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from socket import SOCK_STREAM, getaddrinfo
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from configs.settings import settings
from configs.settings.groups import SCRAPYD_USER
from configs.world.desk import Fetch
from crawler.scheduling.due_queue import BROWSER

PROJECT = "rdvpriority"  # BOT_NAME of crawler/settings.py, which loads Scrapy
_CONNECT_SECONDS = 2  # a machine that is gone keeps the others' scrapyds waiting that long
_TIMEOUT = 10  # seconds


class ScrapydAway(RuntimeError):
    """scrapyd does not answer, or not as it should; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Scrapyd:
    """Where scrapyd listens, and the password of SCRAPYD_USER."""

    host: str
    port: int
    password: str

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return f"{self.host}:{self.port}"

    def count_jobs(self) -> dict[str, int]:
        """Return how many jobs of each queue run or wait to.

        Raises:
            ScrapydAway: it does not answer.
        """
        answer = self._ask("GET", "listjobs.json", {"project": PROJECT})
        try:
            jobs = answer["running"] + answer["pending"]
            return Counter(job["spider"] + (BROWSER if job["id"].endswith(BROWSER) else "") for job in jobs)
        except (LookupError, TypeError, AttributeError) as error:
            raise ScrapydAway(f"scrapyd at {self.address} lists no jobs: {str(answer)[:200]}") from error

    def schedule(self, queue: str) -> str:
        """Start the spider of a queue (its name); return its job's id, whose end tells a browser's queue.

        Raises:
            ScrapydAway: it does not answer, or knows no such spider.
        """
        values = {"project": PROJECT, "spider": queue.removesuffix(BROWSER)}
        if queue.endswith(BROWSER):
            values |= {"fetch": Fetch.BROWSER, "jobid": f"{uuid4().hex}{BROWSER}"}
        return str(self._ask("POST", "schedule.json", values)["jobid"])

    def _ask(self, method: str, name: str, values: dict[str, str]) -> dict[str, Any]:
        where, query = f"scrapyd at {self.address}", urlencode(values)
        path, body = (f"/{name}?{query}", None) if method == "GET" else (f"/{name}", query)
        token = b64encode(f"{SCRAPYD_USER}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = HTTPConnection(self.host, self.port, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(_TIMEOUT)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            status, said = response.status, response.read()
        except (OSError, HTTPException) as error:
            raise ScrapydAway(f"{where} does not answer: {error!r}") from error
        finally:
            connection.close()
        if status == HTTPStatus.UNAUTHORIZED:
            raise ScrapydAway(f"{where} refuses us: check SCRAPYD_PASSWORD on both sides")
        try:
            answer = json.loads(said)
            if answer["status"] == "ok":
                return dict(answer)
        except (ValueError, KeyError, TypeError) as error:
            raise ScrapydAway(f"{where} answered {status} to {name} with no JSON: {said[:200]!r}") from error
        raise ScrapydAway(f"{where} refused {name}: {answer.get('message', said[:200])}")


def find_scrapyds() -> list[Scrapyd]:
    """Return a client for each address that the name in SCRAPYD_URL leads to now, with SCRAPYD_PASSWORD.

    Raises:
        configs.settings.SettingMissing: the password is not set.
    """
    password, *_ = settings().require_all("scrapyd_password")  # the newest: scrapyd takes it as it starts
    url = urlsplit(str(settings().scrapyd_url))
    port = url.port or 80
    try:
        found = getaddrinfo(url.hostname, port, type=SOCK_STREAM)
    except OSError:  # the name leads nowhere while no scrapyd runs
        return []
    return [Scrapyd(host, port, password) for host in sorted({str(address[0]) for *_, address in found})]
