"""The AWS emulator's process: serves on a free loopback port, says which, ends when its standard input does.

Run by its path, so it imports nothing of this project.
"""

import json
import os
import sys
import threading
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LayerVersion
from moto.awslambda.policy import Policy
from moto.s3.models import FakeKey, S3Backend
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

_add_statement = Policy.add_statement
_get_checksum = S3Response._get_checksum  # noqa: SLF001 (what is mended below)
_complete_multipart_upload = S3Backend.complete_multipart_upload


class _StatementThereError(LambdaClientError):
    code = 409


def _statement_as_aws_keeps_it(policy: Policy, raw: str, qualifier: str | None = None) -> tuple[Any, str]:
    """Keep who may use a layer version in AWS's words, no two statements of one name; moto keeps what it is told."""
    if not isinstance(policy.parent, LayerVersion):
        return _add_statement(policy, raw, qualifier)
    told = json.loads(raw)
    if any(statement["Sid"] == told["StatementId"] for statement in policy.statements):
        raise _StatementThereError("ResourceConflictException", f"The statement id ({told['StatementId']}) exists")
    organization = told.pop("OrganizationId", None)
    if told["Principal"].isdecimal():
        told["Principal"] = f"arn:aws:iam::{told['Principal']}:root"
    statement, revision = _add_statement(policy, json.dumps(told), qualifier)
    if organization:
        # Which moto would take for a statement of its own, were it told with the rest.
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": organization}}
    return statement, revision


def _checksum_that_came(response: S3Response, response_headers: dict[str, Any]) -> tuple[str, str | None]:
    """Keep a checksum of an object for those who ask for it; moto does where the SDK, not the program, has made it."""
    given = response.headers.get("x-amz-checksum-sha256")
    return ("SHA256", given) if given else _get_checksum(response, response_headers)


def _completed_as_aws_tells_it(backend: S3Backend, *arguments: Any) -> FakeKey | None:
    """Tell the checksum of an object in parts with their number, to HEAD as well as to GET."""
    key = _complete_multipart_upload(backend, *arguments)
    if key and key.checksum_type == "COMPOSITE":
        key.checksum_value, key.checksum_type = f"{key.checksum_value}-{key.checksum_parts}", None
    return key


Policy.add_statement = _statement_as_aws_keeps_it  # type: ignore[assignment, method-assign]
S3Response._get_checksum = _checksum_that_came  # type: ignore[assignment, method-assign]  # noqa: SLF001 (as above)
S3Backend.complete_multipart_upload = _completed_as_aws_tells_it  # type: ignore[assignment, method-assign]


def main() -> None:
    """Serve until the other end of standard input is gone, however it went."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(f"port {port}", flush=True)
    watcher = threading.Thread(target=sys.stdin.read)
    watcher.start()
    watcher.join()
    # Requests that are still served hold nothing worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main()
