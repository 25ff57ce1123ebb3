"""The HTTP probe: one request over h11, and what the answer must be."""

from functools import lru_cache

import h11
import regex

from lbmesh import __version__
from lbmesh.agent.limits import PROBE_ANSWER_BYTES_MAX, PROBE_BODY_BYTES_MAX, REGEX_S
from lbmesh.agent.probes.talk import CUT_SHORT, Talk
from lbmesh.agent.probes.words import quoted
from lbmesh.control.inputs import ProbeResult
from lbmesh.model.check import HttpProbe

_TLS_ALERT = b"\x15\x03"
"""A record of type alert, of any version (RFC 8446, 5.1): what many say to plain HTTP on their TLS port."""
_SPEAKS_TLS = "not HTTP: the replica speaks TLS here; write tls = true"
_ENDLESS_ANSWER = "the answer does not come to an end"
_ENDLESS_1XX = "statuses from 100 to 199 without end, and no answer"
_SWITCHED = "status 101: the replica changes the protocol, which nobody asked for"

_pattern = lru_cache(maxsize=256)(regex.compile)
"""As many as there are services with one, in all but the largest meshes."""


async def ask_http(talk: Talk, probe: HttpProbe, authority: str) -> ProbeResult:
    """Success is a whole answer as wanted; of a body's end nothing beyond PROBE_BODY_BYTES_MAX is read.

    Redirects are not followed: the replica itself is asked.
    """
    machine = h11.Connection(h11.CLIENT)
    await talk.send(request_bytes(machine, probe, authority))
    status, body, speaks_tls = 0, bytearray(), False
    try:
        while len(body) < PROBE_BODY_BYTES_MAX:
            event = machine.next_event()
            match event:
                case h11.Response():
                    status = event.status_code
                    if wrong := wrong_status(probe, status) or wrong_fields(probe, event):
                        return ProbeResult(False, wrong, answered=True)
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    break
                case h11.InformationalResponse():
                    pass
                case h11.NEED_DATA if talk.received < PROBE_ANSWER_BYTES_MAX:
                    data = await talk.receive()
                    speaks_tls |= talk.received == len(data) and data.startswith(_TLS_ALERT)
                    machine.receive_data(data)
                case _:
                    return ProbeResult(False, _ENDLESS_ANSWER if status else _ENDLESS_1XX)
    except h11.RemoteProtocolError as wrong_answer:
        return ProbeResult(False, _SPEAKS_TLS if speaks_tls else _not_http(str(wrong_answer)))
    if wrong := wrong_body(probe, bytes(body)):
        return ProbeResult(False, wrong, answered=True)
    return ProbeResult(True, f"status {status}")


def request_bytes(machine: h11.Connection, probe: HttpProbe, authority: str) -> bytes:
    """`Connection: close`, so that a replica does not wait for more. Headers of the operator's take our own's place."""
    fields = {"user-agent": ("User-Agent", f"lbmesh-probe/{__version__}"), "accept": ("Accept", "*/*")}
    if probe.body or probe.body_regex:
        fields["accept-encoding"] = ("Accept-Encoding", "identity")
    fields |= {name.lower(): (name, value) for name, value in probe.headers}
    headers = [("Host", authority), *fields.values(), ("Connection", "close")]
    head = machine.send(h11.Request(method=probe.method.value, target=probe.path, headers=headers))
    return (head or b"") + (machine.send(h11.EndOfMessage()) or b"")


def wrong_status(probe: HttpProbe, status: int) -> str | None:
    """What is wrong with the status, if anything."""
    if any(wanted.first <= status <= wanted.last for wanted in probe.status):
        return None
    return f"status {status}, wanted {','.join(map(str, probe.status))}"


def wrong_fields(probe: HttpProbe, response: h11.Response) -> str | None:
    """Which field is missing or has another value. Of a field that comes more than once any may be the one."""
    for name, wanted in probe.headers_match:
        values = [value for each, value in response.headers if each == name.lower().encode()]
        if not values:
            return f"the answer has no field {name}"
        if wanted is not None and wanted.encode() not in values:
            return f"{name} is {quoted(values[0])}, wanted {quoted(wanted.encode())}"
    return None


def wrong_body(probe: HttpProbe, body: bytes) -> str | None:
    """What is wrong with the body's beginning. A pattern may take REGEX_S of processor time, whatever it is."""
    cut = len(body) >= PROBE_BODY_BYTES_MAX
    where = f"the first {PROBE_BODY_BYTES_MAX} bytes of the body do" if cut else "body does"
    if probe.body is not None and probe.body.encode() not in body:
        return f"{where} not contain {quoted(probe.body.encode())}"
    if probe.body_regex is not None:
        try:
            found = _pattern(probe.body_regex).search(body.decode("utf-8", "replace"), timeout=REGEX_S)
        except TimeoutError:
            return f"body_regex takes more than {REGEX_S * 1000:g} ms on this body; write a simpler one"
        if found is None:
            return f"{where} not match {quoted(probe.body_regex.encode())}"
    return None


def _not_http(text: str) -> str:
    """The library's words, without the bytes that it quotes as Python writes them."""
    words = text.partition(": b")[0].lower()
    if "pending proposal" in words:
        return _SWITCHED
    return CUT_SHORT if "closed" in words else f"not HTTP: {words.replace('request line', 'status line')}"
