"""Desk files that changed, in the processes of the API: they are read again, and requests under way keep the old ones.

Code is another matter: a release replaces the processes (docs/operations.md).
"""

import threading
from functools import partial

import structlog
from flask import Flask

from configs.deployed_files import desk_files_version
from configs.file_watch import FileWatch
from configs.gunicorn_hooks import AFTER_FORK
from configs.prefecture import keep_desk_files, reload_desk_files
from configs.settings import settings
from configs.start_trial import hide_folders, list_problems
from configs.strict_yaml import ConfigFileError

log = structlog.get_logger(__name__)


def register_desk_files(app: Flask) -> None:
    """Have each worker of gunicorn watch the desk files; an app that is made for tests or commands does not."""
    # before the pages are loaded, and in the parent: later files are newer
    version = desk_files_version()
    app.extensions.setdefault(AFTER_FORK, []).append(partial(start_watch, version))
    app.before_request(partial(keep_desk_files, keep=True))
    app.teardown_request(lambda _: keep_desk_files(keep=False))


def start_watch(version: str) -> threading.Event:
    """Watch the desk files on a thread, until the event is set; `version`: what was loaded."""
    stop = threading.Event()
    watch = FileWatch("api", read_again, desk_files_version, loaded=version)
    watch.start(stop, lambda: log.info("the desk files have changed and are read again"))
    return stop


def read_again() -> str:
    """Read the desk files again; return what is wrong with them, "" where nothing is."""
    try:
        reload_desk_files()
    except ConfigFileError as error:
        folders = settings().prefectures_dir, settings().hosts_file.parent
        return list_problems([hide_folders(each, *folders) for each in error.problems])
    return ""
