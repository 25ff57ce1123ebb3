"""The actions: each fault of the vocabulary by its name, and what takes them back.

- type: action
  name: the power of a balancer fails
  provider:
    type: python
    module: lbmesh_chaos.toolkit.actions
    func: kill
    arguments: {targets: [lb-a1], silent: true, at_most: 30s, label: power-cut}
"""

from lbmesh_chaos.faults.vocabulary import VOCABULARY
from lbmesh_chaos.toolkit import rolling, session
from lbmesh_chaos.toolkit.activities import fault_action

globals().update({name: fault_action(name, __name__) for name in VOCABULARY})


def heal(label: str) -> list[str]:
    """Undo the fault of this label; what it left behind."""
    return list(session.current().heal(label))


def heal_all() -> list[str]:
    """Undo every fault that stands, the newest first; what they left behind."""
    return list(session.current().heal_all())


def rolling_restart(targets: list[str], grace: str = "30s", whole_within: str = "20s") -> list[str]:
    """Stop and start hosts one by one (SIGTERM); each next one when all balancers see the mesh whole again."""
    return rolling.restart(session.current(), targets, grace, whole_within)


def rolling_reload(targets: list[str], whole_within: str = "20s") -> list[str]:
    """Have balancers read their configuration again (SIGHUP), one by one."""
    return rolling.reload(session.current(), targets, whole_within)


__all__ = [*VOCABULARY, "heal", "heal_all", "rolling_reload", "rolling_restart"]
