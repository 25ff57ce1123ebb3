"""Where a request comes from: whose word is taken for it, and how the replicas are told."""

from dataclasses import dataclass
from enum import StrEnum


class ForwardedField(StrEnum):
    """Fields that say whom a request comes from: X-Forwarded-For, -Proto and -Host; Forwarded (RFC 7239); X-Real-IP."""

    X_FORWARDED = "x-forwarded"
    FORWARDED = "forwarded"
    X_REAL_IP = "x-real-ip"


class ProxyVersion(StrEnum):
    """How a PROXY header is written."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class ProvenancePolicy:
    """`trusted_proxies`: networks whose word is taken. `trusted_field`: the one that they write, X_FORWARDED or
    FORWARDED; what comes in the other may be a client's. `forwarded`: in which of them the replicas are told.
    """

    trusted_proxies: tuple[str, ...] = ()
    trusted_field: ForwardedField = ForwardedField.X_FORWARDED
    forwarded: tuple[ForwardedField, ...] = (ForwardedField.X_FORWARDED,)
