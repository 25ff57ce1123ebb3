"""The page: what the node believes, under the documented names."""

from dataclasses import replace

from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.link import MirroredTelemetry, ReplicaTelemetry, RequestTelemetry, ServiceTelemetry, Telemetry
from lbmesh.control.state import ForwarderState, NodeState, Readiness, ReloadOutcome, ReplicaState
from lbmesh.gossip.seal import Rejection
from lbmesh.model.address import Address
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member, MemberState
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.view import ViewVersion
from lbmesh.observe.agent_metrics import AgentFigures
from lbmesh.observe.metrics import render_metrics
from tests.support.exposition import read_page

ADDRESS = Address("10.0.0.1", 80)
REPLICA = ReplicaId("shop", ADDRESS)
AWKWARD, AWKWARD_LABEL = 'a "b"\\c\n, d="e', r'service="a \"b\"\\c\n, d=\"e"'
TELEMETRY = Telemetry(
    0, 77, ViewVersion(2, 5), connections=3, active_requests=1, accepted=9, access_log_dropped=0,
    requests=(
        RequestTelemetry("shop", "GET", 503, "no_replica", 2, 0.25, ((40, 2),)),
        RequestTelemetry("shop", "GET", 200, "", 3, 1e-05, ((0, 1), (60, 2))),
        RequestTelemetry(AWKWARD, "GET", 200, "", 1, 90.0, ((90, 1),)),
    ),
    replicas=(ReplicaTelemetry(REPLICA, 7, 2, 1, 1, 0.125),),
    mirrored=(MirroredTelemetry("shadow", "left_out_body", 4),),
    services=(ServiceTelemetry("shop", active=5, active_max=50, pending=2, hedges=4, hedges_won=3, moved=1),),
    lag_s=0.25,
)  # fmt: skip
STATE = NodeState(
    now=10.0,
    node="lb-a1",
    zone="zone-a",
    generation=2,
    view=ViewVersion(2, 5),
    readiness=Readiness(True, "ready"),
    members=(
        Member("lb-b1", "zone-b", Address("10.1.0.1", 7946), 4, MemberState.DOWN, 5.0, "silent"),
        Member("lb-b2", "zone-b", Address("10.1.0.2", 7946), 4, MemberState.IMPAIRED, 5.0, "one is silent"),
    ),
    forwarders=(
        ForwarderState(0, 77, 1.0, ViewVersion(2, 5), TELEMETRY, {row.replica: row for row in TELEMETRY.replicas}),
    ),
    reload=ReloadOutcome(False, ("lbmesh.toml:3: bad",), 9.0),
    gossip={"datagrams_in": 5, "datagrams_out": 6, "bytes_in": 500, "rejected_forged": 3},
    local_shares=(("shop", 0.98),),
)
OPINIONS = (
    Opinion("lb-a1", "zone-a", REPLICA, True, 9.0, "status 200"),
    Opinion("lb-b1", "zone-b", REPLICA, False, 9.0, ""),
)


def page() -> list[str]:
    figures = AgentFigures(loop_lag_s=0.002)
    figures.traffic.take(TELEMETRY)
    figures.probes["shop", "failure"] += 4
    figures.count(Event(EventKind.RELOAD, "config", "refused", "lbmesh.toml:3: bad"))
    replica = ReplicaState(
        REPLICA, Replica(ADDRESS, "zone-a"), Availability.UNKNOWN, "", 1.0, OPINIONS, ejected_until_s=9.0
    )
    return b"".join(render_metrics(STATE, lambda: iter([replica]), figures)).decode().splitlines()


def test_the_page_says_what_is_documented() -> None:
    lines = page()
    labels = 'service="shop",http_request_method="GET",http_response_status_code="503",error_type="no_replica"'
    replica = 'service="shop",replica="10.0.0.1:80"'
    for line in (
        f"http_server_request_duration_seconds_count{{{labels}}} 2",
        f"http_server_request_duration_seconds_sum{{{labels}}} 0.25",
        'http_server_active_requests{worker="0"} 1',
        'lbmesh_forwarder_lag_seconds{worker="0"} 0.25',
        'lbmesh_service_active_requests{service="shop"} 5',
        'lbmesh_service_active_limit{service="shop"} 50',
        'lbmesh_service_pending_requests{service="shop"} 2',
        'lbmesh_service_hedges_total{service="shop"} 4',
        'lbmesh_service_hedges_won_total{service="shop"} 3',
        'lbmesh_service_moved_requests_total{service="shop"} 1',
        f"lbmesh_upstream_requests_total{{{replica}}} 7",
        f"lbmesh_upstream_failures_total{{{replica}}} 2",
        f"lbmesh_upstream_responses_5xx_total{{{replica}}} 1",
        f"lbmesh_upstream_latency_seconds{{{replica}}} 0.125",
        'lbmesh_mirrored_requests_total{service="shadow",outcome="left_out_body"} 4',
        f'lbmesh_replica_up{{{replica},observer="merged"}} 0.5',
        f'lbmesh_replica_up{{{replica},observer="traffic"}} 0',
        f'lbmesh_replica_up{{{replica},observer="lb-a1"}} 1',
        f'lbmesh_replica_up{{{replica},observer="lb-b1"}} 0',
        'lbmesh_member_up{member="lb-b1",zone="zone-b"} 0',
        'lbmesh_member_up{member="lb-b2",zone="zone-b"} 1',
        'lbmesh_member_state{member="lb-b1",state="alive"} 0',
        'lbmesh_member_state{member="lb-b1",state="down"} 1',
        'lbmesh_events_total{kind="reload"} 1',
        'lbmesh_reloads_total{outcome="refused"} 1',
        "lbmesh_reload_successful 0",
        'lbmesh_gossip_datagrams_total{direction="in"} 5',
        'lbmesh_gossip_rejected_total{reason="forged"} 3',
        'lbmesh_probes_total{service="shop",outcome="failure"} 4',
        'lbmesh_view_info{generation="2",number="5"} 1',
        'lbmesh_forwarder_view_current{worker="0"} 1',
        "lbmesh_loop_lag_seconds 0.002",
        "lbmesh_ready 1",
    ):
        assert line in lines


def test_the_page_with_traffic_obeys_the_text_format() -> None:
    families = read_page("\n".join(page()) + "\n")
    durations = families["http_server_request_duration_seconds"]
    assert {name.rpartition("_")[2] for name, _ in durations.samples} == {"bucket", "sum", "count"}
    assert {labels[0] for _, labels in durations.samples} == {'service="shop"', AWKWARD_LABEL}


def test_every_reason_to_refuse_a_datagram_is_there_from_the_start() -> None:
    lines = page()
    for reason in Rejection:
        count = 3 if reason is Rejection.FORGED else 0
        assert f'lbmesh_gossip_rejected_total{{reason="{reason}"}} {count}' in lines
    for kind in ("forged", "overtaken", "refused"):
        assert f'lbmesh_gossip_rows_rejected_total{{reason="{kind}"}} 0' in lines


def test_a_node_alone_has_no_figures_of_a_mesh() -> None:
    alone = b"".join(render_metrics(replace(STATE, gossip={}), lambda: iter(()), AgentFigures())).decode()
    assert "lbmesh_gossip_rejected_total" not in alone
