"""The load of a drill at real hosts: held against the list, tried once at each address, sent from here, ended at once.

It is sent by processes of this machine, three for each zone that has an address (plain, threads, trio), which end with
this process, however that ends.
"""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lbmesh_chaos.drill.load_orders import aimed_orders, requests_in
from lbmesh_chaos.drill.run import DrillError
from lbmesh_chaos.lab.kernel import end_with_parent
from lbmesh_chaos.load.bodies import ID_HEADER
from lbmesh_chaos.load.client import READY, TOLD_WHEN
from lbmesh_chaos.load.collect import collect
from lbmesh_chaos.load.order import Order, write_order
from lbmesh_chaos.load.template import USER_AGENT, filled
from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.model.tally import Tally
from lbmesh_chaos.toolkit.extension import Load
from lbmesh_chaos.toolkit.target_list import TargetList
from lbmesh_chaos.toolkit.target_load import LoadAddress, TargetLoad

START_S = 0.5
"""From when all load processes are ready to the first request."""
END_S = 10.0
"""What a load process may take to end, when the time of its last request is up."""
_CLIENT = (sys.executable, "-P", "-m", "lbmesh_chaos.load.client")
_NOT_YET_S = 0.0
"""Of the orders: the processes are told when they are ready."""


@dataclass(frozen=True, slots=True)
class AllowedLoad:
    """A load that was asked for, and that the list allows. `requests`: all of it, the first try among them."""

    within: TargetLoad
    load: Load
    requests: int

    @property
    def evidence(self) -> Evidence:
        """What origins tell of the requests."""
        template = self.within.template
        return Evidence(logged=False, echoed=bool(template.echo_header), counted=bool(template.count_header))

    def __str__(self) -> str:
        """What will be sent, for whoever is to confirm it."""
        where = ", ".join(f"{one.address} ({one.zone})" for one in self.within.addresses)
        return (
            f"{self.load.rate:g} requests a second for {self.load.lasts_s:g} s ({self.requests} in all) to {where}, "
            f"as clients of {self.within.host}: {self.within.asks}"
        )


def allow(targets: TargetList, load: Load, rate: float) -> AllowedLoad:
    """The experiment's load at this rate, held against the list. Raises DrillError, with all that is wrong."""
    within = targets.load
    if within is None:
        raise DrillError(
            f'--load: the list of "{targets.name}" lets none be sent; its owner writes [load], and a [[load.address]] '
            "for each address that it may be sent to"
        )
    if not 0 < rate <= within.rate_max:
        raise DrillError(f"--load {rate:g}: write a number above 0; the list's rate_max is {within.rate_max:g}")
    wanted = replace(load, rate=rate)
    wrong = []
    if wanted.first:
        wrong.append("extensions[lbmesh].load.first: is a host of a lab; leave it out, the list says what is asked")
    if wanted.lasts_s > within.lasts_max_s:
        wrong.append(
            f"extensions[lbmesh].load.lasts: {wanted.lasts_s:g} s; the list's lasts_max is {within.lasts_max_s:g} s"
        )
    requests = requests_in(aimed_orders(within, wanted, 0.0, "", "", 0)) + len(within.addresses)
    if requests > within.requests_max:
        wrong.append(
            f"--load {rate:g}: {requests} requests in {wanted.lasts_s:g} s; the list's requests_max is "
            f"{within.requests_max}: ask for fewer a second, or for a shorter time (load.lasts)"
        )
    if wrong:
        raise DrillError("\n".join(wrong))
    return AllowedLoad(within, wanted, requests)


def try_out(allowed: AllowedLoad) -> None:
    """Ask once at each address, by GET: a load that is answered by 404 would say nothing. Raises DrillError."""
    wrong = [line for number, one in enumerate(allowed.within.addresses) for line in _unfit(allowed, one, number)]
    if wrong:
        raise DrillError("\n".join(wrong))


def _unfit(allowed: AllowedLoad, one: LoadAddress, number: int) -> Iterator[str]:
    within, template = allowed.within, allowed.within.template
    identity = f"try-{time.time() * 1e3:.0f}-{number}"
    asking = http.client.HTTPConnection(one.address.host, one.address.port, timeout=allowed.load.deadline_s)
    target = filled(template.get, identity)
    try:
        asking.request("GET", target, headers={"Host": within.host, ID_HEADER: identity, "User-Agent": USER_AGENT})
        answer = asking.getresponse()
    except (OSError, http.client.HTTPException) as error:
        yield f"{one.address}: no answer to a first GET ({error}); write where HTTP is served, without TLS"
        return
    finally:
        asking.close()
    if not 200 <= answer.status < 300:
        yield f"{one.address}: GET {target} of {within.host} is answered by {answer.status}; write one that gets a 2xx"
        return
    for name in filter(None, (template.echo_header, template.count_header)):
        if answer.headers.get(name) is None:
            yield f"{one.address}: the answer has no {name}; have the origin set it, or leave it out of the list"
    echoed = answer.headers.get(template.echo_header or "-", identity)
    if echoed != identity:
        yield f'{one.address}: {template.echo_header} is "{echoed[:80]}", not the id that came in {ID_HEADER}'


class RunningLoad:
    """Under way from when it is made. `began_s`: when the first request is due."""

    def __init__(self, allowed: AllowedLoad, seed: int, directory: Path) -> None:
        """`directory`: for its orders and logs. Raises DrillError when a process does not come up."""
        self.evidence = allowed.evidence
        self._load = allowed.load
        run = f"{time.time() * 1e3:.0f}"  # unlike that of any drill before, whatever machine that ran on
        placed = aimed_orders(allowed.within, allowed.load, _NOT_YET_S, run, str(directory / "{client}.log"), seed)
        self._orders = [one.order for one in placed]
        self._processes: list[subprocess.Popen[str]] = []
        try:
            for order in self._orders:
                self._processes.append(_started(order))
            for order, process in zip(self._orders, self._processes, strict=True):
                assert process.stdout is not None
                if process.stdout.readline().strip() != READY:
                    raise DrillError(f"the load did not come up: {order.client} {_last_words(order, process.wait())}")
            self.began_s = time.monotonic() + START_S
            for process in self._processes:
                assert process.stdin is not None
                print(self.began_s, file=process.stdin, flush=True)
        except BaseException as error:
            self.end()
            if isinstance(error, BrokenPipeError):
                raise DrillError("the load did not come up: one of its processes was ended") from error
            raise

    @property
    def ends_s(self) -> float:
        """When no request is due any more."""
        return self.began_s + self._load.lasts_s

    def wait(self) -> list[str]:
        """Until the last request has ended; which processes did not end well, and what they said last."""
        last_s = self.ends_s + self._load.deadline_s + END_S
        wrong = []
        for order, process in zip(self._orders, self._processes, strict=True):
            try:
                status = process.wait(max(0.0, last_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                wrong.append(f"{order.client} did not end")
                continue
            if status:
                wrong.append(f"{order.client} {_last_words(order, status)}")
        self.end()
        return wrong

    def end(self) -> None:
        """At once: nothing is sent any more."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()

    def tally(self, until_s: float) -> Tally:
        """Of the requests that were due until then. Raises LogError."""
        logs = [Path(one.log) for one in self._orders]
        # One that was ended before its first line has asked nothing.
        return collect([log for log in logs if log.exists() and log.stat().st_size], (), until_s)


def _started(order: Order) -> "subprocess.Popen[str]":
    file = Path(order.log).with_suffix(".json")
    write_order(order, file)
    with file.with_suffix(".err").open("wb") as words:
        return subprocess.Popen(
            (*_CLIENT, str(file), TOLD_WHEN),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            preexec_fn=end_with_parent,
        )


def _last_words(order: Order, status: int) -> str:
    said = Path(order.log).with_suffix(".err").read_text(errors="replace").rstrip().split("\n")
    return f"ended with {status}: {said[-1][:200]}"
