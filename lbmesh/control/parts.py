"""What a plane is made of, and how far it has come."""

from dataclasses import dataclass, field

from lbmesh.config.settings import Settings
from lbmesh.control.certificates import Certificates
from lbmesh.control.dns import DnsPart
from lbmesh.control.forwarders import SILENT_S, Forwarders
from lbmesh.control.fronts import FrontPart
from lbmesh.control.heartbeat import Heartbeat
from lbmesh.control.inputs import Event
from lbmesh.control.mesh import Mesh
from lbmesh.control.state import Readiness, ReloadOutcome
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
    fronts: FrontPart
    dns: DnsPart
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

    def readiness(self) -> Readiness:
        """May clients be sent to this node?"""
        if self.leaving:
            return Readiness(False, "leaving: this node drains")
        if self.views.latest is None:
            asking = "catching up: this node asks its peers which replicas are down"
            return Readiness(False, asking if self.joined else "starting: no View yet")
        if not any(forwarder.viewed for forwarder in self.forwarders.states()):
            return Readiness(False, "no forwarder serves a View yet")
        if self.is_stalled:
            return Readiness(False, f"no forwarder has said anything for {SILENT_S:g} s: they hang")
        return Readiness(True, "ready")

    @property
    def is_stalled(self) -> bool:
        """Do all forwarders hang that ever served?"""
        viewing = [forwarder for forwarder in self.forwarders.states() if forwarder.viewed]
        return bool(viewing) and all(forwarder.silent for forwarder in viewing)
