from configs.ground.outage_log import OutageLog


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    outage = OutageLog()
    met = [outage.begin("refused"), outage.begin("timed out"), outage.is_open]
    assert met == [True, False, True]
    assert [outage.end(), outage.end(), str(outage.is_open)] == ["timed out", "", "False"]
    assert outage.begin("refused")
