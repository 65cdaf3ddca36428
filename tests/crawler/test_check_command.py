from collections.abc import Callable

import pytest
import redis

from configs.world.desk import Desk
from crawler.scheduling import due_queue
from tests.crawler.commanded import command


@pytest.fixture(autouse=True)
def _desks(redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]) -> None:
    desk_files(naturalisation="127.77.0.91:8800", remise="127.77.0.92:8800")


def pushed(redis_server: redis.Redis) -> list[bytes | str]:
    return redis_server.lrange(due_queue.pushed("prefenligne"), 0, -1)


def test_desks_are_pushed_in_the_order_named(
    redis_server: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("check", "evry_91/remise", "evry_91/naturalisation") == 0
    assert pushed(redis_server) == [b"evry_91/remise", b"evry_91/naturalisation"]
    assert capsys.readouterr().out == (
        "2 of prefenligne: due now; each is asked when its host may be asked again\n"
    )


@pytest.mark.rule("3.10")
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "name a desk"),
        (("evry_91/remise", "evry_91/naturalization"), "did you mean evry_91/naturalisation"),
        (("qqq",), "no desk 'qqq'; `scrapy desks` lists those that exist"),
    ],
)
def test_where_one_is_wrong_that_is_said_and_none_is_pushed(
    names: tuple[str, ...], said: str, redis_server: redis.Redis
) -> None:
    assert said in str(command("check", *names))
    assert pushed(redis_server) == []


def test_a_desk_that_is_not_scheduled_says_why(
    redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    desk_files(grade="stale", remise="127.77.0.91:8800")
    assert "evry_91/remise is not scheduled: its address is very old, or known to be dead" in str(
        command("check", "evry_91/remise")
    )
    assert pushed(redis_server) == []
