"""The nameserver among the children: linked like a forwarder, restarted alone, and the last to go."""

from lbmesh.control.processes import AGENT_SLOT, NAMESERVER_SLOT, Drained, Left, Ready, tick_slot
from lbmesh.observe.ticks import SLOTS_MAX
from lbmesh.sentinel.decisions import CloseChannel, Kill, MakeLink, Start, child_name
from lbmesh.sentinel.limits import HUNG_S
from lbmesh.sentinel.supervisor import Supervisor
from tests.unit.sentinel.test_supervisor import STEP_S, Node


def ready() -> Node:
    """One forwarder, and a nameserver."""
    node = Node(1)
    node.supervisor = Supervisor(1, drain_timeout_s=3.0, lame_duck_s=0.0, now_s=node.now_s, with_nameserver=True)
    node.run(STEP_S * 4, dict.fromkeys((AGENT_SLOT, tick_slot(0), NAMESERVER_SLOT), 0.0))
    for slot in node.alive:
        node.say(slot, Ready())
    return node


def test_it_is_started_and_linked() -> None:
    node = ready()
    assert set(node.alive) == {AGENT_SLOT, tick_slot(0), NAMESERVER_SLOT}
    assert MakeLink(NAMESERVER_SLOT, 1) in node.fetch()


def test_its_slot_is_on_the_board_and_has_a_name() -> None:
    assert NAMESERVER_SLOT < SLOTS_MAX
    assert child_name(NAMESERVER_SLOT) == "nameserver"


def test_a_new_agent_is_linked_with_it() -> None:
    node = ready()
    node.fetch()
    node.die(AGENT_SLOT)
    node.run(STEP_S)
    assert MakeLink(NAMESERVER_SLOT, 2) in node.fetch()


def test_its_death_is_its_own() -> None:
    node = ready()
    node.fetch()
    node.die(NAMESERVER_SLOT)
    node.run(STEP_S)
    assert node.fetch() == [Start(NAMESERVER_SLOT, 1), MakeLink(NAMESERVER_SLOT, 1)]


def test_one_that_hangs_is_killed_alone() -> None:
    node = ready()
    node.fetch()
    node.run(1.0, {AGENT_SLOT: 0.0, tick_slot(0): 0.0, NAMESERVER_SLOT: HUNG_S + 0.1})
    assert node.fetch() == [Kill(NAMESERVER_SLOT)]


def test_it_answers_until_the_forwarders_have_drained() -> None:
    node = ready()
    node.terminate()
    node.fetch()
    node.say(AGENT_SLOT, Left())
    assert CloseChannel(NAMESERVER_SLOT) not in node.fetch()
    node.say(tick_slot(0), Drained())
    node.die(tick_slot(0), 0)
    assert node.fetch()[-2:] == [CloseChannel(AGENT_SLOT), CloseChannel(NAMESERVER_SLOT)]
