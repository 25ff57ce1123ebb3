"""The process that calls EC2 for an agent: a line of JSON for each call, and one for what came of it.

boto3 is here, and not in the agent: to read its model of EC2 holds an interpreter for 50 ms at a stretch, and to import
it for 40 (measured, in processor time), while an agent has peers to answer.

A request: {"id": 1, "region": "eu-central-1", "endpoint": null, "action": "describe_addresses", "parameters": {…}}. The
action "" makes all ready, and tells the region that boto3 finds where none is given, "" for none. A reply: {"id": 1,
"answer": {…}}, or {"id": 1, "fault": "OTHER", "words": "…"}.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from threading import Lock, Thread
from typing import Any, Final

from lbmesh.drivers.ec2.errors import Ec2Error, refusal
from lbmesh.drivers.ec2.limits import CONNECT_S, READ_S

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Key = tuple[str | None, str | None]


class Clients:
    """boto3's clients, by region and endpoint, each made once."""

    def __init__(self) -> None:
        self._made: dict[Key, Any] = {}
        self._turn: Final = Lock()

    def reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What came of a request."""
        try:
            return {"id": request["id"], "answer": self._answer(request)}
        except Ec2Error as error:
            return {"id": request["id"], "fault": error.fault.name, "words": str(error)}
        except Exception as error:
            words = f"boto3 broke at {request['action']}: {type(error).__name__}: {_first_line(error)}"
            return {"id": request["id"], "fault": "OTHER", "words": words}

    def _answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        region = request["region"] or _own_region()
        if not region:
            return {"region": ""}
        client = self._client((region, request["endpoint"]))
        if action := request["action"]:
            return _ask(client, action, request["parameters"])
        return {"region": region}

    def _client(self, key: Key) -> Any:
        with self._turn:
            if key not in self._made:
                self._made[key] = _client(*key)
            return self._made[key]


def _boto3() -> Any:
    try:
        import boto3
    except ImportError as error:
        raise Ec2Error(f"boto3 cannot be imported ({error}): run /opt/lbmesh/bin/pip install 'lbmesh[ec2]'") from error
    return boto3


def _own_region() -> str:
    """The one that boto3 finds, in the environment or in its files; "" for none."""
    return str(_boto3().session.Session().region_name or "")


def _client(region: str | None, endpoint: str | None) -> Any:
    boto3 = _boto3()
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    options = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": 1})
    try:
        return boto3.session.Session().client("ec2", region_name=region, endpoint_url=endpoint, config=options)
    except (BotoCoreError, ValueError) as error:
        raise Ec2Error(f"boto3 cannot be set up: {error}") from error


def _ask(client: Any, action: str, parameters: Mapping[str, object]) -> Mapping[str, Any]:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        answer: Mapping[str, Any] = getattr(client, action)(**parameters)
    except exceptions.ClientError as error:
        told = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        words = refusal(error.operation_name, str(told.get("Code", "")), str(told.get("Message", "")), status)
        raise words from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise Ec2Error("there are no credentials for EC2: give the instance a role (docs/FRONTS-CLOUD.md)") from error
    except exceptions.CredentialRetrievalError as error:
        raise Ec2Error(f"credentials for EC2 cannot be had: {error}") from error
    except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as error:
        raise Ec2Error(f"EC2 does not answer: {error}") from error
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise Ec2Error(f"EC2 cannot be reached: {error}") from error
    except (exceptions.BotoCoreError, ResponseParserError) as error:
        raise Ec2Error(f"what EC2 answered is no answer: {_first_line(error)}") from error
    return answer


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:160]


def main() -> None:
    """Until the agent closes its end, or is gone. What is under way then is not waited for."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    clients, turn, replies = Clients(), Lock(), sys.stdout.buffer
    sys.stdout = sys.stderr

    def serve(line: bytes) -> None:
        reply = json.dumps(clients.reply(json.loads(line)), default=str).encode() + b"\n"
        with turn:
            replies.write(reply)
            replies.flush()

    for line in sys.stdin.buffer:
        Thread(target=serve, args=(line,), daemon=True).start()
    os._exit(0)


if __name__ == "__main__":
    main()
