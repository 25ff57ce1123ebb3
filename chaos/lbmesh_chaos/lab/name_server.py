"""A DNS server for a lab's names, by UDP: `python -m lbmesh_chaos.lab.name_server ADDRESS:PORT NAMES`.

NAMES is a JSON object from names to lists of IPv4 or IPv6 addresses. A name with several has them in another order
each time, since clients take the first. Outside the domains of these names it refuses (RFC 1035, 4.1.1): it knows
nobody to ask.
"""

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmesh.model.address import parse_address

TTL_S = 5
_DATAGRAM_BYTES_MAX = 4096


def answer(query: dns.message.Message, names: Mapping[str, Sequence[str]], turn: int) -> dns.message.Message:
    """The response to a query. `turn`: by how much the addresses are turned."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    if len(query.question) != 1:
        response.set_rcode(dns.rcode.FORMERR)
        return response
    asked = query.question[0]
    name = asked.name.to_text(omit_final_dot=True).lower()
    domains = {each.partition(".")[2] for each in names}
    addresses = names.get(name)
    if addresses is None:
        within = name in domains or name.partition(".")[2] in domains
        response.set_rcode(dns.rcode.NXDOMAIN if within else dns.rcode.REFUSED)
        return response
    there = [each for each in addresses or () if _type_of(each) == asked.rdtype]
    first = turn % len(there) if there else 0
    for address in (*there[first:], *there[:first]):
        # A set of its own for each: those of one set are shuffled, and the same drill would not be the same.
        response.answer.append(dns.rrset.from_text(asked.name, TTL_S, dns.rdataclass.IN, asked.rdtype, address))
    return response


def _type_of(address: str) -> dns.rdatatype.RdataType:
    return dns.rdatatype.AAAA if ":" in address else dns.rdatatype.A


def main(arguments: Sequence[str]) -> None:
    """Answer for ever."""
    address, file = parse_address(arguments[0]), Path(arguments[1])
    names = json.loads(file.read_text())
    turn = 0
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((address.host, address.port))
        while True:
            data, whom = bound.recvfrom(_DATAGRAM_BYTES_MAX)
            try:
                query = dns.message.from_wire(data)
            except dns.exception.DNSException:
                continue
            turn += 1
            bound.sendto(answer(query, names, turn).to_wire(), whom)


if __name__ == "__main__":
    main(sys.argv[1:])
