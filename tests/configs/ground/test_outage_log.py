from configs.ground.outage_log import OutageLog


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    outage = OutageLog()
    met = [outage.begin("refused"), outage.begin("timed out"), outage.is_open]
    assert met == [True, False, True]
    assert [outage.end(), outage.end(), str(outage.is_open)] == ["timed out", "", "False"]
    assert outage.begin("refused")


def test_a_failure_of_another_kind_is_logged_too() -> None:
    outage = OutageLog()
    kinds = [OSError, OSError, ValueError, OSError]
    assert [outage.begin("", kind) for kind in kinds] == [True, False, True, True]
    assert outage.is_open
