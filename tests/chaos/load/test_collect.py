"""Logs of a drill's clients, read up to where the load was ended."""

from pathlib import Path

from lbmesh_chaos.load.client_log import ClientLogWriter
from lbmesh_chaos.load.collect import collect
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import RequestMaker
from lbmesh_chaos.load.template import RequestTemplate
from lbmesh_chaos.model.flow import Flow, Kind
from lbmesh_chaos.model.tally import OK, Verdict


def test_what_was_not_due_any_more_when_the_load_was_ended_is_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "c.log"
    flows = (Flow("f", "a", Kind.KEPT, rate=10.0),)
    order = Order("c", flows, ("10.1.1.1:80",), 100.0, 60.0, str(path), template=RequestTemplate("/"))
    log, make = ClientLogWriter(order), RequestMaker(order)
    for number in range(9):
        log.ended(make.bare(0, number, 100.0 + number / 10), OK)
    log.flush()  # and then it was killed
    (fates,) = collect([path], (), until_s=101.0).fates
    assert list(fates.verdicts) == [Verdict.OK] * 9 + [Verdict.VOID]  # the tenth was under way
    assert len(collect([path], ()).fates[0].due_s) == 600
    assert len(collect([path], (), until_s=99.0).fates[0].due_s) == 0
