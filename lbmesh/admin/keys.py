"""`lbmesh keys`: the gossip's key ring, shown and changed over one node's admin address."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from lbmesh.admin.client import OTHER_SHAPE, Asked, ask, fail, other_release
from lbmesh.admin.key_shapes import KEYS_PATH
from lbmesh.admin.text import plain

POLL_S = 0.2
STEP_S = 30.0
"""How long a rotation waits for the last member at each step, unless told otherwise."""

Shape = dict[str, Any]


class RefusedError(Exception):
    """The node cannot be asked, or refuses; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class KeysNode:
    """The node that is asked."""

    whom: Asked

    def ring(self) -> Shape:
        """Who holds what. Raises RefusedError."""
        ring = self._ask(KEYS_PATH)
        try:
            is_alone = not ring["keys"]
            # What can be shown has all that a rotation asks of it.
            list(ring_lines(ring))
        except OTHER_SHAPE:
            raise RefusedError(other_release(self.whom)) from None
        if is_alone:
            raise RefusedError(f"{self.whom.admin_address} is a node alone: it has no [gossip], and so no key ring")
        return ring

    def order(self, verb: str, key: str = "", *, force: bool = False) -> Shape:
        """Give an order; the node's answer. Raises RefusedError when it refuses."""
        fields: Shape = {"key": key} if key else {}
        answer = self._ask(f"{KEYS_PATH}/{verb}", {**fields, "force": True} if force else fields)
        try:
            left_behind = [str(name) for name in answer["members"]]
            return {"what": str(answer["what"]), "key": str(answer["key"]), "members": left_behind}
        except OTHER_SHAPE:
            raise RefusedError(other_release(self.whom)) from None

    def _ask(self, path: str, order: Shape | None = None) -> Shape:
        answer = ask(self.whom, path, order)
        if isinstance(answer, str):
            raise RefusedError(answer)
        try:
            found: Shape = answer.json()
            refusal = None if answer.status_code == 200 else str(found["what"])
        except OTHER_SHAPE:
            raise RefusedError(other_release(self.whom)) from None
        if refusal is not None:
            raise RefusedError(refusal)
        return found


def run_keys(
    node: KeysNode, action: str, key: str, *, force: bool = False, step_s: float = STEP_S, as_json: bool = False
) -> int:
    """Carry out one action: "list", "rotate", "install", "use" or "remove". The exit code."""
    say = _say_json if as_json else _say
    try:
        match action:
            case "list":
                ring = node.ring()
                print(json.dumps(ring) if as_json else "\n".join(map(plain, ring_lines(ring))))
            case "rotate":
                Rotation(node, say, step_s).run(force=force)
            case _:
                answer = node.order(action, key, force=force)
                say(action, answer["what"], key=answer["key"], left_behind=answer["members"])
    except RefusedError as refused:
        return fail("keys", str(refused), as_json=as_json)
    except KeyboardInterrupt:
        print(
            "lbmesh keys: stopped; each step is safe, and `lbmesh keys` shows where it stands",
            file=sys.stderr,
        )
        return 130
    return 0


class Rotation:
    """A fresh key for all: install, wait until all hold it, use, wait until all use it, remove the others' old one.

    Stops where a live member does not follow in time. Each state on the way is a safe one to stay in.
    """

    def __init__(
        self,
        node: KeysNode,
        say: Callable[..., None],
        step_s: float,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._node = node
        self._say = say
        self._step_s = step_s
        self._clock = clock
        self._pause = pause

    def run(self, *, force: bool) -> None:
        """Rotate. Raises RefusedError where it stops."""
        old: str = self._node.ring()["primary"]
        new: str = self._node.order("install")["key"]
        self._say("install", f"key {new} is on its way", key=new)
        self._until(
            "hold", lambda one: new in one["held"], f"the old key {old} stays in use; `lbmesh keys use {new}` goes on"
        )
        used = self._node.order("use", new)
        self._say("use", f"key {new} becomes primary", key=new, left_behind=used["members"])
        self._until(
            "use",
            lambda one: one["primary"] == new,
            f"both keys open everywhere; `lbmesh keys remove {old}` goes on",
            wanted=new,
        )
        try:
            removed = self._node.order("remove", old, force=force)
        except RefusedError as refused:
            raise RefusedError(
                f"{refused}. Key {new} is primary, and key {old} still opens; `lbmesh keys remove {old}`, later or "
                "with --force, ends this rotation, while `rotate` would begin another"
            ) from refused
        self._say("remove", f"key {old} leaves all rings", key=old, left_behind=removed["members"])
        self._until("have dropped", lambda one: old not in one["held"], "it is on its way out; `lbmesh keys` shows it")

    def _until(self, what: str, has: Callable[[Shape], bool], state: str, wanted: str | None = None) -> None:
        began = self._clock()
        while True:
            ring = self._node.ring()
            live = [one for one in ring["members"] if one["live"]]
            late = [one["name"] for one in live if not has(one)]
            took_s = self._clock() - began
            if not late:
                self._say("wait", f"all {len(live)} live members {what} it after {took_s:.1f}s", seconds=took_s)
                return
            if wanted is not None and ring["wanted"] != wanted:
                raise RefusedError(
                    f"another rotation, to key {ring['wanted']}, came later and wins: let it end, then remove "
                    f"key {wanted} with `lbmesh keys remove {wanted}`"
                )
            if took_s > self._step_s:
                raise RefusedError(
                    f"after {took_s:.0f}s {', '.join(late)} of {len(live)} live members still do not {what} it: "
                    f"look at them with `lbmesh status`, or let them leave. Until then {state}"
                )
            self._pause(POLL_S)


def ring_lines(ring: Shape) -> Iterator[str]:
    """The ring as text: a line a key, then members in trouble."""
    members = [one for one in ring["members"] if one["live"]]
    for key in ring["keys"]:
        holders = [one["name"] for one in members if key in one["held"]]
        users = [one["name"] for one in members if one["primary"] == key]
        if holders or users:
            yield f"{key}  held by {_counted(holders, members)}; primary of {_counted(users, members)}"
        else:
            yield f"{key}  removed; for some seconds this node still opens what was sealed under it"
    if ring["wanted"] != ring["primary"]:
        yield f"{ring['wanted']} is to become primary, as soon as all live members hold it"
    for one in ring["members"]:
        if one["state"] != "left":
            yield from _trouble(one, ring["primary"])
    if ring["fault"]:
        yield f"{ring['fault']}: what this node holds is lost when it restarts"


def _trouble(member: Shape, primary: str) -> Iterator[str]:
    name, state = member["name"], member["state"]
    if not member["primary"]:
        yield f"{name} ({state}) does not say which keys it holds: it is of an older release, or has just come"
    elif primary not in member["held"]:
        yield f"{name} ({state}) lacks the primary key {primary}"
    if member["in_memory_only"]:
        yield f"{name} holds its keys in memory only, as it cannot write its key file: see `lbmesh status` there"


def _counted(names: Sequence[str], members: Sequence[Shape]) -> str:
    if not names:
        return "nobody"
    lacking = [one["name"] for one in members if one["name"] not in names]
    if not lacking:
        return f"all {len(names)} live members"
    return f"{len(names)} of {len(members)} live members, not {_listed(lacking)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _say(step: str, what: str, *, left_behind: Sequence[str] = (), **_: object) -> None:
    print(f"{step:8}{plain(what)}", flush=True)
    if left_behind:
        print(f"{'':8}{plain(_listed(left_behind))} might come back without it: write the key to its key file by hand")


def _say_json(step: str, what: str, **fields: object) -> None:
    print(json.dumps({"step": step, "done": True, "what": what, **fields}), flush=True)
