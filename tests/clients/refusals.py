"""What schemathesis asks of every answer to `openapi.yaml`, whatever it sent: a result, or a refusal with a sentence.

Loaded by SCHEMATHESIS_HOOKS. CONTAINER holds the id of the one container, which the description calls `web.1`.
"""

import os

import schemathesis

# Compat: Docker answers these with 500, and clients look at the sentence. Everything else from 500 on is a finding, but
# for 501, the refusal of what Skep does not have, and 503, the state of the cluster.
DOCKERS_500 = (
    "you must choose at least one stream",
    "ps: ",
    "dial tcp",
    "update out of sequence",
    "constraint expression",
    "constraint expected one operator",
    "could not parse since timestamp",
    "unrecognized rollback option",
    "unsupported registryAuthFrom value",
    "tail value must be a positive integer",
    "negative tail values not supported",
)


@schemathesis.serializer("application/x-tar")
def as_it_is(context, value):
    """An archive is what was made up, whatever that is."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts the container's id in the place of its stand-in, and ends what would go on for ever."""
    if case.path_parameters.get("id") == "web.1":
        case.path_parameters["id"] = os.environ["CONTAINER"]
    path = case.operation.path
    if path == "/events":
        case.query = {**(case.query or {}), "until": "1"}
    if path.endswith("/stats"):
        case.query = {**(case.query or {}), "stream": "false", "one-shot": "true"}
    if path.endswith("/kill"):
        # A signal that ends the container would end the test of everything else about it.
        case.query = {**(case.query or {}), "signal": "SIGWINCH"}


@schemathesis.check
def refused_with_a_sentence(context, response, case):
    status = response.status_code
    if status < 400:
        return
    message = "" if case.method.upper() == "HEAD" else response.json().get("message", "")
    if case.method.upper() != "HEAD":
        assert message.strip(), f"{status} without a message: {response.text!r}"
        assert response.headers["content-type"] == ["application/json"], response.headers
    if status >= 500 and status not in (501, 503):
        assert any(known in message for known in DOCKERS_500), f"{status} {message}"
