"""The name server that can be silent: one answer, by the rules of RFC 1035."""

import struct

from deploy.chaos.dns_server import build_reply

ADDRESS = bytes([127, 77, 0, 78])
QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00%s\x00\x01"


def counts(reply: bytes) -> tuple[int, int]:
    questions, answers = struct.unpack("!HH", reply[4:8])
    return questions, answers


def test_an_address_is_answered_with_the_question() -> None:
    reply = build_reply(QUESTION % b"\x00\x01", ADDRESS)
    assert reply[:2] == b"\x12\x34"
    assert counts(reply) == (1, 1)
    assert reply.endswith(ADDRESS)


def test_another_type_is_answered_with_nothing() -> None:
    reply = build_reply(QUESTION % b"\x00\x1c", ADDRESS)
    assert counts(reply) == (1, 0)
    assert ADDRESS not in reply


def test_what_follows_the_question_is_left_out() -> None:
    assert counts(build_reply(QUESTION % b"\x00\x01" + b"\x00\x00\x29\x04\xd0", ADDRESS)) == (1, 1)
