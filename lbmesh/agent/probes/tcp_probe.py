"""The TCP probe: a connection, and if wanted a word that its answer must contain."""

from lbmesh.agent.limits import PROBE_EXPECT_BYTES_MAX
from lbmesh.agent.probes.talk import Talk
from lbmesh.agent.probes.words import quoted
from lbmesh.control.inputs import ProbeResult
from lbmesh.model.check import TcpProbe


async def ask_tcp(talk: Talk, probe: TcpProbe) -> ProbeResult:
    """Success is the open connection, or `expect` within PROBE_EXPECT_BYTES_MAX of what the replica says."""
    if probe.send is not None:
        await talk.send(probe.send.encode())
    if probe.expect is None:
        return ProbeResult(True, "connected")
    expected, said = probe.expect.encode(), bytearray()
    while expected not in said:
        data = await talk.receive()
        said += data
        talk.lacks = f"no answer with {quoted(expected)}"
        if not data or len(said) >= PROBE_EXPECT_BYTES_MAX:
            if not said:
                return ProbeResult(False, "connection closed without an answer")
            return ProbeResult(
                False, f"answer {quoted(bytes(said))} does not contain {quoted(expected)}", answered=True
            )
    return ProbeResult(True, f"answered {quoted(expected)}")
