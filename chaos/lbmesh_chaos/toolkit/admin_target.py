"""Real nodes as a target, over their admin API. They do to themselves what the target's list allows, and no more.

Each fault is undone by the node itself when its time is up, whatever becomes of this process: a stopped forwarder goes
on, and whatever was killed the sentinel starts again.
"""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from lbmesh.admin.client import OTHER_SHAPE, Asked, ask, other_release
from lbmesh.admin.drill_shapes import DRILL_PATH
from lbmesh.config.values import admin_token
from lbmesh_chaos.faults.order import Order, parse_order
from lbmesh_chaos.model.world import World
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.target_list import TargetList, TargetNode, able_word

READY_WITHIN_S = 60.0
"""Of a node that was struck, and is healed; a service manager may have to start it."""
POLL_S = 0.2


class AdminTarget:
    """`events`: what was done, in the lab's words, with monotonic times."""

    def __init__(self, targets: TargetList, *, as_they_are: bool = False) -> None:
        """Ask every node who it is, and whether it lets itself be drilled. Raises RefusedError, with all that is wrong.

        `as_they_are`: whoever presses the button is asked nothing.
        """
        self.targets = targets
        self.events: list[dict[str, Any]] = []
        self._asked = {one.name: Asked(one.admin, _token(one)) for one in targets.nodes}
        self._standing: dict[int, Order] = {}
        self._count = 0
        self._world = targets.world
        wrong = [] if as_they_are else [line for one in targets.nodes for line in self._unfit(one)]
        if wrong:
            raise RefusedError("\n".join(wrong))

    @property
    def world(self) -> World:
        """As the list has it."""
        return self._world

    def apply(self, fault: str, arguments: Mapping[str, Any], seed: int) -> int:
        """As Target."""
        del seed
        order = parse_order(fault, arguments, self._world)
        if isinstance(order, tuple):
            raise RefusedError("; ".join(str(one) for one in order))
        why_not = self.targets.why_not(order, self._standing.values()) or self._is_aborted()
        if why_not:
            raise RefusedError(f"{fault}: {why_not}")
        self._count += 1
        number = self._count
        self._standing[number] = order
        self._tell("fault begins", number)
        try:
            for node in self.targets.struck(order):
                self._order(node, order)
        except RefusedError:
            self.heal(number)
            raise
        self._tell("fault stands", number)
        return number

    def heal(self, number: int) -> tuple[str, ...]:
        """As Target; waits until the nodes are ready again."""
        order = self._standing.get(number)
        if order is None:
            raise RefusedError(f"no fault {number} stands")
        self._tell("fault heals", number)
        struck = self.targets.struck(order)
        undone = {node.name for node in struck if self._is_done(node, "heal")}
        self._tell("fault undone", number)
        left = self._await_ready(struck, undone)
        self._tell("fault ready", number)
        del self._standing[number]
        return left

    def residue(self) -> tuple[str, ...]:
        """As Target."""
        return tuple(line for one in self.targets.nodes for line in self._left(one))

    def state(self, balancer: str) -> Mapping[str, Any] | None:
        """As Target."""
        answer = ask(self._asked[balancer], "/v1/state")
        if isinstance(answer, str) or answer.status_code != HTTPStatus.OK:
            return None
        found: Mapping[str, Any] = answer.json()
        return found

    def close(self) -> None:
        """As Target. What cannot be reached undoes its fault by itself."""
        for number in list(self._standing):
            for node in self.targets.struck(self._standing.pop(number)):
                self._is_done(node, "heal")

    def is_aborted(self) -> bool:
        """Whether a node says that somebody pressed the button."""
        return self._is_aborted() is not None

    def abort(self) -> tuple[str, ...]:
        """Have all nodes undo what stands, and refuse orders for a while; which of them could not be told."""
        return tuple(
            f"{one.name} could not be told"
            for one in self.targets.nodes
            if one.able and not self._is_done(one, "abort")
        )

    def _is_aborted(self) -> str | None:
        for one in self.targets.nodes:
            drill = self._drill(one)
            if not isinstance(drill, str) and drill["aborted_for_s"]:
                return f"the drill was aborted; {one.name} refuses orders for {drill['aborted_for_s']:.0f} s more"
        return None

    def _unfit(self, node: TargetNode) -> list[str]:
        state = ask(self._asked[node.name], "/v1/state")
        if isinstance(state, str):
            return [f"{node.name}: {state}"]
        try:
            said, wrong = state.json()["node"], []
        except OTHER_SHAPE:
            return [f"{node.name}: {other_release(self._asked[node.name])}"]
        if (said["name"], said["zone"]) != (node.name, node.zone):
            wrong.append(
                f'{node.name}: at {node.admin} is "{said["name"]}" of "{said["zone"]}"; write that, or its address'
            )
        drill = self._drill(node)
        if node.able and (isinstance(drill, str) or not drill["allowed"]):
            wrong.append(
                f"{node.name}: it does not let itself be drilled; set [admin] drills = true there, and restart it"
            )
        elif not isinstance(drill, str) and drill["aborted_for_s"]:
            wrong.append(
                f"{node.name}: a drill was aborted; orders are refused for {drill['aborted_for_s']:.0f} s more"
            )
        elif not isinstance(drill, str) and drill["standing"]:
            wrong.append(f"{node.name}: another drill's fault stands there; wait, or press the button: --abort")
        return wrong

    def _drill(self, node: TargetNode) -> Mapping[str, Any] | str:
        answer = ask(self._asked[node.name], DRILL_PATH)
        if isinstance(answer, str):
            return answer
        if answer.status_code != HTTPStatus.OK:
            return f"{node.admin} has no {DRILL_PATH}; it is older"
        found: Mapping[str, Any] = answer.json()
        return found

    def _order(self, node: TargetNode, order: Order) -> None:
        able = able_word(order.fault)
        assert able is not None, "the list saw to it"
        fault, _, part = able.partition(" ")
        told = {"fault": fault, "part": part or "sentinel", "at_most_s": order.at_most_s}
        answer = ask(self._asked[node.name], f"{DRILL_PATH}/apply", told)
        if isinstance(answer, str) or answer.status_code != HTTPStatus.OK:
            raise RefusedError(f"{node.name}: {answer if isinstance(answer, str) else answer.json()['what']}")

    def _is_done(self, node: TargetNode, verb: str) -> bool:
        answer = ask(self._asked[node.name], f"{DRILL_PATH}/{verb}", {})
        return not isinstance(answer, str) and answer.status_code == HTTPStatus.OK

    def _await_ready(self, nodes: tuple[TargetNode, ...], undone: set[str]) -> tuple[str, ...]:
        """Whose agent was struck does not answer at first: it is told again."""
        end_s = time.monotonic() + READY_WITHIN_S
        left: tuple[str, ...] = ("",)
        while left and time.monotonic() < end_s:
            undone |= {one.name for one in nodes if one.name not in undone and self._is_done(one, "heal")}
            left = tuple(line for one in nodes for line in self._left(one))
            if left:
                time.sleep(POLL_S)
        return left

    def _left(self, node: TargetNode) -> list[str]:
        state = self.state(node.name)
        if state is None:
            return [f"{node.name} does not answer"]
        lines = [] if state["node"]["ready"] else [f"{node.name} is not ready: {state['node']['reason']}"]
        drill = self._drill(node)
        if not isinstance(drill, str) and drill["standing"]:
            lines.append(f"a fault still stands on {node.name}")
        return lines

    def _tell(self, event: str, number: int) -> None:
        self.events.append(
            {"at_s": time.monotonic(), "event": event, "fault": number, "label": self._standing[number].label}
        )


def _token(node: TargetNode) -> str | None:
    """Raises RefusedError."""
    if node.token_file is None:
        return None
    try:
        return admin_token(node.token_file.read_text())
    except (OSError, ValueError) as error:
        raise RefusedError(f"{node.name}: token_file {node.token_file}: {error}") from error
