"""What `lbmesh lab status` prints."""

from lbmesh_chaos.lab.status import as_text


def test_hosts_are_aligned_and_faults_have_their_times() -> None:
    alive = {"name": "lbmesh", "pid": 7, "status": None, "stopped": True, "starts": 1}
    dead = {"name": "bird", "pid": None, "status": 137, "stopped": False, "starts": 1}
    host = {"name": "lb-a1", "zone": "zone-a", "role": "balancer", "address": "10.1.1.1", "programs": [alive, dead]}
    bridge = {"name": "backbone", "zone": "", "role": "backbone", "address": "", "programs": []}
    fault = {"fault": 3, "label": "power-cut", "since_s": 90.0, "until_s": 120.0}
    assert as_text({"name": "small", "hosts": [host, bridge], "faults": [fault]}, now_s=100.0).splitlines() == [
        "lab small",
        "HOST      ZONE    ROLE      ADDRESS   PROGRAMS",
        "lb-a1     zone-a  balancer  10.1.1.1  lbmesh (stopped, pid 7), bird (ended with 137)",
        "backbone  -       backbone  -         -",
        "fault 3: power-cut, for 10 s, at most 20 s more",
    ]
