"""The safeguards of fronts that EC2 or a program moves. Their tests need boto3, moto, and for the device root."""

from tests.sim.mutant import mutant

EC2 = "drivers.ec2."
DRIVER, RESOURCES, API, LINE = EC2 + "driver", EC2 + "resources", EC2 + "api", EC2 + "line"
PACE, CHOICES, CALLER, CHILD = EC2 + "pace", EC2 + "choices", EC2 + "caller", EC2 + "child"
METADATA, DEVICE, ERRORS = EC2 + "metadata", EC2 + "device", EC2 + "errors"
COMMAND, PROGRAM = "drivers.command.driver", "drivers.command.program"

CLOUD = "tests/integration/test_ec2.py::"
PATIENCE = "tests/integration/test_ec2_patience.py::"
ON_DEVICE = "tests/integration/test_ec2_device.py::"
TEST_CALLER = "tests/integration/test_ec2_caller.py::"
UNIT = "tests/unit/drivers/ec2/"
TEST_LINE, TEST_PACE, TEST_METADATA = UNIT + "test_line.py", UNIT + "test_pace.py", UNIT + "test_metadata.py"
TEST_CHOICES = UNIT + "test_choices.py"
TEST_COMMAND = "tests/unit/drivers/command/test_command.py::"
TEST_RIGHT = "tests/unit/drivers/test_right.py"

NEWER_ONLY = CLOUD + "test_it_is_led_here_signed_and_led_away_by_a_newer_claim_only"
DONE_ONCE = CLOUD + "test_what_is_done_is_not_done_again"
LATE_CALL = CLOUD + "test_a_late_call_of_an_older_claim_is_refused_by_ec2"
NO_TAG = CLOUD + "test_a_tag_that_is_none_is_written_over"
EACH_FAULT = CLOUD + "test_each_fault_has_its_words"
BY_HAND = CLOUD + "test_what_is_changed_by_hand_is_found_and_taken_back"
OUTAGE = PATIENCE + "test_all_fronts_of_a_dead_node_come_through_an_outage_and_none_fails"
STOOD_STILL = PATIENCE + "test_a_loop_that_stood_still_moves_nothing_after_the_votes_lapsed"
EACH_CALL = PATIENCE + "test_each_call_that_moves_something_asks_for_the_right_to_it"
TAKES_LONG = PATIENCE + "test_what_takes_long_goes_on_until_patience_ends"
IN_BETWEEN = PATIENCE + "test_that_others_come_in_between_again_and_again_is_a_failure"
IN_LINE = PATIENCE + "test_only_those_that_wait_are_before_who_waits"
OWN_PRIVATE = PATIENCE + "test_fronts_that_move_at_the_same_time_get_private_addresses_of_their_own"
LAPSES = TEST_COMMAND + "test_it_is_stopped_when_the_right_lapses_and_goes_on_when_that_is_renewed"
STATUSES = TEST_COMMAND + "test_its_exit_status_says_what_came_of_it"
TOLD = TEST_COMMAND + "test_it_is_told_all_there_is_to_know"
RELEASED = TEST_COMMAND + "test_that_another_has_it_by_now_is_as_good_as_a_release"
WRITES = TEST_COMMAND + "test_what_it_writes_is_bounded"

CLOUD_MUTANTS = (
    # The right to the front.
    mutant(
        "ec2: a lapse ends the acquire",
        DRIVER,
        "                    held.right.bound(acquiring)\n",
        "",
        PATIENCE + "test_a_call_that_hangs_is_given_up_when_the_votes_lapse",
    ),
    mutant(
        "ec2: a renewal lengthens the acquire",
        DRIVER,
        "        self._of(order.front).right.extend(order.until_s)\n",
        "        pass\n",
        CLOUD + "test_a_slow_cloud_has_the_time_that_is_renewed",
    ),
    mutant("ec2: without a right nothing is moved", DRIVER, "if self.right.has_lapsed:", "if False:", STOOD_STILL),
    mutant("ec2: no tag without the right", DRIVER, "            held.may()\n", "", STOOD_STILL),
    mutant(
        "ec2: no disassociation without the right",
        RESOURCES,
        '            may()\n            await self._api.call("disassociate_address"',
        '            await self._api.call("disassociate_address"',
        EACH_CALL,
    ),
    mutant(
        "ec2: no association without the right",
        RESOURCES,
        '        may()\n        await self._api.call(\n            "associate_address"',
        '        await self._api.call(\n            "associate_address"',
        EACH_CALL,
    ),
    mutant(
        "ec2: no unassignment without the right",
        RESOURCES,
        "            may()\n            await self._unassign",
        "            await self._unassign",
        EACH_CALL,
    ),
    mutant(
        "ec2: no assignment without the right",
        RESOURCES,
        "        may()\n        counted = 0",
        "        counted = 0",
        EACH_CALL,
    ),
    mutant(
        "ec2: no route without the right",
        RESOURCES,
        "        may()\n        where: dict",
        "        where: dict",
        EACH_CALL,
    ),
    mutant("right: a lapse is now", "drivers.right", "monotonic() >= self.until_s", "False", TEST_RIGHT),
    mutant(
        "right: the own deadline stands", "drivers.right", "min(self._ends_by_s, trio", "max(-inf, trio", TEST_RIGHT
    ),
    mutant("right: of one acquire", "drivers.right", "        self._acquiring = None\n", "        pass\n", TEST_RIGHT),
    # The epoch.
    mutant(
        "ec2: a newer claim is respected",
        DRIVER,
        "            return seen.mark\n        if seen.holder == own",
        "            pass\n        if seen.holder == own",
        NEWER_ONLY,
    ),
    mutant(
        "ec2: a newer claim is respected after the move",
        DRIVER,
        "                return seen.mark\n            if seen.holder == own",
        "                pass\n            if seen.holder == own",
        PATIENCE + "test_a_newer_claim_that_comes_before_the_last_look_is_told",
    ),
    mutant(
        "ec2: of two with one epoch the first",
        RESOURCES,
        "self.epoch > other.epoch or (self.epoch == other.epoch and self.node != other.node)",
        "self.epoch > other.epoch",
        NEWER_ONLY,
    ),
    mutant("ec2: an epoch that cannot be is none", RESOURCES, "or int(number) >= EPOCH_MAX:", "or False:", NO_TAG),
    mutant(
        "ec2: signed before it is moved",
        DRIVER,
        "        if seen.mark != mine:\n            # First",
        "        if False:\n            # First",
        NEWER_ONLY,
    ),
    # What is done is not done again, and is not believed before it shows.
    mutant(
        "ec2: signed once",
        DRIVER,
        "        if seen.mark != mine:\n",
        "        if True:\n",
        CLOUD + "test_what_was_left_half_done_is_finished",
    ),
    mutant(
        "ec2: moved once",
        DRIVER,
        "        if seen.holder != own:\n            log",
        "        if True:\n            log",
        DONE_ONCE,
    ),
    mutant(
        "ec2: looked at afterwards",
        DRIVER,
        "        return await self._verify(resource, own, mine)\n",
        "        return None\n",
        CLOUD + "test_a_cloud_that_lies_is_not_believed",
    ),
    mutant(
        "ec2: the tag is looked at afterwards",
        DRIVER,
        "            if seen.holder == own and seen.mark == mine:\n                return None\n",
        "            if seen.holder == own:\n                return None\n",
        PATIENCE + "test_a_tag_that_was_not_written_is_missed",
    ),
    mutant(
        "ec2: what shows late is waited for",
        DRIVER,
        "            if monotonic() + gap_s >= end_s:\n",
        "            if True:\n",
        CLOUD + "test_what_shows_late_is_waited_for",
    ),
    mutant(
        "ec2: only from the association that was seen",
        RESOURCES,
        "            AllowReassociation=False,\n",
        "            AllowReassociation=True,\n",
        LATE_CALL,
    ),
    mutant(
        "ec2: only from the interface that was seen",
        RESOURCES,
        "                AllowReassignment=False,\n",
        "                AllowReassignment=True,\n",
        CLOUD + "test_a_private_address_is_given_only_if_no_other_has_it",
    ),
    # Patience.
    mutant(
        "ec2: to wait is no failure",
        DRIVER,
        "            case Fault.WAITS | Fault.THROTTLED:\n                return True",
        "            case Fault.WAITS | Fault.THROTTLED:\n                return False",
        OUTAGE,
    ),
    mutant("ec2: an ill EC2 is no failure", DRIVER, "return now - self.ill_since_s < ILL_S", "return False", OUTAGE),
    mutant("ec2: patience ends", DRIVER, "return now - self.ill_since_s < ILL_S", "return True", TAKES_LONG),
    mutant("ec2: changes end", DRIVER, "return self.changes < CHANGES_MAX", "return True", IN_BETWEEN),
    mutant(
        "ec2: success forgets what was before",
        DRIVER,
        "        self._line.leave(name)\n        held.forget_trouble()\n",
        "        self._line.leave(name)\n",
        IN_BETWEEN,
    ),
    mutant(
        "ec2: letting go forgets what was before",
        DRIVER,
        "        held.epoch = None\n        held.forget_trouble()\n",
        "        held.epoch = None\n",
        TAKES_LONG,
    ),
    mutant(
        "ec2: letting go leaves the line",
        DRIVER,
        "        self._line.leave(order.front.name)\n        return Done",
        "        return Done",
        IN_LINE,
    ),
    mutant("ec2: who fails leaves the line", DRIVER, "            self._line.leave(name)\n", "", IN_LINE),
    mutant(
        "ec2: who has got it leaves the line",
        DRIVER,
        "        self._line.leave(name)\n        held.forget",
        "        held.forget",
        IN_LINE,
    ),
    mutant(
        "ec2: a few at the same time", LINE, "while self._free and self._waiting:", "while self._waiting:", TEST_LINE
    ),
    mutant(
        "ec2: the oldest is next",
        LINE,
        "min(self._waiting, key=lambda one: one.since_s)",
        "self._waiting[-1]",
        TEST_LINE,
    ),
    mutant(
        "ec2: who comes again keeps its place",
        LINE,
        "self._since_s.setdefault(front, monotonic())",
        "monotonic()",
        TEST_LINE,
    ),
    mutant("ec2: who waits for long is told", LINE, "trio.move_on_after(WAIT_S)", "trio.CancelScope()", TEST_LINE),
    mutant(
        "ec2: who ends calls the next",
        LINE,
        "                self._free += 1\n                self._call_next()\n",
        "                self._free += 1\n",
        TEST_LINE,
    ),
    mutant(
        "ec2: who is gone is not called",
        LINE,
        "                self._waiting.remove(waiting)\n",
        "                pass\n",
        TEST_LINE,
    ),
    mutant("ec2: what is chosen is taken", CHOICES, "self.moves[address] = inf", "pass", TEST_CHOICES, OWN_PRIVATE),
    mutant("ec2: choices are forgotten", CHOICES, "if until_s > now - CHOSEN_S}", "}", TEST_CHOICES),
    mutant(
        "ec2: choices count",
        RESOURCES,
        '            and self._choices.is_free(_text(one, "PrivateIpAddress"), looked_s)\n',
        "",
        OWN_PRIVATE,
    ),
    # The rate of calls.
    mutant(
        "ec2: refusals make a pause",
        API,
        "                self._pace.refused(monotonic(), random.random())\n",
        "                pass\n",
        PATIENCE + "test_a_pause_that_ec2_asks_for_is_told_at_once",
    ),
    mutant(
        "ec2: long pauses are told",
        API,
        "            if wait_s > WAIT_S and not reserve:\n",
        "            if False:\n",
        PATIENCE + "test_a_pause_that_ec2_asks_for_is_told_at_once",
    ),
    mutant(
        "ec2: looks have few threads",
        API,
        "            async with self._looks:\n                return",
        "            if True:\n                return",
        PATIENCE + "test_looks_leave_room_for_orders",
    ),
    mutant(
        "ec2: looks leave calls",
        API,
        "self._call(action, RESERVE, counted",
        "self._call(action, 0.0, counted",
        PATIENCE + "test_looks_leave_calls_for_orders",
    ),
    mutant(
        "ec2: a call has a deadline",
        API,
        "with trio.move_on_after(within_s):",
        "with trio.CancelScope():",
        CLOUD + "test_a_cloud_that_hangs_costs_a_deadline_and_no_other_task",
    ),
    mutant(
        "ec2: what must follow is paid for before",
        RESOURCES,
        '"disassociate_address", Urgency.ORDER, 2,',
        '"disassociate_address", Urgency.ORDER, 1,',
        PATIENCE + "test_nothing_is_taken_away_without_a_call_left_to_give_it",
    ),
    mutant(
        "ec2: what was paid for does not wait",
        API,
        "        if counted:\n            await self._wait",
        "        if True:\n            await self._wait",
        PATIENCE + "test_what_was_taken_away_is_given_at_once",
    ),
    mutant("pace: a burst is bounded", PACE, "min(BURST, self.calls +", "max(BURST, self.calls +", TEST_PACE),
    mutant("pace: looks leave calls", PACE, "counted + reserve - self.calls", "counted - self.calls", TEST_PACE),
    mutant(
        "pace: several count as several",
        PACE,
        "        self.calls -= counted\n",
        "        self.calls -= 1\n",
        TEST_PACE,
    ),
    mutant("pace: pauses double", PACE, "max(PAUSE_S, 2 * self.pause_s)", "PAUSE_S", TEST_PACE),
    mutant(
        "pace: pauses are bounded",
        PACE,
        "min(PAUSE_MAX_S, max(PAUSE_S, 2 * self.pause_s))",
        "max(PAUSE_S, 2 * self.pause_s)",
        TEST_PACE,
    ),
    mutant(
        "pace: of refusals together one counts",
        PACE,
        "        if not self.is_paused(now):\n",
        "        if True:\n",
        TEST_PACE,
    ),
    mutant("pace: an answer ends the doubling", PACE, "        self.pause_s = 0.0\n", "        pass\n", TEST_PACE),
    # What EC2 says.
    mutant(
        "ec2: an address that is another",
        RESOURCES,
        '!= self._address:\n            raise Ec2Error(f"{self._allocation}',
        '!= public:\n            raise Ec2Error(f"{self._allocation}',
        CLOUD + "test_what_the_front_says_must_be_what_ec2_says",
    ),
    mutant(
        "ec2: an interface that drops it",
        RESOURCES,
        '.get("SourceDestCheck"):',
        '.get(""):',
        CLOUD + "test_a_route_needs_an_interface_that_takes_what_is_not_its_own",
    ),
    mutant(
        "ec2: an interface elsewhere",
        RESOURCES,
        '(subnet := _text(mine, "SubnetId")) != self._subnet:',
        'not (subnet := _text(mine, "SubnetId")):',
        CLOUD + "test_a_private_address_needs_an_interface_of_its_subnet",
    ),
    mutant(
        "ec2: a first address cannot move",
        RESOURCES,
        'if holder and _text(holders[0], "PrivateIpAddress") == self._address:',
        "if False:",
        CLOUD + "test_a_first_address_cannot_move",
    ),
    mutant(
        "ec2: an address that is led already stays",
        RESOURCES,
        'if not _text(_dict(one, "Association"), "AllocationId")',
        "if True",
        CLOUD + "test_an_elastic_address_that_is_led_here_already_is_left_alone",
    ),
    mutant(
        "ec2: an address that the machine has",
        RESOURCES,
        'if is_local(text := _text(one, "PrivateIpAddress"))',
        'if (text := _text(one, "PrivateIpAddress"))',
        CLOUD + "test_the_machine_must_have_the_private_address",
    ),
    mutant(
        "ec2: the first address comes last",
        RESOURCES,
        '(bool(one.get("Primary")), bool',
        "(False, bool",
        CLOUD + "test_the_first_private_address_is_taken_last",
    ),
    mutant("ec2: one of one", RESOURCES, "    if len(found) != 1:\n", "    if False:\n", EACH_FAULT),
    mutant(
        "ec2: what is not a list",
        RESOURCES,
        " if isinstance(listed, list) else []",
        "",
        EACH_FAULT,
    ),
    mutant("ec2: throttling is known", ERRORS, "    if code in _THROTTLED:\n", "    if False:\n", EACH_FAULT),
    mutant("ec2: changes are known", ERRORS, "    if code in _CHANGED:\n", "    if False:\n", LATE_CALL),
    mutant(
        "ec2: failures of EC2 itself are known",
        ERRORS,
        "    if status >= _SERVER_ERRORS:\n",
        "    if False:\n",
        EACH_FAULT,
    ),
    mutant(
        "ec2: what others write is printable",
        ERRORS,
        'one if one.isprintable() else "?" for one in message[:WORDS_MAX]',
        "message",
        UNIT + "test_errors.py",
    ),
    # The process that calls it.
    mutant(
        "ec2: a process that ended is started again",
        CALLER,
        "self._child is None or self._child.is_over:",
        "self._child is None:",
        TEST_CALLER + "test_a_process_that_ends_is_started_again",
    ),
    mutant(
        "ec2: who waits hears of its end",
        CALLER,
        "                answers.put(None)\n",
        "                pass\n",
        TEST_CALLER + "test_a_process_that_ends_is_started_again",
    ),
    mutant(
        "ec2: a stuck process is killed",
        CALLER,
        "            child.kill()\n",
        "            pass\n",
        TEST_CALLER + "test_a_call_that_is_stuck_is_ended_with_its_process",
    ),
    mutant(
        "ec2: the process ends with its agent",
        CHILD,
        "    os._exit(0)\n",
        "    signal.pause()\n",
        TEST_CALLER + "test_it_ends_with_its_agent",
    ),
    mutant(
        "ec2: a bug of boto3 is told",
        CHILD,
        "        except Exception as error:\n",
        "        except KeyboardInterrupt as error:\n",
        TEST_CALLER + "test_a_call_that_boto3_does_not_have_is_answered_too",
    ),
    mutant(
        "ec2: boto3 does not try again",
        CHILD,
        'retries={"total_max_attempts": 1}',
        'retries={"total_max_attempts": 3}',
        TEST_CALLER + "test_boto3_asks_once",
    ),
    mutant(
        "ec2: a region is asked of the instance",
        API,
        '                if not found["region"]:\n',
        "                if False:\n",
        PATIENCE + "test_a_region_that_boto3_does_not_find_is_asked_of_the_instance_metadata",
    ),
    # The watch, and the machine's side.
    mutant(
        "ec2: an order does not wait for a look",
        DRIVER,
        "            held.looking.cancel()\n",
        "            pass\n",
        PATIENCE + "test_an_order_does_not_wait_for_a_look",
    ),
    mutant(
        "ec2: what changed is told",
        DRIVER,
        "                tell(Drifted(front.name, what))\n",
        "                pass\n",
        BY_HAND,
    ),
    mutant(
        "ec2: a look that fails changes nothing",
        DRIVER,
        'where it is led: {error}", tell)\n                return\n',
        'where it is led: {error}", tell)\n                seen, own = Seen("", "", None), "eni-1"\n',
        PATIENCE + "test_a_look_that_fails_changes_nothing",
    ),
    mutant(
        "ec2: what is no longer held is not told of",
        DRIVER,
        "epoch is not None and epoch == held.epoch and (what",
        "epoch is not None and (what",
        PATIENCE + "test_what_was_let_go_while_it_was_looked_at_is_not_told_of",
    ),
    mutant(
        "ec2: on the device",
        DRIVER,
        "and (problem := self._device.put(name, device)):",
        'and (problem := ""):',
        ON_DEVICE + "test_who_leaves_takes_it_away",
    ),
    mutant(
        "ec2: off the device when it is led elsewhere",
        DRIVER,
        "                if seen.holder != own:\n                    self._device.take(front.name)\n",
        "                if False:\n                    pass\n",
        ON_DEVICE + "test_it_is_taken_away_when_ec2_leads_it_elsewhere",
    ),
    mutant(
        "ec2: on the device again",
        DRIVER,
        "                    problem = self._device.put(front.name, device)\n",
        '                    problem = ""\n',
        ON_DEVICE + "test_who_deletes_it_by_hand_gets_it_again",
    ),
    mutant(
        "ec2: off the device when the node leaves",
        DRIVER,
        "            if driver.device:\n                self._device.take(front.name)\n",
        "            pass\n",
        ON_DEVICE + "test_who_leaves_takes_it_away",
    ),
    mutant(
        "ec2: an interface that is there",
        DEVICE,
        "        if link is None:\n",
        "        if False:\n",
        ON_DEVICE + "test_an_interface_that_is_not_there_is_named",
    ),
    mutant(
        "ec2: only ours is taken away",
        DEVICE,
        "                if one.is_ours:\n",
        "                if True:\n",
        ON_DEVICE + "test_it_is_put_once_and_taken_if_it_is_ours",
    ),
    mutant(
        "ec2: what is missing is told",
        DRIVER,
        "            tell(Unready(front.name, complaint))\n",
        "            pass\n",
        PATIENCE + "test_a_backup_tells_what_is_missing_until_it_is_there",
    ),
    mutant(
        "ec2: who could not take it looks again soon",
        DRIVER,
        "-inf if missing else monotonic()",
        "monotonic()",
        PATIENCE + "test_a_backup_tells_what_is_missing_until_it_is_there",
    ),
    # The instance metadata.
    mutant(
        "metadata: have a deadline",
        METADATA,
        "with trio.fail_after(METADATA_S):",
        "with trio.CancelScope():",
        TEST_METADATA,
    ),
    mutant(
        "metadata: an error is no answer",
        METADATA,
        "        if answer.status != 200:\n",
        "        if False:\n",
        TEST_METADATA,
    ),
    mutant(
        "metadata: an answer is bounded and printable",
        METADATA,
        "        if not text or len(text) > _ANSWER_MAX or not all",
        "        if False and not all",
        TEST_METADATA,
    ),
    # A program.
    mutant(
        "command: a lapse stops it",
        COMMAND,
        "order.epoch, order.reason, held.right.bound)",
        "order.epoch, order.reason)",
        LAPSES,
    ),
    mutant(
        "command: a renewal lets it go on",
        COMMAND,
        "        self._of(order.front).right.extend(order.until_s)\n",
        "        pass\n",
        LAPSES,
    ),
    mutant(
        "command: has a deadline",
        PROGRAM,
        "with trio.move_on_after(within_s) as scope:",
        "with trio.CancelScope() as scope:",
        TEST_COMMAND + "test_when_its_time_is_up_nothing_of_it_is_left",
    ),
    mutant(
        "command: its children are stopped, too",
        PROGRAM,
        "os.killpg(process.pid, signal.SIGKILL)",
        "process.kill()",
        TEST_COMMAND + "test_when_its_time_is_up_nothing_of_it_is_left",
    ),
    mutant(
        "command: cancelled, it is stopped",
        PROGRAM,
        "                if not in_time:\n                    await",
        "                if scope.cancelled_caught:\n                    await",
        TEST_COMMAND + "test_an_order_does_not_wait_for_a_check",
    ),
    mutant("command: has no input", PROGRAM, "            stdin=subprocess.DEVNULL,\n", "", TOLD),
    mutant(
        "command: what it leaves behind is not waited for",
        PROGRAM,
        "        nursery.cancel_scope.deadline = trio.current_time() + PIPE_GRACE_S\n",
        "",
        TEST_COMMAND + "test_a_child_that_it_leaves_behind_is_not_waited_for",
    ),
    mutant(
        "command: its output is bounded",
        PROGRAM,
        "(self.kept + chunk)[-OUTPUT_MAX:]",
        "self.kept + chunk",
        TEST_COMMAND + "test_only_the_end_of_what_it_writes_is_kept",
    ),
    mutant("command: a reason is bounded", PROGRAM, "text[:LINE_CHARACTERS_MAX]", "text", WRITES),
    mutant(
        "command: a reason is printable",
        PROGRAM,
        'one if one.isprintable() else "?"',
        "one",
        TEST_COMMAND + "test_only_the_end_of_what_it_writes_is_kept",
    ),
    mutant(
        "command: a check is stopped for an order",
        COMMAND,
        "            held.checking.cancel()\n",
        "            pass\n",
        TEST_COMMAND + "test_an_order_does_not_wait_for_a_check",
    ),
    mutant(
        "command: one at a time",
        COMMAND,
        "        async with held.turn:\n            with trio.CancelScope() as held.checking:",
        "        if True:\n            with trio.CancelScope() as held.checking:",
        TEST_COMMAND + "test_a_check_waits_for_the_order_that_is_under_way",
    ),
    mutant(
        "command: a newer epoch is newer",
        COMMAND,
        "if epoch is not None and epoch >= order.epoch:",
        "if epoch is not None:",
        STATUSES,
    ),
    mutant("command: an epoch is one", COMMAND, "and len(said) <= 16 and int(said) < EPOCH_MAX else", "else", STATUSES),
    mutant(
        "command: patience ends",
        COMMAND,
        "            if now - since_s < UNFINISHED_MAX_S:\n",
        "            if True:\n",
        TEST_COMMAND + "test_what_never_ends_has_failed",
    ),
    mutant(
        "command: patience begins anew",
        COMMAND,
        "held.unfinished_since_s, held.unsure = None, None,",
        "held.unsure, held.unsure = None, None,",
        TEST_COMMAND + "test_what_never_ends_has_failed",
    ),
    mutant(
        "command: that another has it is a release",
        COMMAND,
        "(EXIT_DONE, EXIT_NEWER_EPOCH, EXIT_ELSEWHERE) or not",
        "(EXIT_DONE,) or not",
        RELEASED,
    ),
    mutant(
        "command: a failed release is told",
        COMMAND,
        "        return Failed(front.name, order.ticket, _words(_program(front), ended))\n\n    async def drain",
        "        return Done(front.name, order.ticket)\n\n    async def drain",
        RELEASED,
    ),
    mutant(
        "command: what is not held is not checked",
        COMMAND,
        "            if (epoch := held.epoch) is None:\n                continue\n",
        "            epoch = held.epoch or 0\n",
        TEST_COMMAND + "test_what_is_moved_by_hand_is_found_while_the_front_is_held",
    ),
    mutant(
        "command: what ran is released",
        COMMAND,
        "or not (held.has_run or ended.has_run):",
        "or not ended.has_run:",
        TEST_COMMAND + "test_a_program_that_cannot_be_run_is_named",
    ),
    mutant(
        "command: what never ran is not released",
        COMMAND,
        " or not (held.has_run or ended.has_run):",
        ":",
        TEST_COMMAND + "test_a_program_that_cannot_be_run_is_named",
    ),
    mutant(
        "command: what is missing is told",
        COMMAND,
        "            tell(Unready(front.name, complaint))\n",
        "            pass\n",
        TEST_COMMAND + "test_a_program_that_could_not_be_run_is_told_of_before_it_is_needed",
    ),
    mutant(
        "command: a check that cannot tell changes nothing",
        COMMAND,
        "if ended.status in (EXIT_ELSEWHERE, EXIT_NEWER_EPOCH):",
        "if ended.status != EXIT_DONE:",
        TEST_COMMAND + "test_a_check_that_cannot_tell_changes_nothing",
    ),
)
