"""`python -m deploy.scrapyd`: writes scrapyd's configuration under STATE_DIR and becomes scrapyd there."""

import configparser
import io
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from configs.ground.addresses import is_loopback, is_private
from configs.settings import AWAY_FROM_LIFE, SettingMissing, Settings, SettingsRefused, settings
from configs.settings.groups import SCRAPYD_USER
from deploy.local.state_dir import write_private

_DOORS = ("addversion.json", "delversion.json", "delproject.json")
_INNER = re.compile(r"[a-z][a-z0-9-]*")  # a name in a network of containers
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 -- they are refused
_QUIET = "ignore:pkg_resources is deprecated"  # scrapyd 1.6 still imports it, at each start of a spider
_SPARE = 8  # processes beside one of each system: a successor starts before its predecessor ends


def configuration(current: Settings) -> str:
    """Return scrapyd.conf (https://scrapyd.readthedocs.io/en/stable/config.html).

    Raises:
        configs.settings.SettingsRefused: SCRAPYD_URL is not on loopback or in a private network: its callers run code.
        configs.settings.SettingMissing: the password is not set.
    """
    url = urlsplit(str(current.scrapyd_url))
    host = url.hostname or ""
    if not _may_listen(host):
        raise SettingsRefused(
            f"SCRAPYD_URL is {current.scrapyd_url}: scrapyd listens on loopback or in a private network"
        )
    made = configparser.RawConfigParser()
    made["scrapyd"] = {
        # A name is a container's own: it may have several addresses, none of which is published.
        "bind_address": _EVERYWHERE[0] if _INNER.fullmatch(host) and not is_loopback(host) else host,
        "http_port": str(url.port or 80),
        "username": SCRAPYD_USER,
        # It reads its file with interpolation.
        "password": current.require_all("scrapyd_password")[0].replace("%", "%%"),
        "launcher": "crawler.spider_processes.launcher.OwnOutputLauncher",
        "poller": "crawler.spider_processes.launcher.SteadyPoller",
        "poll_interval": "0.5",  # seconds; the default of 5 is how long a dead spider would be missing
        "logs_dir": "",  # spiders log to our output: a file of theirs would never rotate
        "items_dir": "",
        "dbs_dir": "dbs",
        "eggs_dir": "eggs",
        "max_proc": str(4 * (current.spider_processes + current.browser_processes) + _SPARE),
    }
    made["services"] = dict.fromkeys(_DOORS, "")  # the project is installed; an egg would be anybody's code
    text = io.StringIO()
    made.write(text)
    return text.getvalue()


def prepare(current: Settings) -> Path:
    """Write the folder that scrapyd runs in, readable by its owner only; return it.

    scrapyd finds the project by the scrapy.cfg nearest to its working directory, wherever STATE_DIR is.
    """
    folder = current.state_dir.resolve() / "scrapyd"
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / "scrapyd.conf", configuration(current))
    write_private(
        folder / "scrapy.cfg", "[settings]\ndefault = crawler.settings\nrdvpriority = crawler.settings\n"
    )
    return folder


def environment(current: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """Return what the spiders need to read the same settings from another working directory.

    SCRAPYD_PID is ours, which scrapyd keeps: a spider that is born after its scrapyd died must notice, too.
    """
    written = dotenv_values(".env") if current.app_env not in AWAY_FROM_LIFE else {}
    paths = {"STATE_DIR": current.state_dir, "PREFECTURES_DIR": current.prefectures_dir}
    if current.secrets_dir:
        paths["SECRETS_DIR"] = current.secrets_dir
    absolute = {name: str(path.resolve()) for name, path in paths.items()}
    own = {"SCRAPYD_PID": str(os.getpid()), "PYTHONWARNINGS": _QUIET}
    return {name: value for name, value in written.items() if value} | dict(given) | absolute | own


def _may_listen(host: str) -> bool:
    if host in _EVERYWHERE:
        return False
    return is_loopback(host) or is_private(host) or bool(_INNER.fullmatch(host))


def main() -> None:
    """Become scrapyd.

    Raises:
        SystemExit: a setting is missing or wrong; the text says which.
    """
    try:
        current = settings()
        folder = prepare(current)
    except (SettingMissing, SettingsRefused) as error:
        raise SystemExit(f"scrapyd does not start: {error}") from None
    variables = environment(current, os.environ)
    os.chdir(folder)
    # twistd's pid file outlives a kill and then refuses the next start
    os.execve(sys.executable, [sys.executable, "-m", "scrapyd", "--pidfile="], variables)  # noqa: S606 -- no shell is meant


if __name__ == "__main__":
    main()
