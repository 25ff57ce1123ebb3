"""An httpx transport that is given several balancers and goes on when one refuses or is silent."""

from lbmesh.client.async_transport import AsyncMeshTransport
from lbmesh.client.attempts import Answered, Failure
from lbmesh.client.listing import Admin
from lbmesh.client.policy import Policy
from lbmesh.client.sync_transport import MeshTransport

__all__ = ["Admin", "Answered", "AsyncMeshTransport", "Failure", "MeshTransport", "Policy"]
