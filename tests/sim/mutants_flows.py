"""The safeguards of what is known of fronts' connections, and of who may change the network. As root."""

from tests.sim.mutant import mutant

RULES, FLOWS, TICKLES = "drivers.flows.flow_rules", "drivers.flows.flows", "drivers.flows.tickles"
TUNNEL_RULES, TUNNEL_WAY = "drivers.flows.tunnel_rules", "drivers.flows.tunnel_way"
ROUTED = "tests/integration/test_routed_flows.py::"
KERNEL_PART = "tests/integration/test_vip_flows.py::"
UNIT = "tests/unit/drivers/flows/test_flows.py"
FROZEN = "tests/integration/test_vip.py::test_nobody_waits_for_a_frozen_node_and_who_asks_the_next_holder_is_answered"
GATEWAY = "tests/integration/test_gateway.py::test_who_is_cut_off_takes_nothing_and_who_is_not_takes_the_front"
CAPABILITIES = "tests/integration/test_capabilities.py::"

FLOW_MUTANTS = (
    mutant(
        "flows: only of connections that are there",
        RULES,
        "    socket wildcard 0 limit rate {rate}/second burst {burst} packets add",
        "    limit rate {rate}/second burst {burst} packets add",
        KERNEL_PART + "test_packets_of_no_connection_are_not_told_of",
    ),
    mutant(
        "flows: a copy goes no further",
        RULES,
        "update @known {{ {key} }} drop\n    drop",
        "update @known {{ {key} }}\n    accept",
        KERNEL_PART + "test_a_copy_is_neither_answered_nor_forwarded",
    ),
    mutant(
        "flows: a port that is used again is new",
        RULES,
        "delete @told {{ {key} }} delete @known",
        "delete @known",
        KERNEL_PART + "test_a_port_that_is_used_again_is_told_of_again",
    ),
    mutant(
        "flows: what ends is forgotten",
        RULES,
        "    tcp flags & (fin | rst) != 0 delete @known",
        "    tcp flags & (fin | rst) != 0 update @known",
        KERNEL_PART + "test_both_backups_know_a_connection_from_its_request_to_its_end",
    ),
    mutant(
        "flows: two are told",
        RULES,
        "    dup to {family} daddr map @heir2\n",
        "    dup to {family} daddr map @heir1\n",
        KERNEL_PART + "test_both_backups_know_a_connection_from_its_request_to_its_end",
    ),
    mutant(
        "tunnel: only of connections that are there",
        TUNNEL_RULES,
        "    socket wildcard 0 limit rate {rate}/second burst {burst} packets add @told {{ {key} }}",
        "    limit rate {rate}/second burst {burst} packets add @told {{ {key} }}",
        ROUTED + "test_packets_of_no_connection_are_not_told_of",
    ),
    mutant(
        "tunnel: no data",
        TUNNEL_RULES,
        "    tcp doff 8 {length} {bare_8} goto bare\n    tcp doff 5 {length} {bare_5} goto bare",
        "    goto bare",
        ROUTED + "test_no_data_goes_through_the_tunnel_and_long_requests_are_known",
    ),
    mutant(
        "tunnel: what a frozen node answers is known",
        TUNNEL_RULES,
        "goto answer\n",
        "accept\n",
        ROUTED + "test_what_a_node_hears_of_while_its_processes_are_frozen_is_known",
    ),
    mutant(
        "tunnel: what ends is forgotten",
        TUNNEL_RULES,
        "tcp flags & (fin | rst) != 0 delete @known",
        "tcp flags & (fin | rst) != 0 update @known",
        ROUTED + "test_both_backups_know_a_connection_from_its_request_to_its_end",
    ),
    mutant(
        "tunnel: nothing comes out",
        TUNNEL_RULES,
        "    drop\n  }}\n",
        "    accept\n  }}\n",
        ROUTED + "test_nothing_comes_out_of_the_tunnel",
    ),
    mutant(
        "tunnel: members are heard",
        TUNNEL_RULES,
        "    udp dport {port} {family} saddr != @peers drop\n",
        "",
        ROUTED + "test_who_is_no_member_is_not_heard",
    ),
    mutant(
        "tunnel: made anew, rules too",
        FLOWS,
        "self._set_for == (fronts, stamp)",
        "self._set_for[0] == fronts",
        ROUTED + "test_what_somebody_takes_away_by_hand_is_made_anew",
    ),
    mutant(
        "tunnel: what a crash left goes",
        "drivers.leftovers",
        "        kernel.delete_link(TUNNEL)\n",
        "",
        ROUTED + "test_what_a_crash_left_goes_when_no_front_is_routed_any_more",
    ),
    mutant(
        "tunnel: tickled again",
        "drivers.flows.limits",
        "TUNNEL_TICKLE_ROUNDS_S = (0.0, 0.03, 0.1, 0.3, 1.0)",
        "TUNNEL_TICKLE_ROUNDS_S = (0.0,)",
        ROUTED + "test_whoever_the_route_leads_to_has_the_clients_reset",
    ),
    mutant(
        "tickles: sent again",
        "drivers.flows.limits",
        "\nTICKLE_ROUNDS_S = (0.0, 0.1, 0.3)",
        "\nTICKLE_ROUNDS_S = (0.0,)",
        KERNEL_PART + "test_whoever_takes_the_address_has_the_clients_reset",
    ),
    mutant("tickles: each round has other numbers", TICKLES, "number * _ROUNDS_APART", "_ROUNDS_APART", UNIT),
    mutant(
        "tickles: of one front",
        TICKLES,
        " and key[begin : begin + size] == front\n",
        "\n",
        UNIT,
    ),
    mutant(
        "tickles: so many in one step",
        FLOWS,
        "flows_of(known, ipaddress.ip_address(front).packed, TICKLES_AT_ONCE):",
        "flows_of(known, ipaddress.ip_address(front).packed, 1 << 20):",
        KERNEL_PART + "test_others_get_their_turn_among_many_that_are_read_and_tickled",
    ),
    mutant(
        "tickles: others get their turn among what is read",
        FLOWS,
        "            await trio.lowlevel.checkpoint()\n",
        "",
        KERNEL_PART + "test_others_get_their_turn_among_many_that_are_read_and_tickled",
    ),
    mutant(
        "tickles: what was taken is tickled",
        FLOWS,
        "nursery.start_soon(self.tickle,",
        "_ = (",
        FROZEN,
    ),
    mutant(
        "capabilities: not for forwarders",
        "sentinel.node",
        "None if slot == AGENT_SLOT else self._give_up_capabilities",
        "None",
        CAPABILITIES + "test_forwarders_and_the_name_server_cannot_change_the_network",
    ),
    mutant(
        "capabilities: not by the ambient set",
        "sentinel.capabilities",
        "        prctl(_PR_CAP_AMBIENT",
        "        _ = (_PR_CAP_AMBIENT",
        CAPABILITIES + "test_a_service_that_has_them_by_its_ambient_set_keeps_the_others",
    ),
    mutant("gateway: must answer anew", "agent.gateway", "        segment.forget()\n", "", GATEWAY),
    mutant(
        "gateway: doubted when a peer is gone",
        "agent.gateway",
        "        if self._in_reach:\n            self._say(in_reach=False)\n            self._doubted.set()",
        "        self._doubted.set()",
        GATEWAY,
    ),
)
