"""The vocabulary of faults as functions, which is what the Chaos Toolkit wants; it validates their signatures."""

import inspect
from collections.abc import Callable
from typing import Any

from lbmesh_chaos.faults.vocabulary import COMMON, VOCABULARY
from lbmesh_chaos.toolkit import session

Action = Callable[..., dict[str, Any]]


def fault_action(name: str, module: str) -> Action:
    """The action that does a fault of the vocabulary."""
    word = VOCABULARY[name]

    def action(**arguments: Any) -> dict[str, Any]:
        given = {key: value for key, value in arguments.items() if value is not None}
        order = session.current().apply(name, given)
        return {"label": order.label, "at_most_s": order.at_most_s}

    keys = {**word.keys, **COMMON}
    required = [key for key, spec in keys.items() if spec.required]
    optional = [key for key, spec in keys.items() if not spec.required]
    by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD
    action.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(inspect.Parameter(key, by_name) for key in required),
            *(inspect.Parameter(key, by_name, default=None) for key in optional),
        ],
        return_annotation=dict,
    )
    action.__name__ = action.__qualname__ = name
    action.__module__ = module
    action.__doc__ = inspect.getdoc(word.makes)
    return action
