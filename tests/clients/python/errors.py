"""What goes wrong upstream arrives as the exception that the SDK has for it."""

import json
import os
import urllib.request

import openai

client = openai.OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"


def next_call(**fault):
    """Has the fake fail once."""
    request = urllib.request.Request(os.environ["FAKE_URL"] + "/fake/faults", method="POST")
    urllib.request.urlopen(request, json.dumps(fault).encode()).close()


def caught(stream=False, said="hello"):
    try:
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": said}], stream=stream
        )
        list(answer)
    except openai.APIError as error:
        return error
    raise SystemExit(f"{said!r} did not fail")


KINDS = [
    (400, openai.BadRequestError, "invalid_request_error", "context_length_exceeded", "input"),
    (403, openai.PermissionDeniedError, "invalid_request_error", "unsupported_region", None),
    (404, openai.NotFoundError, "invalid_request_error", "model_not_found", "model"),
    (429, openai.RateLimitError, "requests", "rate_limit_exceeded", None),
    (500, openai.InternalServerError, "server_error", "server_error", None),
    (503, openai.InternalServerError, "server_error", "server_is_overloaded", None),
]
for stream in (False, True):
    for status, kind, type_, code, param in KINDS:
        message = f"What happened was a {status}."
        body = {"error": {"message": message, "type": type_, "code": code, "param": param}}
        next_call(kind="status", status=status, body=body)
        error = caught(stream)
        assert type(error) is kind and error.status_code == status, (status, error)
        found = (error.type, error.code, error.param, error.body["message"])
        assert found == (type_, code, param, message), (status, found)

    next_call(kind="rate_limit_exceeded", retry_after_seconds=7)
    error = caught(stream)
    assert type(error) is openai.RateLimitError and error.code == "rate_limit_exceeded", error
    assert error.response.headers["retry-after"] == "7", error.response.headers

    next_call(kind="usage_limit_reached", plan_type="plus", resets_in_seconds=60)
    error = caught(stream)
    assert type(error) is openai.RateLimitError, error
    assert error.body["type"] == "usage_limit_reached" and error.body["resets_at"] > 0, error.body

# A message that no upstream would take is the client's own mistake.
try:
    client.chat.completions.create(model=MODEL, messages=[{"role": "wizard", "content": "x"}])
    raise SystemExit("a role that does not exist was accepted")
except openai.BadRequestError as error:
    assert error.param == "messages[0].role", error.body

# After the first chunk an error can only be an event of the stream; it is never a clean end.
error = caught(stream=True, said="fail with server_error")
assert not isinstance(error, openai.APIStatusError), error
assert "The prompt asked for it." in error.message, error.message

# And the next call is served.
answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
assert answer.choices[0].message.content == "You said: hi", answer
