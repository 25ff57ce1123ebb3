"""The supervision state machine, driven by hand-made events and times."""

import signal
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.processes import (
    AGENT_SLOT,
    ControlMessage,
    Drain,
    Drained,
    LameDuck,
    Leave,
    Left,
    Ready,
    Reload,
    Reloaded,
)
from lbmesh.sentinel.children import restart_delay_s
from lbmesh.sentinel.decisions import (
    CloseChannel,
    CloseListeners,
    Decision,
    End,
    ExitCode,
    Kill,
    Log,
    MakeLink,
    Notify,
    Send,
    Start,
)
from lbmesh.sentinel.limits import (
    EXIT_S,
    FIRST_TICK_S,
    HUNG_S,
    LAST_FORWARDER_DELAY_S,
    LEAVE_S,
    RESTART_DELAY_MAX_S,
    SAME_SIGNAL_S,
    STABLE_S,
    STALL_GRACE_S,
    STALL_S,
    START_FAILURES_MAX,
    UNREAPED_S,
)
from lbmesh.sentinel.supervisor import Phase, Supervisor

FRESH: Mapping[int, float | None] = {0: 0.0, 1: 0.0, 2: 0.0}
STEP_S = 0.05
GOODBYE = (Send(1, LameDuck()), Send(2, LameDuck()), Send(AGENT_SLOT, Leave()))


class Node:
    """A supervisor with a clock, and processes that start whenever it says so. Collects what it decided."""

    def __init__(self, workers: int = 2, *, can_start: bool = True, lame_duck_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.supervisor = Supervisor(workers, 3.0, lame_duck_s, now_s=self.now_s)
        self.workers = workers
        self.can_start = can_start
        self.alive: dict[int, int] = {}
        self.next_pid = 1000
        self.decided: list[Decision] = []

    def settle(self) -> None:
        """Do what was decided, until nothing more is."""
        while decisions := self.supervisor.take():
            self.decided += decisions
            for decision in decisions:
                if isinstance(decision, Start):
                    self.start(decision.slot)

    def start(self, slot: int) -> None:
        assert slot not in self.alive, "two processes in one place"
        if not self.can_start:
            self.supervisor.start_failed(slot, "no memory", self.now_s)
            return
        self.next_pid += 1
        self.alive[slot] = self.next_pid
        self.supervisor.started(slot, self.next_pid, self.now_s)

    def tick(self, ages_s: Mapping[int, float | None] = FRESH) -> None:
        self.supervisor.tick(self.now_s, ages_s)
        self.settle()

    def run(self, seconds: float, ages_s: Mapping[int, float | None] = FRESH) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(self.now_s + STEP_S, end_s)
            self.tick(ages_s)

    def say(self, slot: int, message: ControlMessage) -> None:
        self.supervisor.received(slot, message, self.now_s)
        self.settle()

    def die(self, slot: int, return_code: int = -signal.SIGKILL) -> None:
        del self.alive[slot]
        self.supervisor.exited(slot, return_code, self.now_s)
        self.settle()

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.supervisor.terminate(number, self.now_s)
        self.settle()

    def fetch(self) -> list[Decision]:
        """What was decided since the last call, without log lines and words for the service manager."""
        decided, self.decided = self.decided, []
        return [decision for decision in decided if not isinstance(decision, Log | Notify)]


def ready_node(workers: int = 2, lame_duck_s: float = 0.0) -> Node:
    node = Node(workers, lame_duck_s=lame_duck_s)
    node.run(STEP_S * (workers + 2))
    for slot in range(workers + 1):
        node.say(slot, Ready())
    node.fetch()
    return node


def test_a_node_starts_the_agent_first_then_each_forwarder_with_its_link() -> None:
    node = Node()
    for _ in range(4):
        node.tick()
    assert node.fetch() == [Start(0, 1), Start(1, 1), MakeLink(1, 1), Start(2, 1), MakeLink(2, 1)]


def test_the_service_manager_hears_ready_once_all_are_ready() -> None:
    node = Node()
    node.run(0.3)
    for slot in (1, 0):
        node.say(slot, Ready())
    assert Notify(("READY=1",)) not in node.decided
    node.say(2, Ready())
    assert node.decided.count(Notify(("READY=1",))) == 1
    assert Notify(("STATUS=agent ready, 2 of 2 forwarders ready",)) in node.decided


def test_a_dead_agent_is_replaced_at_once_by_the_next_generation_and_linked_with_every_forwarder() -> None:
    node = ready_node()
    node.die(AGENT_SLOT)
    node.tick()
    assert node.fetch() == [Start(0, 2), MakeLink(1, 2), MakeLink(2, 2)]


def test_no_second_agent_starts_while_the_first_is_not_reaped() -> None:
    node = ready_node()
    node.supervisor.hung_up(AGENT_SLOT, node.now_s)
    node.run(EXIT_S + 5.0)
    assert node.fetch() == [Kill(0)]


def test_a_dead_forwarder_is_replaced_in_the_same_generation() -> None:
    node = ready_node()
    node.die(2)
    node.tick()
    assert node.fetch() == [Start(2, 1), MakeLink(2, 1)]


def test_a_forwarder_that_starts_while_there_is_no_agent_is_linked_when_there_is_one() -> None:
    node = ready_node()
    node.die(AGENT_SLOT)
    node.die(1)
    for _ in range(2):
        node.tick()
    assert node.fetch() == [Start(0, 2), MakeLink(2, 2), Start(1, 2), MakeLink(1, 2)]


def test_restarts_in_a_row_wait_longer_up_to_a_bound() -> None:
    delays_s = [restart_delay_s(failures) for failures in range(1, 2000)]
    assert delays_s[:4] == [0.0, 0.1, 0.2, 0.4]
    assert delays_s == sorted(delays_s)
    assert delays_s[-1] == RESTART_DELAY_MAX_S


def test_a_second_death_in_a_row_waits_and_one_after_a_stable_time_does_not() -> None:
    node = ready_node()
    node.die(1)
    node.tick()
    node.say(1, Ready())
    node.die(1)
    node.tick()
    assert Start(1, 1) not in node.fetch()[2:]
    node.run(0.2)
    node.say(1, Ready())
    node.run(STABLE_S)
    node.fetch()
    node.die(1)
    node.tick()
    assert node.fetch() == [Start(1, 1), MakeLink(1, 1)]


def test_while_no_forwarder_is_alive_none_waits_long() -> None:
    node = ready_node()
    for _ in range(10):
        for slot in (1, 2):
            node.die(slot)
        assert node.alive.keys() == {AGENT_SLOT}
        node.run(LAST_FORWARDER_DELAY_S + 2 * STEP_S)
        assert node.alive.keys() == {0, 1, 2}
    node.die(1)
    node.run(1.0)
    assert node.alive.keys() == {0, 2}, "one that is not the last waits as long as any child"


def test_a_child_that_cannot_start_ends_a_node_that_never_was_ready() -> None:
    node = Node(workers=1)
    node.tick()
    for _ in range(START_FAILURES_MAX - 1):
        node.die(AGENT_SLOT, return_code=1)
        node.run(RESTART_DELAY_MAX_S)
    node.die(AGENT_SLOT, return_code=1)
    assert node.fetch()[-1] == Kill(1)
    node.die(1)
    assert node.fetch() == [End(ExitCode.CHILD_CANNOT_START)]


def test_giving_up_says_which_child_how_it_ended_and_what_to_look_at() -> None:
    node = Node(workers=1, can_start=False)
    node.run(60.0)
    (line,) = [line for line in node.decided if isinstance(line, Log) and "giving up" in line.event]
    assert line.fields["child"] == "forwarder-0"
    assert line.fields["ended"] == "could not be started: no memory"
    assert "reinstall" in str(line.fields["hint"])
    assert node.decided[-1] == End(ExitCode.CHILD_CANNOT_START)


def test_a_node_that_was_ready_never_gives_up() -> None:
    node = ready_node()
    for _ in range(START_FAILURES_MAX * 4):
        node.die(AGENT_SLOT)
        node.run(RESTART_DELAY_MAX_S + STEP_S)
    assert node.supervisor.phase is Phase.RUNNING
    assert AGENT_SLOT in node.alive


def test_a_hung_child_is_killed_once_and_only_that_one() -> None:
    node = ready_node()
    node.run(1.0, {0: 0.0, 1: HUNG_S + 0.1, 2: HUNG_S - 0.1})
    assert node.fetch() == [Kill(1)]


def test_a_child_that_never_ticked_gets_more_time() -> None:
    node = ready_node()
    node.die(1)
    node.run(FIRST_TICK_S - 1.0, {0: 0.0, 1: None, 2: 0.0})
    assert Kill(1) not in node.fetch()
    node.run(2.0, {0: 0.0, 1: None, 2: 0.0})
    assert node.fetch() == [Kill(1)]


def test_old_ticks_prove_nothing_after_the_sentinel_itself_stood_still() -> None:
    node = ready_node()
    node.now_s += 60.0
    node.run(STALL_GRACE_S - STEP_S, {0: 60.0, 1: 60.0, 2: 60.0})
    assert node.fetch() == []
    node.run(4 * STEP_S, {0: 0.0, 1: 0.0, 2: 65.0})
    assert node.fetch() == [Kill(2)]


@given(st.floats(min_value=STALL_S + 0.01, max_value=1e6))
def test_no_length_of_a_pause_kills_children_that_go_on_afterwards(pause_s: float) -> None:
    node = ready_node()
    node.now_s += pause_s
    node.tick({0: pause_s, 1: pause_s, 2: pause_s})
    node.run(STALL_GRACE_S + 1.0)
    assert node.fetch() == []


def test_a_reload_is_passed_on_and_its_end_told() -> None:
    node = ready_node()
    node.supervisor.reload(node.now_s)
    node.settle()
    assert Notify(("RELOADING=1", f"MONOTONIC_USEC={int(node.now_s * 1e6)}")) in node.decided
    assert node.fetch() == [Send(0, Reload())]
    node.say(0, Reloaded(ok=False, errors=("lbmesh.toml:3: no such key",)))
    assert node.decided[-1] == Notify(("READY=1",))
    (line,) = [line for line in node.decided if isinstance(line, Log)]
    assert line.fields["errors"] == ["lbmesh.toml:3: no such key"]


def test_reloads_asked_for_during_a_reload_become_one_more() -> None:
    node = ready_node()
    for _ in range(5):
        node.supervisor.reload(node.now_s)
    node.settle()
    assert node.fetch() == [Send(0, Reload())]
    node.say(0, Reloaded(ok=True))
    assert node.fetch() == [Send(0, Reload())]
    node.say(0, Reloaded(ok=True))
    assert node.fetch() == []


def test_an_agent_that_dies_while_it_reloads_ends_the_reload() -> None:
    node = ready_node()
    node.supervisor.reload(node.now_s)
    node.settle()
    node.die(AGENT_SLOT)
    assert Notify(("READY=1",)) in node.decided
    node.tick()
    node.fetch()
    node.say(AGENT_SLOT, Ready())
    assert node.fetch() == []


def test_a_reload_asked_for_while_there_is_no_agent_waits_for_the_next_to_be_ready() -> None:
    node = ready_node()
    node.die(AGENT_SLOT)
    for _ in range(2):
        node.supervisor.reload(node.now_s)
    node.tick()
    assert node.fetch() == [Start(0, 2), MakeLink(1, 2), MakeLink(2, 2)]
    node.die(AGENT_SLOT)
    node.run(1.0)
    node.fetch()
    node.say(AGENT_SLOT, Ready())
    assert node.fetch() == [Send(0, Reload())]
    assert Notify(("READY=1",)) not in node.decided
    node.say(AGENT_SLOT, Reloaded(ok=True))
    assert node.decided[-1] == Notify(("READY=1",))
    assert node.fetch() == []


def test_a_reload_wanted_when_the_agent_dies_in_another_is_not_forgotten() -> None:
    node = ready_node()
    for _ in range(2):
        node.supervisor.reload(node.now_s)
    node.die(AGENT_SLOT)
    node.tick()
    node.fetch()
    node.say(AGENT_SLOT, Ready())
    assert node.fetch() == [Send(0, Reload())]


def test_a_reload_asked_for_before_the_node_is_ready_is_not_told_to_the_service_manager() -> None:
    node = Node()
    node.tick()
    node.supervisor.reload(node.now_s)
    node.settle()
    assert not any("RELOADING=1" in one.assignments for one in node.decided if isinstance(one, Notify))
    node.fetch()
    node.say(AGENT_SLOT, Ready())
    assert node.fetch() == [Send(0, Reload())]


def test_a_drain_goes_agent_listeners_forwarders_agent() -> None:
    node = ready_node()
    node.terminate()
    assert node.fetch() == [*GOODBYE]
    node.say(0, Left())
    assert node.fetch() == [CloseListeners(), Send(1, Drain(3.0)), Send(2, Drain(3.0))]
    for slot in (1, 2):
        node.say(slot, Drained())
        node.die(slot, 0)
    assert node.fetch() == [CloseChannel(0)]
    node.die(AGENT_SLOT, 0)
    assert node.fetch() == [End(ExitCode.DRAINED)]


def test_a_drain_waits_for_a_silent_agent_only_so_long() -> None:
    node = ready_node()
    node.terminate()
    node.run(LEAVE_S - STEP_S)
    assert node.fetch() == [*GOODBYE]
    node.run(2 * STEP_S)
    assert node.fetch() == [CloseListeners(), Send(1, Drain(3.0)), Send(2, Drain(3.0))]


@pytest.mark.parametrize("left_after_s", [0.0, 1.5])
def test_a_lame_duck_keeps_its_listeners_for_its_time_whatever_the_agent_does(left_after_s: float) -> None:
    node = ready_node(lame_duck_s=2.0)
    node.terminate()
    node.run(left_after_s)
    node.say(0, Left())
    node.run(2.0 - left_after_s - STEP_S)
    assert node.fetch() == [*GOODBYE]
    node.run(2 * STEP_S)
    assert node.fetch() == [CloseListeners(), Send(1, Drain(3.0)), Send(2, Drain(3.0))]


def test_a_lame_duck_without_an_agent_keeps_its_listeners_as_long() -> None:
    node = ready_node(lame_duck_s=2.0)
    node.terminate()
    node.die(AGENT_SLOT)
    node.run(2.0 - STEP_S)
    assert node.fetch() == [*GOODBYE]
    node.run(2 * STEP_S)
    assert node.fetch() == [CloseListeners(), Send(1, Drain(3.0)), Send(2, Drain(3.0))]


def test_an_agent_that_says_goodbye_too_late_still_stays_until_the_drain_is_over() -> None:
    node = ready_node()
    node.terminate()
    node.run(LEAVE_S + STEP_S)
    node.fetch()
    node.say(0, Left())
    node.run(EXIT_S + 1.0)
    assert node.fetch() == []


def test_stragglers_are_killed_then_the_agent_is_ended() -> None:
    node = ready_node()
    node.terminate()
    node.say(0, Left())
    node.say(1, Drained())
    node.die(1, 0)
    node.fetch()
    node.run(3.5)
    assert node.fetch() == []
    node.run(1.0)
    assert node.fetch() == [Kill(2)]
    node.die(2)
    assert node.fetch() == [CloseChannel(0)]
    node.run(EXIT_S + STEP_S)
    assert node.fetch() == [Kill(0)]
    node.die(0)
    assert node.fetch() == [End(ExitCode.NOT_DRAINED)]


def test_a_forwarder_that_dies_before_it_has_drained_is_told_by_the_exit_code() -> None:
    node = ready_node()
    node.terminate()
    node.die(1)
    node.say(0, Left())
    node.say(2, Drained())
    node.die(2, 0)
    node.die(0, 0)
    assert node.fetch()[-1] == End(ExitCode.NOT_DRAINED)


def test_a_forwarder_that_was_dead_when_the_node_was_told_to_leave_owes_nothing() -> None:
    node = ready_node(workers=1)
    node.die(1)
    node.terminate()
    node.say(0, Left())
    node.die(0, 0)
    assert node.fetch()[-1] == End(ExitCode.DRAINED)


def test_nothing_is_restarted_while_draining() -> None:
    node = ready_node()
    node.terminate()
    node.die(AGENT_SLOT)
    node.die(1)
    node.run(1.0)
    assert not any(isinstance(decision, Start) for decision in node.fetch())


def test_a_second_signal_ends_all_at_once() -> None:
    node = ready_node()
    node.terminate()
    node.fetch()
    node.run(SAME_SIGNAL_S)
    node.terminate()
    assert node.fetch() == [Kill(0), Kill(1), Kill(2)]
    for slot in (0, 1, 2):
        node.die(slot)
    assert node.fetch() == [End(128 + signal.SIGTERM)]


def test_one_signal_that_comes_twice_is_one() -> None:
    node = ready_node()
    node.terminate()
    node.run(SAME_SIGNAL_S / 2)
    node.terminate()
    assert node.fetch() == [*GOODBYE]


def test_another_signal_is_a_second_one_however_soon() -> None:
    node = ready_node()
    node.terminate()
    node.terminate(signal.SIGINT)
    assert node.fetch()[-3:] == [Kill(0), Kill(1), Kill(2)]


def test_even_an_unkillable_child_does_not_keep_the_node_from_ending() -> None:
    node = ready_node()
    node.terminate(signal.SIGINT)
    node.terminate()
    node.run(EXIT_S + STEP_S)
    assert node.fetch()[-1] == End(128 + signal.SIGTERM)


def test_a_signal_before_anything_runs_ends_the_node() -> None:
    node = Node()
    node.terminate()
    assert node.fetch() == [CloseListeners(), CloseChannel(0), End(ExitCode.DRAINED)]


def test_the_watchdog_starves_when_a_killed_child_does_not_go_away() -> None:
    node = ready_node()
    node.run(STEP_S, {0: 0.0, 1: HUNG_S + 1.0, 2: 0.0})
    assert node.supervisor.watchdog_may_be_fed(node.now_s + UNREAPED_S - 0.1)
    assert not node.supervisor.watchdog_may_be_fed(node.now_s + UNREAPED_S + 0.1)
    node.die(1)
    assert node.supervisor.watchdog_may_be_fed(node.now_s + UNREAPED_S + 0.1)


_MESSAGES = st.sampled_from([Ready(), Drained(), Left(), Reloaded(ok=True), Leave()])
_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("die"), st.integers(0, 2), st.none()),
        st.tuples(st.just("say"), st.integers(0, 2), _MESSAGES),
        st.tuples(st.just("hang up"), st.integers(0, 2), st.none()),
        st.tuples(st.just("wait"), st.integers(0, 40), st.none()),
        st.tuples(st.sampled_from(["reload", "terminate"]), st.just(0), st.none()),
    ),
    max_size=40,
)


def feed(node: Node, kind: str, number: int, message: ControlMessage | None) -> None:
    if kind == "wait":
        node.run(number * STEP_S)
    elif kind == "reload":
        node.supervisor.reload(node.now_s)
    elif kind == "terminate":
        node.terminate()
    elif number not in node.alive:
        return
    elif kind == "die":
        node.die(number)
    elif kind == "hang up":
        node.supervisor.hung_up(number, node.now_s)
    elif message is not None:
        node.say(number, message)
    node.settle()


@given(_EVENTS)
def test_whatever_happens_generations_rise_links_join_the_living_and_a_node_told_to_end_ends(
    events: list[tuple[str, int, ControlMessage | None]],
) -> None:
    node = Node()
    for kind, number, message in events:
        if node.supervisor.phase is not Phase.ENDED:
            feed(node, kind, number, message)
    if node.supervisor.phase is not Phase.ENDED:
        node.terminate()
        node.run(30.0)
    decided = node.fetch()
    agents = [decision.generation for decision in decided if isinstance(decision, Start) and decision.slot == 0]
    assert agents == list(range(1, len(agents) + 1))
    assert len([decision for decision in decided if isinstance(decision, End)]) == 1
    generation = 0
    for decision in decided:
        if isinstance(decision, Start):
            generation = decision.generation
        elif isinstance(decision, MakeLink):
            assert decision.generation == generation
