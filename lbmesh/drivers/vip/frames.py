"""ARP packets and neighbour advertisements, built and read. Pure.

An announcement of ours bears a mark: who sends it is a node of a mesh, and with what right it holds the address.
In ARP it stands where Ethernet wants padding anyway (a frame has 60 bytes, an ARP packet fills 42); in neighbour
discovery it is an option of a kind for experiments (RFC 4727), which receivers skip (RFC 4861, 4.6). It proves nothing
(neither does ARP); it tells a dead node's kernel from a stranger's, and lets two holders find each other.
"""

import ipaddress
import struct
from dataclasses import dataclass

BROADCAST = b"\xff" * 6
ETHER_ARP, ETHER_IPV6 = 0x0806, 0x86DD
_ARP = struct.Struct(">HHBBH6s4s6s4s")
_ARP_FIXED = (1, 0x0800, 6, 4)
_REQUEST = 1
_MARK = struct.Struct(">4sBxQI")
_MARK_WORD = b"LBM1"
_NO_MAC = bytes(6)
_ETHERNET_BYTES = 14
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_OVERRIDE = 0x20000000
_TARGET_ADDRESS, _EXPERIMENT = 2, 253
_ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
_ANY = bytes(16)
_HOP_LIMIT = 255
_LOAD_WORD, _LOAD_BYTE, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x30, 0x15, 0x06


@dataclass(frozen=True, slots=True)
class Mark:
    """With what right a node of a mesh holds a front, as the plan weighs it (`failover/plan.py`). `rank`: how near home
    it is, from 0. `score`: the upper 32 bits of its rendezvous weight.
    """

    rank: int
    epoch: int
    score: int

    def is_better_than(self, other: "Mark") -> bool:
        """Would the plan leave the front with this one?"""
        return (self.rank, -self.epoch, -self.score) < (other.rank, -other.epoch, -other.score)


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that it has an address. `mac`: its hardware address. `mark`: None without one."""

    mac: bytes
    mark: Mark | None

    @property
    def mac_text(self) -> str:
        """As it is usually written."""
        return self.mac.hex(":")


def ether_type(address: str) -> int:
    """What packets about this address are in."""
    return ETHER_IPV6 if ":" in address else ETHER_ARP


def probe(address: str, mac: bytes) -> bytes:
    """Ask who has the address without claiming it: an ARP probe (RFC 5227, 2.1.1), or a solicitation from nowhere, as
    for duplicate address detection (RFC 4862, 5.4.2).
    """
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        return _ethernet(BROADCAST, mac, ETHER_ARP, _ARP.pack(*_ARP_FIXED, _REQUEST, mac, bytes(4), _NO_MAC, packed))
    group = ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + packed[13:]
    return _neighbour(_ANY, group, mac, struct.pack(">BBHI", _SOLICITATION, 0, 0, 0) + packed)


def announcement(address: str, mac: bytes, mark: Mark) -> bytes:
    """Tell everybody who has it: an ARP announcement (RFC 5227, 2.3), or an unsolicited advertisement that overrides
    (RFC 4861, 7.2.6).
    """
    packed = ipaddress.ip_address(address).packed
    trailer = _MARK.pack(_MARK_WORD, mark.rank, mark.epoch, mark.score)
    if len(packed) == 4:
        told = _ARP.pack(*_ARP_FIXED, _REQUEST, mac, packed, _NO_MAC, packed)
        return _ethernet(BROADCAST, mac, ETHER_ARP, told + trailer)
    options = struct.pack(">BB6s", _TARGET_ADDRESS, 1, mac) + struct.pack(">BB4x", _EXPERIMENT, 3) + trailer
    head = struct.pack(">BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE)
    return _neighbour(packed, _ALL_NODES, mac, head + packed + options)


def claim_of(frame: bytes, address: str) -> Claim | None:
    """What a frame says about who has this address; None when it says nothing of it."""
    packed = ipaddress.ip_address(address).packed
    return _arp_claim(frame, packed) if len(packed) == 4 else _neighbour_claim(frame, packed)


def _arp_claim(frame: bytes, packed: bytes) -> Claim | None:
    body = frame[_ETHERNET_BYTES:]
    if frame[12:14] != struct.pack(">H", ETHER_ARP) or len(body) < _ARP.size:
        return None
    *fixed, _, sender_mac, sender, _, _ = _ARP.unpack_from(body)
    if tuple(fixed) != _ARP_FIXED or sender != packed:
        return None
    return Claim(sender_mac, _mark(body[_ARP.size :]))


def _neighbour_claim(frame: bytes, packed: bytes) -> Claim | None:
    """Checked as RFC 4861, 7.1.2 wants it, but for the checksum, which a card may not have filled in."""
    ip, icmp = frame[14:54], frame[54:]
    if frame[12:14] != struct.pack(">H", ETHER_IPV6) or len(icmp) < 24:
        return None
    is_advertisement = ip[6] == _ICMPV6 and ip[7] == _HOP_LIMIT and icmp[0] == _ADVERTISEMENT and icmp[1] == 0
    if not is_advertisement or icmp[8:24] != packed:
        return None
    mac, mark, options = frame[6:12], None, icmp[24:]
    while len(options) >= 8 and options[1]:
        kind, option = options[0], options[: options[1] * 8]
        if kind == _TARGET_ADDRESS and len(option) == 8:
            mac = option[2:8]
        elif kind == _EXPERIMENT and mark is None:
            mark = _mark(option[6:])
        options = options[options[1] * 8 :]
    return Claim(mac, mark)


def _mark(trailer: bytes) -> Mark | None:
    if len(trailer) < _MARK.size or not trailer.startswith(_MARK_WORD):
        return None
    _, rank, epoch, score = _MARK.unpack_from(trailer)
    return Mark(rank, epoch, score)


def _ethernet(destination: bytes, source: bytes, kind: int, body: bytes) -> bytes:
    return (destination + source + struct.pack(">H", kind) + body).ljust(60, b"\0")


def _neighbour(source: bytes, destination: bytes, mac: bytes, icmp: bytes) -> bytes:
    pseudo = source + destination + struct.pack(">II", len(icmp), _ICMPV6)
    icmp = icmp[:2] + struct.pack(">H", _checksum(pseudo + icmp)) + icmp[4:]
    ip = struct.pack(">IHBB", 0x60000000, len(icmp), _ICMPV6, _HOP_LIMIT) + source + destination
    return _ethernet(b"\x33\x33" + destination[12:], mac, ETHER_IPV6, ip + icmp)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def packet_filter(address: str) -> list[tuple[int, int, int, int]]:
    """A classic BPF program, as (code, jt, jf, k), that lets only frames through that claim this address: the agent
    must not wake for each ARP packet of its segment.
    """
    packed = ipaddress.ip_address(address).packed
    tests = [(_LOAD_WORD, 28)] if len(packed) == 4 else [(_LOAD_BYTE, 20), (_LOAD_BYTE, 54)]
    values = [int.from_bytes(packed)] if len(packed) == 4 else [_ICMPV6, _ADVERTISEMENT]
    if len(packed) == 16:
        tests += [(_LOAD_WORD, 62 + at) for at in range(0, 16, 4)]
        values += [int.from_bytes(packed[at : at + 4]) for at in range(0, 16, 4)]
    program: list[tuple[int, int, int, int]] = []
    for number, ((load, offset), value) in enumerate(zip(tests, values, strict=True)):
        left = 2 * (len(tests) - number - 1)
        program += [(load, 0, 0, offset), (_JUMP_IF_EQUAL, 0, left + 1, value)]
    return [*program, (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)]
