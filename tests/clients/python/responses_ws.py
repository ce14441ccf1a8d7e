"""The Responses API over WebSocket: responses_ws.py [COMMAND-BETWEEN-TURNS]."""

import asyncio
import json
import subprocess
import sys

from openai import AsyncOpenAI, OpenAI

import fake
import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def turn(connection, **fields):
    """All events of one response."""
    connection.response.create(model=MODEL, **fields)
    events = []
    for event in connection:
        events.append(event)
        if event.type in ("response.completed", "response.failed", "error"):
            return events
    raise SystemExit("the connection ended")


def said(events):
    assert events[-1].type == "response.completed", events[-1]
    return "".join(e.delta for e in events if e.type == "response.output_text.delta")


if len(sys.argv) > 1:
    with client.responses.connect() as connection:
        assert said(turn(connection, input="one")) == "You said: one"
        subprocess.run(sys.argv[1], shell=True, check=True, stdout=subprocess.DEVNULL)
        assert said(turn(connection, input="two")) == "You said: two"
    raise SystemExit(0)

report.table("Responses over WebSocket")
# Two turns, with what the public API takes; then a tool, there and back.
with client.responses.connect() as connection:
    first = turn(connection, input="good morning", instructions="Be brief.", temperature=0.2)
    assert said(first) == "You said: good morning", first
    assert first[0].type == "response.created", first[0]
    final = first[-1].response
    assert final.output_text == "You said: good morning", final
    report.proved("a turn, its events as they come")
    second = turn(connection, input="count to 30", previous_response_id=final.id, store=False)
    assert said(second) == " ".join(str(n) for n in range(1, 31)), second
    numbers = [event.sequence_number for event in second]
    assert numbers == list(range(len(numbers))), numbers
    report.proved("a second turn by `previous_response_id`, not stored")

    asked = turn(connection, input='call weather {"city": "Paris"}', tools=[TOOL], store=False)
    response = asked[-1].response
    [call] = [item for item in response.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Paris"}, call
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    answered = turn(
        connection, input=[result], tools=[TOOL], store=False, previous_response_id=response.id
    )
    assert said(answered) == "The tool answered: 18 degrees", answered
    report.proved("a function tool, there and back")

    # An error is an event, and the connection goes on.
    body = {"error": {"message": "Too fast.", "type": "requests", "code": "rate_limit_exceeded"}}
    fake.next_call(kind="status", status=429, body=body)
    [error] = turn(connection, input="hello")
    assert error.type == "error" and error.status == 429, error
    assert error.error.code == "rate_limit_exceeded", error
    assert error.error.message == "Too fast.", error
    assert said(turn(connection, input="hello")) == "You said: hello"
    report.proved("an error as an event, after which the connection goes on")
    [error] = turn(connection, input="hello", previous_response_id="resp_unknown", store=False)
    assert error.error.code == "previous_response_not_found", error
    assert said(turn(connection, input="hello")) == "You said: hello"
    report.proved("`previous_response_not_found` for an id that is unknown")

# With compression, which this library leaves off by itself.
options = {"compression": "deflate", "max_size": 1 << 26}
with client.responses.connect(websocket_connection_options=options) as connection:
    agreed = connection._connection.protocol.extensions
    assert [it.name for it in agreed] == ["permessage-deflate"], agreed
    story = "Once upon a time. " * 5000
    for text in ("hello", "hello again"):
        events = turn(connection, input=text, instructions=story)
        assert said(events) == "You said: " + text, events[-1].type
report.proved("compression (`permessage-deflate`)")


async def many():
    """Conversations side by side, each on a connection of its own."""
    client = AsyncOpenAI(max_retries=0)

    async def ask(number):
        async with client.responses.connect() as connection:
            for text in (f"{number} first", f"{number} second"):
                await connection.response.create(model=MODEL, input=text)
                deltas = ""
                async for event in connection:
                    if event.type == "response.output_text.delta":
                        deltas += event.delta
                    if event.type == "response.completed":
                        break
                assert deltas == "You said: " + text, deltas

    await asyncio.gather(*(ask(number) for number in range(10)))


asyncio.run(many())
report.proved("ten connections side by side")
