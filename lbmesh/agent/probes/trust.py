"""TLS contexts for probes: one for each distinct trust, made once, in a thread, and used again."""

import ssl
from dataclasses import dataclass

import trio

from lbmesh.agent.limits import TLS_CONTEXTS_MAX
from lbmesh.config.trust import client_context
from lbmesh.model.check import ProbeTls
from lbmesh.model.tls import KeyPair


@dataclass(frozen=True, slots=True)
class _Trust:
    ca_certificates: str | None
    verify: bool
    protocol: str | None
    key_pair: KeyPair | None = None


class TrustStore:
    """Contexts by what they trust and speak.

    With the machine's own authorities one takes 20 ms to make, hence the thread. Certificates were read and tried
    when the settings were taken, so there is always one.
    """

    def __init__(self) -> None:
        self._contexts: dict[_Trust, ssl.SSLContext] = {}
        self._making = trio.Lock()

    async def context(self, tls: ProbeTls, protocol: str | None) -> ssl.SSLContext:
        """The context for these settings. `protocol`: the one that is offered by ALPN."""
        return await self._context(_Trust(tls.ca_certificates, tls.verify, protocol, tls.key_pair))

    async def blind_context(self, protocol: str | None) -> ssl.SSLContext:
        """A context that takes any certificate, to have a look at one."""
        return await self._context(_Trust(None, False, protocol))

    def forget_machine(self) -> None:
        """Read the machine's own authorities again, when they are asked for; also those that are being read now."""
        self._contexts = {trust: context for trust, context in self._contexts.items() if trust.ca_certificates}

    async def _context(self, trust: _Trust) -> ssl.SSLContext:
        if (known := self._contexts.get(trust)) is not None:
            return known
        async with self._making:
            contexts = self._contexts
            if trust not in contexts:
                if len(contexts) >= TLS_CONTEXTS_MAX:
                    del contexts[next(iter(contexts))]
                contexts[trust] = await trio.to_thread.run_sync(_make, trust)
            return contexts[trust]


def _make(trust: _Trust) -> ssl.SSLContext:
    context = client_context(ca_certificates=trust.ca_certificates, verify=trust.verify, key_pair=trust.key_pair)
    if trust.protocol:
        context.set_alpn_protocols([trust.protocol])
    return context
