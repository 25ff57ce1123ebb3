"""TLS contexts for probes: one for each distinct trust, made once, in a thread, and used again."""

import ssl
from dataclasses import dataclass

import trio

from lbmesh.agent.limits import TLS_CONTEXTS_MAX
from lbmesh.config.key_pair import load_key_pair
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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust.ca_certificates is None:
        context.load_default_certs()
    else:
        # What an operator names is trusted for itself: a root, what a root signed, or the replica's own certificate.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=trust.ca_certificates)
    if trust.key_pair:
        load_key_pair(context, trust.key_pair.chain_pem, trust.key_pair.key_pem)
    if trust.protocol:
        context.set_alpn_protocols([trust.protocol])
    return context
