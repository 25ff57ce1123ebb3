"""EC2's API: boto3 in threads, each call with a deadline and at the pace that EC2 allows.

boto3 is an extra (lbmesh[ec2]), and is imported by who has such a front only.
"""

import functools
import random
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Protocol

import structlog
import trio

from lbmesh.drivers.ec2.errors import Ec2Error, Fault, refusal
from lbmesh.drivers.ec2.limits import CALL_S, CALLS_MAX, CONNECT_S, READ_S, START_S
from lbmesh.drivers.ec2.pace import Pace

log = structlog.get_logger(__name__)

Answer = Mapping[str, Any]
"""As boto3 gives it, {"Addresses": [{…}]}."""


class Call(Protocol):
    """One of a client's methods."""

    def __call__(self, **parameters: object) -> Answer:
        """Ask, and wait for the answer. Raises what boto3 raises."""


class Client(Protocol):
    """What is used of boto3's client for EC2."""

    describe_addresses: Call
    describe_network_interfaces: Call
    describe_subnets: Call
    describe_route_tables: Call
    associate_address: Call
    disassociate_address: Call
    assign_private_ip_addresses: Call
    unassign_private_ip_addresses: Call
    assign_ipv6_addresses: Call
    unassign_ipv6_addresses: Call
    create_route: Call
    replace_route: Call
    create_tags: Call


class Api:
    """EC2 of one region. `region` and `endpoint`: None for what boto3 finds, or the instance metadata say."""

    def __init__(self, region: str | None, endpoint: str | None, own_region: Callable[[], Any]) -> None:
        self._region = region
        self._endpoint = endpoint
        self._own_region = own_region
        self._client: Client | None = None
        self._limiter = trio.CapacityLimiter(CALLS_MAX)
        self._pace = Pace(monotonic())
        self._turn = trio.Lock()

    async def call(self, which: Callable[[Client], Call], reserve: float = 0.0, /, **parameters: object) -> Answer:
        """What EC2 answers. Raises Ec2Error. `reserve`: as in Pace."""
        client = self._client or await self._start()
        await self._wait(reserve)
        call = which(client)
        try:
            answer: Answer = await self._in_thread(CALL_S, functools.partial(_ask, call, parameters))
        except Ec2Error as error:
            if error.fault is Fault.THROTTLED:
                self._pace.refused(monotonic(), random.random())
            raise
        self._pace.answered()
        return answer

    async def _wait(self, reserve: float) -> None:
        wait_s = self._pace.wait_s(monotonic(), reserve)
        while wait_s > 0:
            await trio.sleep(wait_s)
            wait_s = self._pace.wait_s(monotonic(), reserve)

    async def _start(self) -> Client:
        """A client, made once."""
        async with self._turn:
            if self._client is None:
                region = self._region
                if region is None and not await self._in_thread(START_S, _knows_region):
                    region = await self._own_region()
                self._client = await self._in_thread(START_S, functools.partial(_client, region, self._endpoint))
            return self._client

    async def _in_thread(self, within_s: float, work: Callable[[], Any]) -> Any:
        """Whatever hangs there, the agent goes on."""
        with trio.move_on_after(within_s):
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
        raise Ec2Error(f"EC2 has not answered for {within_s:g} s" + self._stuck())

    def _stuck(self) -> str:
        busy = self._limiter.borrowed_tokens
        return f", and neither on {busy - 1} other calls" if busy > 1 else ""


def _boto3() -> Any:
    try:
        import boto3
    except ImportError as error:
        raise Ec2Error(
            f"boto3 cannot be imported ({error}): /opt/lbmesh/bin/pip install 'lbmesh[ec2]', then restart lbmesh"
        ) from error
    return boto3


def _knows_region() -> bool:
    """Does boto3 find a region, in the environment or in its files?"""
    return bool(_boto3().session.Session().region_name)


def _client(region: str | None, endpoint: str | None) -> Client:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    options = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": 1})
    try:
        client: Client = (
            _boto3().session.Session().client("ec2", region_name=region, endpoint_url=endpoint, config=options)
        )
    except (BotoCoreError, ValueError) as error:
        raise Ec2Error(f"boto3 cannot be set up: {error}") from error
    return client


def _ask(call: Call, parameters: Mapping[str, object]) -> Answer:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        return call(**parameters)
    except exceptions.ClientError as error:
        told = error.response.get("Error", {})
        raise refusal(error.operation_name, str(told.get("Code", "")), str(told.get("Message", ""))) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise Ec2Error("there are no credentials for EC2: give the instance a role (docs/FRONTS-CLOUD.md)") from error
    except exceptions.CredentialRetrievalError as error:
        raise Ec2Error(f"credentials for EC2 cannot be had: {error}") from error
    except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as error:
        raise Ec2Error(f"EC2 does not answer: {error}") from error
    except exceptions.HTTPClientError as error:
        raise Ec2Error(f"EC2 cannot be reached: {error}") from error
    except (exceptions.BotoCoreError, ResponseParserError) as error:
        raise Ec2Error(f"what EC2 answered is no answer: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:160]
