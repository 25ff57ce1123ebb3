"""ARP packets and neighbour advertisements: byte for byte as the RFCs have them, and what is read from others'."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.drivers.vip.frames import Claim, Mark, announcement, claim_of, ether_type, packet_filter, probe

MAC = bytes.fromhex("020000000001")
FOUR, SIX = "10.0.0.100", "fd00::100"
marks = st.builds(Mark, st.integers(0, 255), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))


def test_an_arp_probe_claims_nothing() -> None:
    """RFC 5227, 2.1.1: the sender's IP address is all zero, the target's hardware address is, too."""
    frame = probe(FOUR, MAC)
    assert frame == bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 00000000 000000000000 0a000064"
    ).ljust(60, b"\0")
    assert claim_of(frame, FOUR) is None


def test_an_arp_announcement_names_the_address_twice() -> None:
    """RFC 5227, 2.3. The mark fills what Ethernet pads."""
    frame = announcement(FOUR, MAC, Mark(1, 7, 9))
    assert frame == bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000064 000000000000 0a000064"
        "4c424d31 01 00 0000000000000007 00000009"
    )
    assert len(frame) == 60


def test_a_solicitation_of_a_newcomer_comes_from_nowhere() -> None:
    """RFC 4862, 5.4.2: from the unspecified address to the solicited-node address, hop limit 255, no option."""
    frame = probe(SIX, MAC)
    assert frame[:14] == bytes.fromhex("3333ff000100 020000000001 86dd")
    assert frame[14:22] == bytes.fromhex("60000000 0018 3a ff")
    assert frame[22:38] == bytes(16)
    assert frame[38:54] == IPv6Address("ff02::1:ff00:100").packed
    assert (frame[54], len(frame)) == (135, 78)
    assert is_sum_right(frame)


def test_an_advertisement_overrides_what_others_know() -> None:
    """RFC 4861, 7.2.6: to all nodes, unsolicited, with the override flag and the target's link-layer address."""
    frame = announcement(SIX, MAC, Mark(2, 7, 9))
    assert frame[:14] == bytes.fromhex("333300000001 020000000001 86dd")
    assert frame[22:38] == frame[62:78] == IPv6Address(SIX).packed
    assert frame[58:62] == bytes.fromhex("20000000")
    assert frame[78:86] == bytes.fromhex("0201 020000000001")
    assert is_sum_right(frame)


def is_sum_right(frame: bytes) -> bool:
    """RFC 4443, 2.3: over the pseudo-header and the message."""
    data = frame[22:54] + len(frame[54:]).to_bytes(4) + (58).to_bytes(4) + frame[54:]
    total = sum(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
    return total % 0xFFFF == 0


@pytest.mark.parametrize("address", [FOUR, SIX])
@given(mark=marks)
def test_what_is_announced_is_understood(address: str, mark: Mark) -> None:
    assert claim_of(announcement(address, MAC, mark), address) == Claim(MAC, mark)
    assert claim_of(announcement(address, MAC, mark), "10.0.0.101" if address == FOUR else "fd00::101") is None


def test_a_stranger_has_no_mark() -> None:
    reply = bytes.fromhex(
        "020000000001 0200000000c9 0806 0001 0800 06 04 0002 0200000000c9 0a000064 020000000001 0a000001"
    )
    assert claim_of(reply, FOUR) == Claim(bytes.fromhex("0200000000c9"), None)
    assert claim_of(reply.ljust(60, b"\0"), FOUR) == Claim(bytes.fromhex("0200000000c9"), None)


@pytest.mark.parametrize("address", [FOUR, SIX])
@given(data=st.data())
def test_no_frame_is_a_fault(address: str, data: st.DataObject) -> None:
    """What is cut short or altered anywhere is read or passed over."""
    frame = bytearray(announcement(address, MAC, Mark(0, 1, 2)))
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    claim_of(bytes(frame[: data.draw(st.integers(0, len(frame)))]), address)


@given(marks, marks)
def test_of_two_holders_one_gives_way(one: Mark, other: Mark) -> None:
    assert one == other or one.is_better_than(other) != other.is_better_than(one)


def test_who_is_nearer_home_is_better_then_who_came_later() -> None:
    assert Mark(0, 1, 1).is_better_than(Mark(1, 9, 9))
    assert Mark(1, 9, 1).is_better_than(Mark(1, 1, 9))
    assert Mark(1, 1, 9).is_better_than(Mark(1, 1, 1))


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_the_filter_lets_claims_of_this_address_through_and_nothing_else(address: str) -> None:
    other = "10.0.0.101" if address == FOUR else "fd00::101"
    program = packet_filter(address)
    assert run(program, announcement(address, MAC, Mark(0, 1, 2)))
    assert not run(program, announcement(other, MAC, Mark(0, 1, 2)))
    assert not run(program, probe(address, MAC))
    assert not run(program, b"")


def run(program: list[tuple[int, int, int, int]], frame: bytes) -> int:
    """Classic BPF, as far as it is used here; a load beyond the end ends it with 0."""
    at, accumulator = 0, 0
    while True:
        code, true, false, value = program[at]
        at += 1
        match code:
            case 0x20 | 0x30:
                size = 4 if code == 0x20 else 1
                if value + size > len(frame):
                    return 0
                accumulator = int.from_bytes(frame[value : value + size])
            case 0x15:
                at += true if accumulator == value else false
            case 0x06:
                return value
            case _:
                raise AssertionError(f"instruction {code:#x}")


def test_the_type_of_frames() -> None:
    assert (ether_type(FOUR), ether_type(SIX)) == (0x0806, 0x86DD)
