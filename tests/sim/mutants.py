"""The safeguards, each with the change that takes it out and the tests that must fail without it."""

from dataclasses import dataclass

GOSSIP, HEALTH, CONTROL = "tests/unit/gossip/", "tests/unit/health/", "tests/unit/control/"
SCENARIOS = "tests/sim/test_gossip_scenarios.py::"
SAFEGUARDS = "tests/sim/test_safeguards.py::"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in `module` and becomes `new`. `tests`: pytest's names; one of them at least must fail."""

    name: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...]


def _mutant(name: str, module: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, f"lbmesh.{module}", old, new, tests)


VERDICT = "gossip.verdict"
TEST_VERDICT = GOSSIP + "test_verdict.py"
TEST_CORE = GOSSIP + "test_core.py::"

MUTANTS = (
    # Who is down.
    _mutant(
        "a zone is judged as one subject",
        VERDICT,
        "            finding = _judge_zone(zone, court)",
        "            finding = None",
        TEST_VERDICT,
    ),
    _mutant(
        "two accusers",
        VERDICT,
        "        and len(accusers) >= min(2, others)",
        "        and len(accusers) >= 1",
        TEST_VERDICT,
    ),
    _mutant(
        "accusers from two zones",
        VERDICT,
        "        and len(zones) >= min(2, other_zones)",
        "        and len(zones) >= 1",
        TEST_VERDICT,
    ),
    _mutant(
        "a majority of observers",
        VERDICT,
        "        len(accusers) * 2 > observers\n",
        "        len(accusers) > 0\n",
        TEST_VERDICT,
    ),
    _mutant(
        "a member is condemned by a quorum",
        VERDICT,
        "        and (court.is_quorum or others == 1)\n",
        "",
        TEST_VERDICT,
    ),
    _mutant(
        "a zone is condemned by a quorum",
        VERDICT,
        "    if not court.is_quorum and not (court.is_half and len(court.live_zones) == _PAIR):\n",
        "    if False:\n",
        TEST_VERDICT,
    ),
    _mutant(
        "a zone is condemned by two others",
        VERDICT,
        "if not agreed or len(agreed) < min(2, len(other_zones)) or",
        "if not agreed or",
        TEST_VERDICT,
    ),
    _mutant(
        "the words of the unreachable do not count",
        VERDICT,
        "            if name not in trusted:\n",
        "            if False:\n",
        TEST_VERDICT,
    ),
    _mutant(
        "accusers whom the others contradict are discounted",
        VERDICT,
        "if count >= _CONTRADICTED_MIN and count * 2 > edges[name]",
        "if False",
        TEST_VERDICT,
    ),
    _mutant(
        "who is down stays so until most reach it",
        VERDICT,
        "    was_down = subject.state is MemberState.DOWN\n",
        "    was_down = False\n",
        TEST_VERDICT,
        SCENARIOS + "test_most_of_all_nodes_may_die_if_not_at_once",
    ),
    # Who watches whom.
    _mutant(
        "few observers of the own zone",
        "gossip.observers",
        "*own[: min(share, count - len(chosen))]",
        "*own[: count - len(chosen)]",
        GOSSIP + "test_observers.py",
    ),
    _mutant(
        "observers from every zone",
        "gossip.observers",
        "ZONE_OBSERVERS = 2",
        "ZONE_OBSERVERS = 0",
        GOSSIP + "test_observers.py",
    ),
    _mutant(
        "the down are watched on",
        "gossip.picture",
        "                if entry.state is not MemberState.LEFT or entry.name == own\n",
        "                if entry.state.is_live or entry.name == own\n",
        SAFEGUARDS + "test_a_split_heals_without_seeds",
    ),
    _mutant(
        "seeds are dialled for ever",
        "gossip.seeds",
        "seed.due_s = now + self._timing.seed_interval_s * (0.75 + 0.5 * self._rng.random())",
        'seed.due_s = float("inf")',
        TEST_CORE + "test_a_node_alone_knows_itself_and_dials_its_seeds_for_ever",
    ),
    # Edges.
    _mutant(
        "three misses and no fewer",
        "gossip.limits",
        "    misses: int = 3\n",
        "    misses: int = 1\n",
        GOSSIP + "test_probing.py",
    ),
    _mutant(
        "a broken edge is whole after several answers",
        "gossip.probing",
        "        if edge.answers >= self._timing.answers or not edge.broken:\n",
        "        if True:\n",
        GOSSIP + "test_probing.py",
    ),
    _mutant(
        "a node in trouble doubts itself",
        "gossip.probing",
        "self._timing.misses + extra_misses",
        "self._timing.misses",
        GOSSIP + "test_probing.py",
    ),
    _mutant(
        "the timeout adapts",
        "gossip.probing",
        "        return min(max(self.rtt_s + 4 * self.deviation_s, timing.timeout_floor_s), timing.timeout_cap_s)",
        "        return timing.timeout_floor_s",
        GOSSIP + "test_probing.py",
    ),
    _mutant(
        "a nonce counts once, and only if it was asked for",
        "gossip.probing",
        "            return\n        edge.pings.remove((nonce, sent_s))\n",
        "            sent_s = now\n",
        GOSSIP + "test_probing.py",
    ),
    # Pauses and isolation.
    _mutant(
        "a pause forgives the pings under way",
        "gossip.core",
        "        self._prober.forgive(now)\n",
        "",
        SAFEGUARDS + "test_a_node_that_stutters_accuses_nobody",
    ),
    _mutant(
        "a node that was deaf condemns nobody at once",
        "gossip.picture",
        "        self._is_grace_used = now < self._grace_until_s and bool(held_back)\n",
        "        self._is_grace_used = False\n",
        SCENARIOS + "test_a_frozen_zone_thaws_and_accuses_nobody",
        SAFEGUARDS + "test_a_node_that_thaws_believes_no_old_word",
    ),
    _mutant(
        "who is back from a cut condemns nobody at once",
        "gossip.picture",
        "        if 2 * len(self.judgement.trusted - before) >= len(self.judgement.trusted):\n",
        "        if False:\n",
        SAFEGUARDS + "test_the_smaller_side_of_a_split_condemns_no_companion_when_it_heals",
        SAFEGUARDS + "test_who_comes_back_from_a_cut_believes_no_old_word",
    ),
    _mutant(
        "a start of who has just spoken is taken from nobody else",
        "gossip.row_intake",
        "        if is_start and (public_key is None or self._owners.has_just_spoken(now, batch.owner)):\n",
        "        if is_start and public_key is None:\n",
        GOSSIP + "test_forgeries.py::test_of_whom_it_has_just_heard_it_takes_a_new_start_from_nobody_else",
    ),
    _mutant(
        "an isolated node freezes its picture",
        "gossip.picture",
        "            if isolated:\n                self._enter",
        "            if False:\n                self._enter",
        SCENARIOS + "test_a_node_alone_freezes_its_picture_and_says_so",
    ),
    _mutant(
        "an isolated node sleeps",
        "gossip.picture",
        "            return self._settled_s + self._timing.speech_s / 2\n",
        "            return self._settled_s\n",
        SCENARIOS + "test_a_node_that_thaws_and_is_cut_off_at_once_goes_on_sleeping",
    ),
    # Who may speak.
    _mutant(
        "an unproven session may only ping",
        "gossip.proofs",
        "        return session.proven_s is not None\n",
        "        return True\n",
        TEST_CORE + "test_a_session_that_has_proved_nothing_may_only_ping",
    ),
    _mutant(
        "a counter counts once",
        "gossip.seal",
        "        if session.window.seen(counter):\n",
        "        if False:\n",
        TEST_CORE + "test_a_replayed_datagram_and_one_of_an_older_epoch_change_nothing",
    ),
    _mutant(
        "what came before the proof counts as seen",
        "gossip.sessions",
        "        session.window.close()\n",
        "",
        GOSSIP + "test_seal.py::test_what_came_before_the_proof_counts_as_seen",
    ),
    _mutant(
        "an earlier start is refused",
        "gossip.inbox",
        "        if opened.incarnation < owner.incarnation:\n",
        "        if False:\n",
        TEST_CORE + "test_a_replayed_datagram_and_one_of_an_older_epoch_change_nothing",
    ),
    _mutant(
        "nobody writes the rows of this node",
        "gossip.row_intake",
        "            self._forgeries.came(now, sender, batch, turn)\n            return None\n",
        "            pass\n",
        TEST_CORE + "test_nobody_writes_the_rows_of_this_node",
        GOSSIP + "test_forgeries.py::test_rows_that_it_never_wrote_are_voided_when_they_come_by",
    ),
    _mutant(
        "rows of membership are signed by their owner",
        "gossip.signatures",
        "    except InvalidSignature:\n        return False\n",
        "    except InvalidSignature:\n        return True\n",
        TEST_CORE + "test_only_its_owner_says_a_goodbye",
        TEST_CORE + "test_edges_that_their_owner_did_not_sign_are_left_out",
    ),
    _mutant(
        "epochs rise by restarts only",
        "gossip.owners",
        "        return is_jump\n",
        "        return False\n",
        TEST_CORE + "test_an_epoch_that_no_restarts_explain_is_refused",
        GOSSIP + "test_forgeries.py::test_who_was_away_may_have_been_started_often_since",
    ),
    _mutant(
        "a lost name is taken back",
        "gossip.claims",
        "        if claim is None or now < self.deadline_s():\n",
        "        if True:\n",
        SCENARIOS + "test_a_lost_boot_counter_gets_its_name_back",
    ),
    # Bounds.
    _mutant(
        "answers are limited",
        "gossip.replies",
        "        if own.tokens < 1 or total.tokens < 1:\n",
        "        if False:\n",
        TEST_CORE + "test_a_peer_gets_so_many_answers_and_no_more",
    ),
    _mutant(
        "an owner has so much room and no more",
        "gossip.records",
        "room=min(bound, before + ROWS_MAX - self._row_count)",
        "room=ROWS_MAX * ROWS_MAX",
        TEST_CORE + "test_a_member_with_ten_thousand_rows_takes_no_more_than_its_room",
        GOSSIP + "test_records.py",
    ),
    _mutant(
        "sessions that proved nothing are bounded",
        "gossip.sessions",
        "        if len(table) > bound:\n",
        "        if False:\n",
        GOSSIP + "test_seal.py::test_sessions_are_bounded_and_recordings_push_out_none_that_lives",
    ),
    # Replicas.
    _mutant(
        "own success overrides",
        "health.merge",
        "        if not own.streak:\n",
        "        if False:\n",
        HEALTH + "test_merge.py",
    ),
    _mutant(
        "own failure overrides",
        "health.merge",
        "        if own.availability is DOWN:\n            return Merged(DOWN, Rule.OWN_EVIDENCE",
        "        if False:\n            return Merged(DOWN, Rule.OWN_EVIDENCE",
        HEALTH + "test_merge.py",
    ),
    _mutant(
        "own evidence expires",
        "health.verdict",
        "self.availability is not UNKNOWN and self.at_s + expiry_s > now",
        "self.availability is not UNKNOWN",
        HEALTH + "test_verdict.py",
    ),
    _mutant(
        "the words of the untrusted do not count",
        "health.standing",
        "        if word.observer not in standing.zones:\n",
        "        if False:\n",
        HEALTH + "test_standing.py",
    ),
    _mutant(
        "who accuses everybody is discounted",
        "health.credit",
        "            self.contradicted.total() >= ACCUSATIONS_MIN\n",
        "            False\n",
        HEALTH + "test_standing.py",
    ),
    _mutant(
        "hearsay takes no more than half",
        "health.removal",
        "        if (out + 1) * 2 <= total:\n",
        "        if True:\n",
        HEALTH + "test_removal.py",
    ),
    _mutant(
        "hearsay takes few at a time",
        "health.removal",
        "        most = max(1, int(replicas * REMOVAL_SHARE))\n",
        "        most = replicas\n",
        HEALTH + "test_removal.py",
    ),
    _mutant(
        "one zone at a time",
        "health.removal",
        "            if until_s <= now and is_contested:\n",
        "            if False:\n",
        HEALTH + "test_removal.py",
    ),
    _mutant(
        "what flaps comes back late",
        "health.damping",
        "penalty > HOLD_ABOVE",
        "False",
        HEALTH + "test_damping.py",
    ),
    _mutant(
        "nothing is held for long",
        "health.damping",
        "        return min(decayed_s, self.held_since_s + HOLD_MAX_S)\n",
        "        return decayed_s + HOLD_MAX_S\n",
        HEALTH + "test_damping.py",
    ),
    _mutant(
        "few look at a replica in doubt",
        "health.plan",
        "if zones[member] == zones[node]][:LOOKERS_PER_ZONE]\n",
        "if zones[member] == zones[node]]\n",
        HEALTH + "test_books.py::test_probes_of_a_replica_do_not_grow_with_the_balancers",
        HEALTH + "test_plan.py",
    ),
    _mutant(
        "a pause is no evidence against replicas",
        "health.book",
        "        if pause_s <= PAUSE_S:\n",
        "        if True:\n",
        SAFEGUARDS + "test_a_plane_that_was_stopped_takes_no_replica_out",
    ),
    _mutant(
        "the numbers of Views rise",
        "control.views",
        "latest.version.number + 1 if latest else 1",
        "1",
        CONTROL + "test_plane.py",
    ),
    _mutant(
        "the own zone is heard first",
        "health.merge",
        "    near = [word for word in words if word.observer_zone == zone]\n    far =",
        "    near: list[Opinion] = []\n    far =",
        HEALTH + "test_merge.py",
    ),
    _mutant(
        "news of down is doubted before it is believed or not",
        "health.merge",
        "    if said.availability is not UP or not news:\n",
        "    if True:\n",
        HEALTH + "test_merge.py",
    ),
    _mutant(
        "doubt counts as removal",
        "health.merge",
        "(Rule.SAME_ZONE_MAJORITY, Rule.OTHER_ZONES, Rule.DOUBT)",
        "(Rule.SAME_ZONE_MAJORITY, Rule.OTHER_ZONES)",
        HEALTH + "test_removal.py",
    ),
    _mutant(
        "a zone that is cut off is not taken for liars",
        "health.credit",
        "if has_company else",
        "if False else",
        HEALTH + "test_standing.py",
    ),
    _mutant(
        "words are taken back with their evidence",
        "health.voice",
        "            if word is None and published:\n",
        "            if False:\n",
        HEALTH + "test_books.py::test_words_of_those_who_looked_are_taken_back_when_the_doubt_is_over",
    ),
    _mutant(
        "who speaks by turns is looked after once an interval",
        "health.record",
        "max(now, self.news_s + self.check.interval_s)",
        "now",
        HEALTH + "test_books.py::test_who_says_up_and_down_by_turns_does_not_make_the_others_hammer_a_replica",
    ),
    _mutant(
        "bystanders look at their pace",
        "health.record",
        "self.check.interval_s * self.duty.pace",
        "PROBE_GAP_S",
        HEALTH + "test_book.py",
    ),
    _mutant(
        "the first in line stands in, not all",
        "health.record",
        "comes_before(word.observer, node, self.replica)",
        "True",
        HEALTH + "test_book.py",
    ),
    _mutant(
        "no hold leaves a service short",
        "health.group",
        "        record.damping = record.damping.released()\n",
        "        pass\n",
        HEALTH + "test_books.py::test_nothing_is_held_back_when_a_service_would_be_short",
    ),
    _mutant(
        "a replica that answers wrongly is the last resort",
        "health.group",
        "        if len(special) == total and all(_is_down(one.final) for one in outcome):\n",
        "        if False:\n",
        HEALTH + "test_book.py::test_where_all_are_down_those_that_answer_at_all_are_the_last_resort",
    ),
    _mutant(
        "failures among answers never add up",
        "health.passive",
        " and not after_answer else 0",
        " else 0",
        HEALTH + "test_passive.py::test_failures_among_answers_never_add_up",
    ),
    _mutant(
        "only words of peers that cross are no flaps",
        "health.damping",
        "by_peers and self.counted",
        "self.counted",
        HEALTH + "test_damping.py::test_what_this_node_saw_for_itself_counts_however_short_it_was",
    ),
    _mutant(
        "a pause is noticed whatever comes first after it",
        "control.fold",
        "        parts.book.notice_pause(now)\n        if not parts.joined:\n",
        "        if not parts.joined:\n",
        CONTROL + "test_plane.py::test_it_does_so_whatever_is_the_first_it_hears_of",
    ),
    # What a member, or somebody with a recording, can make a node do.
    _mutant(
        "no silence is judged while datagrams wait",
        "gossip.probing",
        "            if drained and edge.timeout_at_s",
        "            if edge.timeout_at_s",
        GOSSIP + "test_probing.py::test_no_answer_is_missed_while_some_may_wait_in_the_socket",
    ),
    _mutant(
        "strangers use up no member's pongs",
        "gossip.inbox",
        "Reply.STRANGERS_PONG",
        "Reply.PONG",
        TEST_CORE + "test_pings_under_made_up_names_leave_a_members_pongs_to_it",
    ),
    _mutant(
        "a horizon stands in what is told only",
        "gossip.codec",
        "    if horizon > upto or (horizon and base == upto):\n",
        "    if False:\n",
        GOSSIP + "test_codec.py::test_a_horizon_beyond_what_is_told_is_malformed",
    ),
    _mutant(
        "who is lied about restates its rows ever more rarely",
        "gossip.forgeries",
        "min(2 * self._gap_s, longest_s)",
        "self._gap_s",
        GOSSIP + "test_forgeries.py::test_who_is_lied_about_again_and_again_restates_its_rows_ever_more_rarely",
    ),
    _mutant(
        "an address with a scope is none",
        "gossip.codec",
        "or left > 1 or not means_the_same_everywhere(host)",
        "or left > 1",
        GOSSIP + "test_codec.py",
    ),
    _mutant(
        "only what was asked last shows a seed to be this node",
        "gossip.seeds",
        "        if seed is not None and seed.nonce in nonces:\n",
        "        if seed is not None:\n",
        TEST_CORE + "test_a_recording_of_its_own_from_a_seed_does_not_keep_it_from_dialling",
    ),
    _mutant(
        "no key is removed while a live member lacks the primary one",
        "gossip.key_orders",
        "        if lacking:\n            return Said(\n",
        "        if False:\n            return Said(\n",
        GOSSIP + "test_key_orders.py",
    ),
    _mutant(
        "a copied session evicts nobody",
        "control.mesh",
        "by_session.setdefault(station.session, station)",
        "by_session[station.session] = station",
        CONTROL + "test_mesh.py",
    ),
)
