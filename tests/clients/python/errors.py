"""What goes wrong upstream arrives as the exception that the SDK has for it."""

import time

import openai

import fake
import report

client = openai.OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
HELLO = [{"role": "user", "content": "hello"}]
report.table("Errors")


def chat(stream=False, said="hello", client=client):
    messages = [{"role": "user", "content": said}]
    return list(client.chat.completions.create(model=MODEL, messages=messages, stream=stream))


def responses(stream=False, said="hello", client=client):
    return list(client.responses.create(model=MODEL, input=said, stream=stream))


def caught(call, **arguments):
    try:
        call(**arguments)
    except openai.APIError as error:
        return error
    raise SystemExit(f"{call.__name__} {arguments} did not fail")


KINDS = [
    (400, openai.BadRequestError, "invalid_request_error", "context_length_exceeded", "input"),
    (403, openai.PermissionDeniedError, "invalid_request_error", "unsupported_region", None),
    (404, openai.NotFoundError, "invalid_request_error", "model_not_found", "model"),
    (409, openai.ConflictError, "invalid_request_error", "conflict", None),
    (422, openai.UnprocessableEntityError, "invalid_request_error", "bad_value", "input"),
    (429, openai.RateLimitError, "requests", "rate_limit_exceeded", None),
    (500, openai.InternalServerError, "server_error", "server_error", None),
    (503, openai.InternalServerError, "server_error", "server_is_overloaded", None),
]
WAYS = [(call, stream) for call in (chat, responses) for stream in (False, True)]
for status, kind, type_, code, param in KINDS:
    for call, stream in WAYS:
        message = f"What happened was a {status}."
        body = {"error": {"message": message, "type": type_, "code": code, "param": param}}
        fake.next_call(kind="status", status=status, body=body)
        error = caught(call, stream=stream)
        assert type(error) is kind and error.status_code == status, (status, error)
        found = (error.type, error.code, error.param, error.body["message"])
        assert found == (type_, code, param, message), (status, found)
    report.proved(f"{status} as `{kind.__name__}`, with type, code and param")

for call, stream in WAYS:
    fake.next_call(kind="rate_limit_exceeded", retry_after_seconds=7)
    error = caught(call, stream=stream)
    assert type(error) is openai.RateLimitError and error.code == "rate_limit_exceeded", error
    assert error.response.headers["retry-after"] == "7", error.response.headers
report.proved("`Retry-After`")

for call, stream in WAYS:
    fake.next_call(kind="usage_limit_reached", plan_type="plus", resets_in_seconds=60)
    error = caught(call, stream=stream)
    assert type(error) is openai.RateLimitError, error
    assert error.body["type"] == "usage_limit_reached" and error.body["resets_at"] > 0, error.body
report.proved("a plan's limit, with the time of its reset")

# The SDK tries again by itself, as often as it is told to.
patient = openai.OpenAI(max_retries=2)
for fault in ({"kind": "rate_limit_exceeded", "retry_after_seconds": 0}, {"kind": "status", "status": 500}):
    fake.next_call(**fault)
    assert chat(client=patient), fault
report.proved("`max_retries` after 429 and 500")

# A message that no upstream would take is the client's own mistake.
for wrong in ({"role": "wizard", "content": "x"}, {"content": "y"}):
    try:
        client.chat.completions.create(model=MODEL, messages=[*HELLO, wrong])
        raise SystemExit(f"{wrong} was accepted")
    except openai.BadRequestError as error:
        assert error.param.startswith("messages[1]"), error.body
report.proved("`BadRequestError` that names the message")

# Before the first chunk an error is an answer like any other, streamed or not.
for stream in (False, True):
    error = caught(chat, stream=stream, said="fail at once with rate_limit_exceeded")
    assert type(error) is openai.RateLimitError and error.code == "rate_limit_exceeded", error
report.proved("chat: a stream that fails before any text has the status of the failure")

# After the first chunk an error can only be an event of the stream; it is never a clean end.
error = caught(chat, stream=True, said="fail with server_error")
assert not isinstance(error, openai.APIStatusError), error
assert "The prompt asked for it." in error.message, error.message
*_, last = responses(stream=True, said="fail with server_error")
assert last.type == "response.failed" and last.response.error.code == "server_error", last
report.proved("a failure in the middle of a stream")


for call in (chat, responses):
    fake.next_call(kind="cut_after", events=4)
    try:
        *_, last = call(stream=True)
    except openai.APIError:
        continue
    assert getattr(last, "type", "") == "error", f"a cut stream of {call.__name__} ended cleanly: {last}"
report.proved("a stream that is cut is an error")

begun = time.monotonic()
fake.next_call(kind="slow_head", milliseconds=3000)
error = caught(chat, client=openai.OpenAI(max_retries=0, timeout=0.2))
assert type(error) is openai.APITimeoutError and time.monotonic() - begun < 2, error
report.proved("the client's own timeout")

# And the next call is served.
assert chat() and responses()
