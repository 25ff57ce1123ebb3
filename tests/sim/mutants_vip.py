"""The safeguards of addresses on a shared L2. Their tests run drivers, and where nothing less shows it whole nodes, in
namespaces: as root.
"""

from tests.sim.mutant import mutant

HOLDER, HOLDING, INTERFACE = "drivers.vip.holder", "drivers.vip.holding", "drivers.vip.interface"
OTHERS, SILENCE = "drivers.vip.others", "drivers.vip.silence"
LEFTOVERS = "drivers.leftovers"
DRIVER, FRAMES = "drivers.vip.driver", "drivers.vip.frames"
RULES, LEASE_RULES = "drivers.vip.rules", "drivers.vip.lease_rules"
KERNEL, ELEMENTS, PLACES = "drivers.kernel.kernel", "drivers.kernel.lease_elements", "drivers.kernel.lease_places"
SENTINEL, AGENT = "sentinel.leases", "agent.front_leases"
UNIT = "tests/unit/drivers/vip/"
UNIT_KERNEL = "tests/unit/drivers/kernel/"
EVERY = "tests/integration/test_vip_driver.py"
ALONE = EVERY + "::"
NODES = "tests/integration/test_vip.py::"
TEST_INTERFACE = "tests/integration/test_vip_interface.py"
TEST_KERNEL = "tests/integration/test_vip_kernel.py"
TEST_AGENT = "tests/unit/agent/test_front_leases.py"

WORSE = ALONE + "test_of_two_holders_the_worse_falls_silent_and_answers_again_when_the_better_is_gone"
DEAF = ALONE + "test_a_better_one_that_hears_nothing_silences_nobody_until_it_hears_again"
ANSWERS_ON = ALONE + "test_the_better_of_two_holders_answers_on_when_a_worse_one_begins"
FREEZES = ALONE + "test_who_hands_it_over_and_freezes_does_not_take_it_back"
CRASHED = ALONE + "test_what_a_crash_left_is_taken_away_before_anything_is_ordered"
THAWS_WORSE = ALONE + "test_who_thaws_leaves_the_front_with_a_better_holder"
THAWS_HOME = ALONE + "test_a_home_that_thaws_takes_its_front_back_and_the_other_falls_silent"
THAWS_ALONE = ALONE + "test_who_thaws_before_anybody_took_the_front_answers_again"
EXCLUSIVE = ALONE + "test_an_exclusive_front_that_lapsed_waits_for_the_word_of_who_has_the_votes"
REPAIR = ALONE + "test_a_repair_takes_nothing_from_a_better_holder_that_serves"
HANDS_OVER = ALONE + "test_who_hands_it_over_gives_way_to_a_worse_one_until_told_to_keep_it"
DEAD = ALONE + "test_what_a_dead_node_of_the_mesh_left_is_taken_while_its_kernel_still_answers"
STRANGER = ALONE + "test_one_answer_of_three_to_its_probes_is_enough_for_a_stranger"
COPY = ALONE + "test_a_copy_that_comes_while_the_front_is_being_taken_is_remembered"
WITHOUT = ALONE + "test_without_a_lease_nothing_is_claimed"
LET_GO = ALONE + "test_what_is_let_go_has_neither_address_nor_lease"
MISSED = ALONE + "test_a_lease_that_ended_without_a_word_is_missed"
PREFIX = ALONE + "test_an_address_with_another_prefix_is_replaced"
ANOTHER_MAC = ALONE + "test_an_interface_that_gets_another_hardware_address_is_announced_with_that"
BY_HAND = NODES + "test_what_somebody_changes_by_hand_is_repaired"
SAID = NODES + "test_what_is_missing_is_said_and_the_node_serves_on"
LEAVES = NODES + "test_a_node_that_leaves_takes_its_address_and_its_rules_with_it"
LEFT_LEASE = ALONE + "test_a_lease_that_a_crash_left_without_its_address_is_ended"
LEFT = NODES + "test_what_a_crash_left_of_a_front_that_is_of_another_kind_by_now_is_taken_away"
LEFT_BGP = (
    "tests/integration/test_bgp.py::"
    "test_what_a_crash_left_announced_is_withdrawn_when_its_front_is_not_in_the_settings_any_more"
)
LACKS = NODES + "test_what_a_backup_lacks_is_in_its_status_until_it_is_there"
TEST_FRONTS = "tests/unit/failover/test_fronts.py"
AGENT_DIES = NODES + "test_the_death_of_the_agent_interrupts_nobody"

VIP_MUTANTS = (
    # Before it is taken.
    mutant(
        "vip: asks first",
        HOLDER,
        "        if (order.ask_first or self._holding.is_silent) and",
        "        if self._holding.is_silent and",
        STRANGER,
    ),
    mutant(
        "vip: a silent holder asks before it is repaired",
        HOLDER,
        "(order.ask_first or self._holding.is_silent) and",
        "order.ask_first and",
        REPAIR,
    ),
    mutant(
        "vip: rules before the address",
        HOLDER,
        "self._interface.open() or await self._rules.keep():",
        "self._interface.open():",
        BY_HAND + "[nft flush ruleset]",
    ),
    mutant(
        "vip: looks again afterwards",
        HOLDER,
        "await self._holding.begin(order.epoch, order.until_s) or self._check()",
        "await self._holding.begin(order.epoch, order.until_s)",
        EVERY,
    ),
    mutant(
        "vip: a stranger's address is not taken",
        OTHERS,
        "        if mark is None:\n            return (",
        "        if False:\n            return (",
        STRANGER,
    ),
    mutant(
        "vip: of who bears our mark HTTP is asked",
        OTHERS,
        'if await answers_http(self._front.address, HTTP_PROBE_S) else ""',
        "",
        DEAD,
    ),
    mutant(
        "vip: what is served is not taken",
        OTHERS,
        'if await answers_http(self._front.address, HTTP_PROBE_S) else ""',
        'if False else ""',
        DEAD,
    ),
    mutant(
        "vip: does not ask itself",
        OTHERS,
        "        self._interface.take_away()\n        claim = ",
        "        claim = ",
        THAWS_WORSE,
        REPAIR,
    ),
    mutant(
        "vip: more than one probe",
        OTHERS,
        "        for _ in range(PROBES):\n",
        "        for _ in range(1):\n",
        STRANGER,
    ),
    mutant(
        "vip: what has come is heard before the time is over",
        OTHERS,
        "        for claim in self._interface.unheard():\n            self.note(claim)\n",
        "",
        TEST_INTERFACE,
    ),
    mutant(
        "vip: an old answer is none",
        OTHERS,
        "        self._claim, self._heard = None, trio.Event()\n",
        "        self._heard = trio.Event()\n",
        STRANGER,
    ),
    mutant("vip: an interface that is there", INTERFACE, "        if link is None:\n", "        if False:\n", SAID),
    mutant("vip: an interface that is Ethernet", INTERFACE, "        if not link.mac:\n", "        if False:\n", SAID),
    mutant("vip: an interface that is up", INTERFACE, "        if not link.is_up:\n", "        if False:\n", EVERY),
    mutant("vip: another hardware address", INTERFACE, "self._segment.link == link:", "True:", ANOTHER_MAC),
    mutant(
        "vip: not the address twice",
        INTERFACE,
        "                self._kernel.delete(one)\n        failed =",
        "                pass\n        failed =",
        PREFIX,
    ),
    mutant(
        "vip: no claim without a lease",
        HOLDING,
        '            return f"the lease of {self._front} cannot be held: {problem}"\n',
        "            pass\n",
        WITHOUT,
    ),
    mutant(
        "vip: the lease before the address",
        HOLDING,
        "        if problem := await self._leases.hold(",
        "        self._interface.add()\n        if problem := await self._leases.hold(",
        COPY,
    ),
    # While it is held.
    mutant(
        "vip: a deleted address is missed",
        INTERFACE,
        "        if any(one.index == index for one in self.ours()):\n",
        "        if True:\n",
        BY_HAND,
    ),
    mutant(
        "vip: deleted rules are missed",
        HOLDER,
        'return "" if self._rules.are_there() else',
        'return "" if True else',
        BY_HAND,
    ),
    mutant(
        "vip: an address without our mark is not believed",
        INTERFACE,
        "for one in self.ours()):",
        "for one in self._kernel.assigned(self._front)):",
        EVERY,
    ),
    mutant(
        "vip: a lease that ended without a word",
        HOLDER,
        "                    elif self._kernel.lease(self.front.name) is None:\n",
        "                    elif False:\n",
        MISSED,
    ),
    mutant(
        "vip: who is silent announces nothing",
        HOLDING,
        "held is None or held.muted_s is not None or not",
        "held is None or not",
        EVERY,
    ),
    mutant(
        "vip: nothing is announced without a lease",
        HOLDING,
        "        if self._kernel.lease(self._front) is not None:\n",
        "        if True:\n",
        EVERY,
    ),
    mutant(
        "vip: a silent holder's lease is not extended",
        HOLDING,
        "            if self.held.muted_s is None:\n                self._leases.extend",
        "            if True:\n                self._leases.extend",
        WORSE,
    ),
    mutant(
        "vip: the worse of two falls silent",
        SILENCE,
        "mark.is_better_than(self._holding.mark(held)):\n",
        "False:\n",
        WORSE,
    ),
    mutant(
        "vip: the better of two does not",
        SILENCE,
        "elif is_draining or mark.is_better_than(self._holding.mark(held)):\n",
        "elif True:\n",
        ANSWERS_ON,
    ),
    mutant(
        "vip: only a better one that answers silences",
        SILENCE,
        "(claim.mark is None and monotonic() < self._doubted_s + ANNOUNCE_S)",
        "True",
        DEAF,
    ),
    mutant(
        "vip: silence ends the lease",
        SILENCE,
        "            await self._leases.end(self._front.name)\n",
        "",
        WORSE,
    ),
    mutant("vip: who hands over gives way", SILENCE, "elif is_draining or mark", "elif mark", HANDS_OVER),
    mutant(
        "vip: who keeps it after all gives way no more",
        HOLDER,
        "        self._holding.is_draining = False\n        async",
        "        async",
        HANDS_OVER,
    ),
    mutant(
        "vip: who hands over does not come back",
        SILENCE,
        "held.muted_s is None or self._holding.is_draining:\n",
        "held.muted_s is None:\n",
        FREEZES,
    ),
    mutant(
        "vip: a lapse is silence",
        HOLDER,
        "            self._silence.note_lapse(held)\n        else:",
        "            pass\n        else:",
        THAWS_ALONE,
        THAWS_WORSE,
        EXCLUSIVE,
    ),
    mutant(
        "vip: an exclusive front waits for the core",
        SILENCE,
        "            if self._front.is_exclusive:\n                held",
        "            if False:\n                held",
        EXCLUSIVE,
    ),
    mutant(
        "vip: the core is told of an exclusive lapse",
        SILENCE,
        '                tell(Drifted(self._front.name, "it is not',
        '                str(Drifted(self._front.name, "it is not',
        EXCLUSIVE,
    ),
    mutant(
        "vip: who comes back asks",
        SILENCE,
        "        if by := await self._others.who_answers(self._holding.mark(held)):\n",
        '        if by := "":\n',
        EVERY,
    ),
    mutant(
        "vip: a better home that comes back does not wait",
        OTHERS,
        "        if own is not None and own.is_better_than(mark):\n",
        "        if False:\n",
        THAWS_HOME,
    ),
    mutant(
        "vip: comes back with the address",
        SILENCE,
        "self._interface.open() or await self._holding.begin(",
        "self._interface.open() or await self._leases.hold(self._front.name, ",
        WORSE,
        THAWS_ALONE,
    ),
    mutant(
        "vip: marks remembered are bounded",
        OTHERS,
        "        if len(self._marks) > HOLDERS_MAX:\n",
        "        if False:\n",
        UNIT,
    ),
    mutant(
        "vip: a lost interface is opened again",
        INTERFACE,
        "                if segment is self._segment:\n                    self.close()\n",
        "                pass\n",
        TEST_INTERFACE,
    ),
    # Letting go, and after a crash.
    mutant(
        "vip: letting go ends the lease",
        HOLDING,
        "        return await self._leases.end(self._front)\n",
        '        return ""\n',
        LET_GO,
    ),
    mutant(
        "vip: letting go deletes the address",
        HOLDER,
        "            problem = self._interface.take_away()\n",
        '            problem = ""\n',
        LET_GO,
    ),
    mutant(
        "vip: who leaves deletes the address",
        HOLDER,
        "        self._interface.take_away()\n        self._interface.close()\n",
        "        self._interface.close()\n",
        LEAVES,
    ),
    mutant(
        "vip: the work of a dead agent goes on",
        HOLDER,
        "        if left and epoch is not None:\n",
        "        if False:\n",
        AGENT_DIES,
    ),
    mutant(
        "vip: what a crash left is deleted",
        HOLDER,
        "        elif left and self._holding.held is None:\n            self._interface.take_away()\n",
        "        elif left and self._holding.held is None:\n            pass\n",
        CRASHED,
    ),
    mutant(
        "vip: a lease that a crash left alone is ended",
        HOLDER,
        "            await self._leases.end(self.front.name)\n",
        "            pass\n",
        LEFT_LEASE,
    ),
    mutant(
        "vip: strays are deleted",
        LEFTOVERS,
        "            _take_away(kernel, stray)\n",
        "            pass\n",
        LEFT + "[gone]",
    ),
    mutant(
        "vip: strays of a front of another kind are deleted",
        LEFTOVERS,
        "for front in fronts if isinstance(front.driver, _PUT_ADDRESSES)}",
        "for front in fronts}",
        LEFT + "[none]",
    ),
    mutant(
        "vip: rules that nobody wants are deleted",
        LEFTOVERS,
        "            await _delete(kernel, table, families)\n",
        "            pass\n",
        LEFT + "[none]",
    ),
    mutant(
        "bgp: what a crash left announced is withdrawn",
        "drivers.bgp.driver",
        "self._left = sorted(self._gate.steered_before() - own)",
        "self._left = []",
        LEFT_BGP,
    ),
    mutant(
        "bgp: silent until it is withdrawn",
        "drivers.bgp.driver",
        "            self._gate.want(str(one), frozenset((one,)))\n",
        "            self._gate.want(str(one), frozenset((one,)))\n            self._gate.settle(str(one))\n",
        LEFT_BGP,
    ),
    mutant(
        "bgp: what is steered is written down",
        "drivers.bgp.gate",
        "            self._write_down()\n            if not self._is_open:",
        "            if not self._is_open:",
        LEFT_BGP,
    ),
    mutant(
        "vip: who leaves deletes the rules",
        DRIVER,
        "                await self._rules.unwant(front.name)\n",
        "                pass\n",
        LEAVES,
    ),
    mutant(
        "vip: rules that are wanted twice stay",
        RULES,
        "        if not self._wanted[front]:\n",
        "        if True:\n",
        EVERY,
    ),
    mutant(
        "vip: a backup says what it lacks",
        "drivers.vip.readiness",
        "(problem := self._interface.open() or await self._rules.keep())",
        "False",
        LACKS,
    ),
    mutant(
        "vip: a backup says that connections are not known to it",
        "drivers.vip.readiness",
        "        return self._flows_problem()\n",
        '        return ""\n',
        LACKS,
    ),
    mutant(
        "fronts: what a backup lacks is told",
        "failover.fronts",
        "machine.problem or machine.unready,",
        "machine.problem,",
        TEST_FRONTS,
    ),
    mutant(
        "fronts: what a backup lacks is told of the front as it is now",
        "failover.fronts",
        "fresh.machine.epoch, fresh.machine.unready = kept.machine.epoch, kept.machine.unready",
        "fresh.machine.epoch = kept.machine.epoch",
        TEST_FRONTS,
    ),
    mutant("vip: rules are looked for", RULES, "(not wanted or self.are_there())", "True", BY_HAND),
    # The kernel.
    mutant(
        "vip: an address that is gone is no failure",
        KERNEL,
        "return 0 if failed in (errno.EADDRNOTAVAIL, errno.ENODEV) else failed",
        "return failed",
        TEST_KERNEL,
    ),
    mutant(
        "vip: all rules are there", RULES, "FRONTS_TABLE) == count for", "FRONTS_TABLE) >= 1 for", TEST_KERNEL, BY_HAND
    ),
    mutant(
        "vip: a lease begins where there is none",
        ELEMENTS,
        "(*_ended(lease), *_begun(",
        "(*_gone(lease), *_begun(",
        UNIT_KERNEL,
        TEST_KERNEL,
    ),
    mutant(
        "vip: a lease is for ARP and IP",
        PLACES,
        '((Place(ARP, FRONTS_TABLE, "lease4"), packed), (Place(INET, FRONTS_TABLE, "lease4"), packed))',
        '((Place(INET, FRONTS_TABLE, "lease4"), packed),)',
        UNIT_KERNEL,
        TEST_KERNEL,
    ),
    mutant(
        "vip: silent in ARP",
        LEASE_RULES,
        "arp saddr ip @fronts4 arp saddr ip != @lease4 drop",
        "arp saddr ip @fronts4 arp saddr ip != @lease4 accept",
        TEST_KERNEL,
    ),
    mutant(
        "vip: deaf over IPv4",
        LEASE_RULES,
        "arrivals ip daddr @fronts4 ip daddr != @lease4 drop",
        "arrivals ip daddr @fronts4 ip daddr != @lease4 accept",
        TEST_KERNEL,
    ),
    mutant(
        "vip: deaf over IPv6",
        LEASE_RULES,
        "arrivals ip6 daddr @fronts6 ip6 daddr != @lease6 drop",
        "arrivals ip6 daddr @fronts6 ip6 daddr != @lease6 accept",
        TEST_KERNEL,
    ),
    mutant(
        "vip: silent over IPv4",
        LEASE_RULES,
        "answers ip saddr @fronts4 ip saddr != @lease4 drop",
        "answers ip saddr @fronts4 ip saddr != @lease4 accept",
        TEST_KERNEL,
    ),
    mutant(
        "vip: silent over IPv6",
        LEASE_RULES,
        "answers ip6 saddr @fronts6 ip6 saddr != @lease6 drop",
        "answers ip6 saddr @fronts6 ip6 saddr != @lease6 accept",
        TEST_KERNEL,
    ),
    mutant("vip: fronts of before are no fronts", LEASE_RULES, "flush set inet {table} fronts4\n", "", TEST_KERNEL),
    # Frames.
    mutant(
        "vip: nearer home is better",
        FRAMES,
        "(self.rank, -self.epoch, -self.score) <",
        "(-self.epoch, -self.score) <",
        UNIT,
    ),
    mutant("vip: a packet from afar is no claim", FRAMES, "ip[7] == _HOP_LIMIT and", "True and", UNIT),
    mutant("vip: a claim of another address is none", FRAMES, "or sender != packed:", "or False:", UNIT),
    # The lease.
    mutant(
        "vip: forwarders that hang end the lease",
        SENTINEL,
        "if not self._leases or self._hangs(now_s):",
        "if not self._leases:",
        TEST_KERNEL,
    ),
    mutant(
        "vip: forwarders that hang are not helped by an extension",
        SENTINEL,
        "in self._leases and not self._hangs(now_s):",
        "in self._leases:",
        TEST_KERNEL,
    ),
    mutant(
        "vip: a lapsed lease is not taken up again",
        ELEMENTS,
        "(*_gone(lease), *_begun(",
        "(*_ended(lease), *_begun(",
        TEST_KERNEL,
    ),
    mutant(
        "vip: rules that went end the lease",
        SENTINEL,
        "elif now_s >= lease.since_s + LEASE_S:",
        "elif False:",
        TEST_KERNEL,
    ),
    mutant("vip: a lease ends with the votes", SENTINEL, "if now_s >= lease.until_s:", "if False:", TEST_KERNEL),
    mutant(
        "vip: a renewal is no longer than the votes",
        SENTINEL,
        "min(LEASE_S, *(lease.until_s - now_s for lease in alike.values()))",
        "LEASE_S",
        TEST_KERNEL,
    ),
    mutant(
        "vip: a first lease is no longer than the votes",
        SENTINEL,
        "min(LEASE_S, wanted.until_s - now_s)",
        "LEASE_S",
        TEST_KERNEL,
    ),
    mutant(
        "vip: votes that are over begin nothing",
        SENTINEL,
        "        if timeout_s <= 0:\n",
        "        if False:\n",
        TEST_KERNEL,
    ),
    mutant(
        "vip: only a success counts as a renewal",
        SENTINEL,
        "        if not failed:\n            lease.since_s",
        "        if True:\n            lease.since_s",
        TEST_KERNEL,
    ),
    mutant(
        "vip: a problem is told once",
        SENTINEL,
        "        if failed != lease.failed:\n",
        "        if True:\n",
        TEST_KERNEL,
    ),
    mutant(
        "vip: no lease that the kernel refused",
        SENTINEL,
        "        if not (failed := self._ask(begin)):\n",
        "        if (failed := self._ask(begin)) or True:\n",
        TEST_KERNEL,
    ),
    mutant(
        "vip: one that lapsed takes no other with it",
        SENTINEL,
        " if failed == errno.ENOENT and len(alike) > 1 else failed",
        " if False else failed",
        TEST_KERNEL,
    ),
    mutant(
        "vip: rules that went are no lapse",
        SENTINEL,
        "if failed == errno.ENOENT and not self._ask(",
        "if failed == errno.ENOENT or not self._ask(",
        TEST_KERNEL,
    ),
    mutant(
        "vip: without rules there is nothing to end",
        SENTINEL,
        "if failed in (0, errno.ENOENT) else",
        "if failed == 0 else",
        TEST_KERNEL,
    ),
    mutant(
        "vip: an answer is of its order",
        AGENT,
        "self._asked.get(message.ticket)",
        "next(iter(self._asked.values()), None)",
        TEST_AGENT,
    ),
    mutant(
        "vip: the sentinel has a bound of time",
        AGENT,
        "            with trio.move_on_after(LEASE_ANSWER_S):\n",
        "            with trio.CancelScope():\n",
        TEST_AGENT,
    ),
)
