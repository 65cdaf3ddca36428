import os
import socket

from crawler.items import process_name


def test_a_process_is_named_by_its_machine_and_number() -> None:
    assert process_name() == f"{socket.gethostname()}:{os.getpid()}"
