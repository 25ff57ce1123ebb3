"""What the instance knows of itself: the instance metadata service, version 2 (a token first), asked once."""

import functools
import os
from urllib.parse import urlsplit

import trio

from lbmesh.drivers.ec2.errors import Ec2Error
from lbmesh.drivers.ec2.limits import METADATA_S

_SERVICE = "http://169.254.169.254"
_TOKEN_S = 60
_ANSWER_MAX = 256


class Metadata:
    """Answers are kept: an instance does not change its region, nor its first interface."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    async def region(self) -> str:
        """Where the instance is. Raises Ec2Error."""
        return await self._ask("the region", "options.region", "placement/region")

    async def interface(self, subnet: str | None) -> str:
        """The id of the first interface, or of the first in this subnet. Raises Ec2Error."""
        what, instead = "this node's interface", "options.interfaces"
        first = await self._ask(what, instead, "mac")
        macs = [first]
        if subnet is not None:
            listed = await self._ask(what, instead, "network/interfaces/macs/")
            macs += [mac for one in listed.split() if (mac := one.rstrip("/")) != first]
        for mac in macs:
            place = f"network/interfaces/macs/{mac}"
            if subnet is None or await self._ask(what, instead, f"{place}/subnet-id") == subnet:
                return await self._ask(what, instead, f"{place}/interface-id")
        raise Ec2Error(f"this instance has no interface in {subnet}: attach one, or write it in {instead}")

    async def _ask(self, what: str, instead: str, path: str) -> str:
        if path not in self._known:
            advice = f"write {what} in {instead}, or let the node reach the metadata"
            try:
                with trio.fail_after(METADATA_S):
                    work = functools.partial(_read, path)
                    self._known[path] = await trio.to_thread.run_sync(work, abandon_on_cancel=True)
            except trio.TooSlowError as error:
                words = f"the instance metadata do not answer within {METADATA_S:g} s: {advice}"
                raise Ec2Error(words) from error
            except (OSError, ValueError) as error:
                why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else error
                raise Ec2Error(f"the instance metadata do not tell {what} ({why}): {advice}") from error
        return self._known[path]


def _read(path: str) -> str:
    """One answer, in a thread. Raises OSError, and ValueError for one that cannot be. The environment's variable is
    boto3's own.
    """
    # Imported here, because hardly any agent needs it.
    from http.client import HTTPConnection, HTTPException

    where = urlsplit(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _SERVICE))
    if where.scheme != "http" or not where.hostname:
        raise ValueError("AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL of http")

    def ask(method: str, path: str, fields: dict[str, str]) -> str:
        connection = HTTPConnection(where.hostname or "", where.port, timeout=METADATA_S)
        try:
            connection.request(method, path, headers=fields)
            with connection.getresponse() as answer:
                text = answer.read(_ANSWER_MAX + 1).decode("ascii").strip()
        except HTTPException as error:
            raise ValueError(f"{path} is no answer of HTTP") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{path} has status {answer.status}")
        if not text or len(text) > _ANSWER_MAX or not all(one.isprintable() or one == "\n" for one in text):
            raise ValueError(f"{path} is no answer")
        return text

    token = ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_S)})
    return ask("GET", f"/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": token})
