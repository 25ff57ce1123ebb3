"""The control: opens the lab before an experiment, having checked all of it, and heals everything afterwards.

    controls:
      - name: lbmesh
        provider: {type: python, module: lbmesh_chaos.toolkit.control}

With `chaos run`, the lab is one that is up already: that of LBMESH_LAB, or with the world's name. The faults stand as
long as this process holds its connection, so that its death heals them, too. `lbmesh drill` has opened a lab itself,
and then there is nothing to do here.
"""

import logging
import os
from typing import Any

from chaoslib.exceptions import InterruptExecution

from lbmesh_chaos.lab.verbs import LAB_VARIABLE
from lbmesh_chaos.toolkit import session
from lbmesh_chaos.toolkit.check import check
from lbmesh_chaos.toolkit.extension import read_extension
from lbmesh_chaos.toolkit.lab_target import LabTarget
from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError

log = logging.getLogger("chaostoolkit")

_ours: list[LabTarget] = []
"""What this control opened, and closes."""


def before_experiment_control(context: dict[str, Any], **_: Any) -> None:
    """Check the experiment against the lab's world. Raises InterruptExecution, with all that is wrong."""
    if session.is_open():
        return
    extension = read_extension(context)
    if isinstance(extension, tuple):
        raise InterruptExecution("\n".join(extension))
    try:
        target = LabTarget(extension.lab or os.environ.get(LAB_VARIABLE) or extension.world)
    except RefusedError as error:
        raise InterruptExecution(str(error)) from error
    wrong = check(context, target.world)
    if wrong:
        target.close()
        raise InterruptExecution("\n".join(wrong))
    _ours.append(target)
    session.opened(Session(target))


def after_experiment_control(**_: Any) -> None:
    """Heal what stands, whatever the experiment's rollbacks did."""
    if not _ours:
        return
    try:
        for line in session.current().heal_all():
            log.warning(line)
    except RefusedError as error:
        log.warning(str(error))
    finally:
        _ours.pop().close()
        session.forgotten()
