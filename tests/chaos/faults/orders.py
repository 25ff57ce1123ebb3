"""Orders that are right in the world of `worlds.three_zones`, one of each fault at least."""

from typing import Any

ORDERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("kill", {"targets": "lb-a1"}),
    ("kill", {"targets": ["zone-b"], "silent": True, "forgets": True}),
    ("kill", {"targets": "lb-a1", "part": "agent"}),
    ("leave", {"targets": "lb-a1", "grace": "5s"}),
    ("freeze", {"targets": ["lb-a1", "app-b2"]}),
    ("freeze", {"targets": "lb-c1", "part": "forwarders"}),
    ("starve", {"targets": "lb-a1", "share": 0.2}),
    ("cut", {"targets": "zone-a"}),
    ("cut", {"targets": "zone-a", "traffic": "gossip", "flapping": {"stands": "1s", "rests": "500ms"}}),
    ("split", {"groups": [["zone-a"], ["zone-b", "zone-c"]], "bridges": ["lb-a1"]}),
    ("one_way", {"sources": "zone-a", "targets": ["zone-b"], "traffic": "clients"}),
    ("half_connected", {"target": "lb-a1", "reaches": ["lb-b1"], "traffic": "gossip"}),
    ("lossy", {"targets": "zone-a", "loss": 0.3}),
    ("latency", {"targets": "zone-a", "to": "zone-b", "delay": "50ms", "jitter": "10ms", "overtaken": 0.01}),
    ("latency", {"targets": "app-a1", "delay": "5ms"}),
    ("bandwidth", {"targets": "lb-a1", "rate": "128KiB/s"}),
    ("clock_jump", {"targets": "zone-a", "offset": "-1h"}),
    ("disk_full", {"targets": "lb-a1"}),
    ("dns_down", {}),
    ("dns_down", {"targets": "dns-a", "refuses": True}),
    ("ailing", {"targets": "app-a1", "slow": "2s", "errors": 0.5}),
    ("half_open", {"targets": "app-a1"}),
    ("control_plane", {"targets": "provider", "mode": "empty"}),
    ("reload", {"targets": "zone-a"}),
    ("config_poison", {"targets": "lb-a1", "poison": "empty"}),
)
