"""What a plane is made of, and how far it has come."""

from dataclasses import dataclass, field

from lbmesh.config.settings import Settings
from lbmesh.control.certificates import Certificates
from lbmesh.control.forwarders import Forwarders
from lbmesh.control.heartbeat import Heartbeat
from lbmesh.control.inputs import Event
from lbmesh.control.mesh import Mesh
from lbmesh.control.state import ReloadOutcome
from lbmesh.control.views import ViewMaker
from lbmesh.control.zone_traffic import ZoneTraffic
from lbmesh.health.book import HealthBook
from lbmesh.health.ejection import Ejections


@dataclass(slots=True)
class Parts:
    """`settings`: those in place. `heartbeat`: None where the sentinel exchanges none. `reload`: what came of the last.
    `joined`: gossip runs. `started`: Views are made. `leaving`: this node was asked to stop.
    """

    settings: Settings
    mesh: Mesh
    book: HealthBook
    ejections: Ejections
    traffic: ZoneTraffic
    views: ViewMaker
    heartbeat: Heartbeat | None
    forwarders: Forwarders = field(default_factory=Forwarders)
    certificates: Certificates = field(default_factory=Certificates)
    reload: ReloadOutcome | None = None
    memory_problem: Event | None = None
    joined: bool = False
    started: bool = False
    leaving: bool = False

    def configure(self, now: float) -> None:
        """Have health, ejections and the zones' shares follow the settings."""
        services = self.settings.services
        self.book.configure(services, now)
        self.ejections.configure(services)
        self.traffic.configure(services)
