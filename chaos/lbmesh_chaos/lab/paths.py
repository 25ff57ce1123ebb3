"""Where things are inside a lab: on a tmpfs over /run that no other process of the machine sees."""

from pathlib import Path

RUN = Path("/run")
RUN_SIZE = "1g"
LAB = RUN / "lab"
NETWORKS = RUN / "netns"
"""A file for each host's network namespace, as `ip netns` has them."""
NAMESPACES = LAB / "ns"
"""A host's mount and UTS namespaces: HOST.mnt, HOST.uts; links to the descriptors that the lab's first process has."""
ENTERING = "nsenter"
LOG = LAB / "lab.log"
EVENTS = LAB / "events.jsonl"
WORLD = LAB / "world.toml"
STATE_SIZE = "16m"
"""Of each host's state directory, which is a tmpfs of its own: a full disk is one host's."""


def host_dir(host: str) -> Path:
    """All of a host's files."""
    return LAB / "hosts" / host


def etc(host: str) -> Path:
    """A host's configuration: what lies over its /etc, and its programs' own."""
    return host_dir(host) / "etc"


def state(host: str) -> Path:
    """What a host's programs keep; STATE_SIZE at most."""
    return host_dir(host) / "state"


def log(host: str, program: str) -> Path:
    """What a program prints."""
    return host_dir(host) / "log" / f"{program}.log"


def requests(host: str) -> Path:
    """Where a replica's origin writes down what it was asked: not in `state`, as it must outlive a full disk."""
    return host_dir(host) / "log" / "requests.log"


def behaviour(host: str) -> Path:
    """What has a host's program ail while it is there."""
    return state(host) / "behaviour.json"


def filler(host: str) -> Path:
    """What fills a host's disk while it is there."""
    return state(host) / "filler"


def balancer_config(host: str) -> Path:
    """What `lbmesh run -c` reads."""
    return etc(host) / "lbmesh.toml"


def names(host: str) -> Path:
    """What a resolver answers with."""
    return etc(host) / "names.json"


def network(host: str) -> Path:
    """A host's network namespace."""
    return NETWORKS / host


def entering(host: str) -> list[str]:
    """The command line that has what follows run in a host: in its three namespaces."""
    spaces = NAMESPACES / host
    return [ENTERING, f"--net={network(host)}", f"--uts={spaces}.uts", f"--mount={spaces}.mnt", "--"]


def good(file: Path) -> Path:
    """The copy of a configuration file that no fault touches."""
    return file.with_name(f"{file.name}.good")


def clock(host: str) -> Path:
    """What libfaketime reads: the offset of a host's wall clock."""
    return etc(host) / "clock"
