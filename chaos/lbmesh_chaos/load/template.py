"""How a service that is not the lab's is asked, and what its answers tell. Pure.

The lab's replica makes each body from the request's id and writes down what it carried out. Of any other service the
client knows that an answer was good and whole, and what the origin says in fields of its own.
"""

import re
from dataclasses import dataclass

from lbmesh_chaos.model.flow import Method

ID_MARK = "{id}"
"""In a target or a body: the request's own id."""
USER_AGENT = "lbmesh-drill"
"""By which the owner of the service finds these requests in the logs."""
TOLD_MAX = 255
_COUNT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """`get`, `post`, `keyed_post`: the targets that are asked for by each method, with their query; "": never so.

    `echo_header`: the field in which answers give back the id that came in `ID_HEADER`; `count_header`: that in which
    they say how often it had been carried out by then. "": they do not.
    """

    get: str
    post: str = ""
    keyed_post: str = ""
    body: str = ID_MARK
    content_type: str = "text/plain"
    echo_header: str = ""
    count_header: str = ""

    def target(self, method: Method) -> str:
        """As the template has it; "": nothing is asked so."""
        match method:
            case Method.GET:
                return self.get
            case Method.POST:
                return self.post
            case Method.KEYED_POST:
                return self.keyed_post


def filled(text: str, identity: str) -> str:
    """With the request's id put in."""
    return text.replace(ID_MARK, identity)


def told_times(count: str) -> int:
    """How often, by a field's value; 0 when that is no count. At most TOLD_MAX."""
    return min(int(count), TOLD_MAX) if _COUNT.fullmatch(count) else 0
