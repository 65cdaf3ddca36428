"""A name server that knows one answer, and can be silent. RFC 1035, as far as one question needs it."""

import ipaddress
import os
import socket
import struct
import threading

_A, _HEADER, _ROOT = 1, 12, 0


class NameTable:
    """Answers every question for an IPv4 address with `answer`, every other with nothing, on port 53 of `address`."""

    def __init__(self, answer: str) -> None:
        # The loopback range is shared by all on this machine: each process has an address of its own.
        self.address = f"127.77.{53 + os.getpid() // 250 % 100}.{1 + os.getpid() % 250}"
        self.silent = False
        self._answer = ipaddress.IPv4Address(answer).packed
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        threading.Thread(target=self._serve, name="names", daemon=True).start()

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            if not self.silent and len(question) > _HEADER:
                self._socket.sendto(build_reply(question, self._answer), asker)


def build_reply(question: bytes, address: bytes) -> bytes:
    """Return the reply to one question: the address where it asks for one (type A), else that there is none."""
    end = _HEADER
    while question[end] != _ROOT:
        end += 1 + question[end]
    end += 5  # the root's length byte, type, class
    (kind,) = struct.unpack("!H", question[end - 4 : end - 2])
    found = kind == _A
    head = struct.pack("!2sHHHHH", question[:2], 0x8180, 1, int(found), 0, 0)
    record = struct.pack("!HHHLH", 0xC00C, _A, 1, 0, 4) + address if found else b""
    return head + question[_HEADER:end] + record
