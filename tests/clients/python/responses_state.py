"""Answers that are kept: going on from one, retrieving, deleting, listing what it was given."""

import json

import openai
from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Responses that are kept")


def texts(items):
    return [item.content[0].text for item in items if item.type == "message"]


first = client.responses.create(model=MODEL, instructions="Be brief.", input="good morning")
assert first.store is not False, first
second = client.responses.create(model=MODEL, input="and again", previous_response_id=first.id)
assert second.output_text == "You said: and again", second
assert second.previous_response_id == first.id, second
assert second.usage.input_tokens > 0 and second.instructions in (None, ""), second
report.proved("going on by `previous_response_id`")

# The same as a stream, with the helper.
with client.responses.stream(
    model=MODEL, input="a third time", previous_response_id=second.id
) as stream:
    third = stream.get_final_response()
assert third.output_text == "You said: a third time", third
assert third.previous_response_id == second.id, third
report.proved("going on by `previous_response_id`, streamed")

kept = client.responses.retrieve(second.id)
assert kept.id == second.id and kept.output_text == second.output_text, kept
assert kept.status == "completed" and kept.usage == second.usage, kept
assert client.responses.retrieve(third.id).output_text == third.output_text
report.proved("`retrieve`")

# What it was given, with what was said before: the newest first, in pages.
said = ["good morning", "You said: good morning", "and again"]
listed = client.responses.input_items.list(second.id)
assert texts(listed.data) == said[::-1], listed
assert listed.data[0].role == "user" and listed.data[0].id, listed
paged = list(client.responses.input_items.list(second.id, order="asc", limit=1))
assert texts(paged) == said, paged
assert len({item.id for item in paged}) == 3, paged
report.proved("`input_items.list`, in pages")

# A function tool: the call is known by the id of the answer.
TOOL = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
asked = client.responses.create(
    model=MODEL, input='think first, call weather {"city": "Paris"}', tools=[TOOL]
)
[call] = [item for item in asked.output if item.type == "function_call"]
assert json.loads(call.arguments) == {"city": "Paris"}, asked
result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
answer = client.responses.create(
    model=MODEL, input=[result], tools=[TOOL], previous_response_id=asked.id
)
assert answer.output_text == "The tool answered: 18 degrees", answer
report.proved("the result of a tool alone, after a call with reasoning")

# Only what is made in the background can be cancelled.
try:
    client.responses.cancel(first.id)
except openai.BadRequestError:
    pass
else:
    raise AssertionError("cancelled")
report.proved("`cancel` refused: only what runs in the background can be")


def is_gone(gone):
    """Fails unless this is no answer to retrieve, nor one to go on from."""
    try:
        client.responses.retrieve(gone)
    except openai.NotFoundError as error:
        assert error.type == "invalid_request_error", error.body
    else:
        raise AssertionError(gone)
    try:
        client.responses.create(model=MODEL, input="go on", previous_response_id=gone)
    except openai.BadRequestError as error:
        assert error.code == "previous_response_not_found", error.body
        assert error.param == "previous_response_id", error.body
    else:
        raise AssertionError(gone)


is_gone("resp_unknown")
report.proved("errors for an id that is unknown")
client.responses.delete(first.id)
is_gone(first.id)
# What came after a deleted answer is still there.
assert client.responses.retrieve(second.id).id == second.id
report.proved("`delete`, which leaves the answers after it")
unstored = client.responses.create(model=MODEL, input="forget this", store=False)
assert unstored.store is False, unstored
is_gone(unstored.id)
report.proved("`store: false`")
