"""Function tools: the calls stream out, their results go back in, the answer quotes them."""

import json

from openai import OpenAI

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"


def tool(name, argument):
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
        "additionalProperties": False,
    }
    function = {"name": name, "description": f"The {name}.", "parameters": parameters}
    return {"type": "function", "function": {**function, "strict": True}}


TOOLS = [tool("weather", "city"), tool("clock", "zone")]


def stream(messages):
    return client.chat.completions.create(
        model=MODEL, messages=messages, tools=TOOLS, tool_choice="auto", stream=True
    )


def gather(messages):
    """The calls of a streamed answer, put together as every client does it."""
    calls, pieces, reason = {}, 0, None
    for chunk in stream(messages):
        choice = chunk.choices[0]
        assert not choice.delta.content, chunk
        for delta in choice.delta.tool_calls or []:
            if delta.index not in calls:
                assert delta.id and delta.function.name and delta.type == "function", chunk
                calls[delta.index] = {"id": delta.id, "name": delta.function.name, "json": ""}
            elif delta.function.arguments:
                pieces += 1
            calls[delta.index]["json"] += delta.function.arguments or ""
        reason = choice.finish_reason or reason
    assert reason == "tool_calls", reason
    assert sorted(calls) == list(range(len(calls))), calls
    return list(calls.values()), pieces


def round_trip(question, expected, results):
    messages = [{"role": "user", "content": question}]
    calls, pieces = gather(messages)
    assert [(call["name"], json.loads(call["json"])) for call in calls] == expected, calls
    assert pieces > len(calls), "the arguments did not stream"
    assert len({call["id"] for call in calls}) == len(calls), calls
    function = lambda call: {"name": call["name"], "arguments": call["json"]}
    messages.append(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": call["id"], "type": "function", "function": function(call)}
                for call in calls
            ],
        }
    )
    for call, result in zip(calls, results, strict=True):
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    chunks = list(stream(messages))
    answer = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert answer == f"The tool answered: {'; '.join(results)}", answer
    assert chunks[-1].choices[0].finish_reason == "stop", chunks[-1]


round_trip(
    'call weather {"city": "Reykjavik, Iceland"}',
    [("weather", {"city": "Reykjavik, Iceland"})],
    ["4 degrees, rain"],
)
round_trip(
    'call weather {"city": "Paris"} and call clock {"zone": "Europe/Paris"}',
    [("weather", {"city": "Paris"}), ("clock", {"zone": "Europe/Paris"})],
    ["18 degrees", "noon"],
)

# The same, not streamed, and one call at a time.
whole = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": 'call weather {"city": "Oslo"} call clock {"zone": "CET"}'}],
    tools=TOOLS,
    parallel_tool_calls=False,
)
[call] = whole.choices[0].message.tool_calls
assert json.loads(call.function.arguments) == {"city": "Oslo"}, whole
assert whole.choices[0].finish_reason == "tool_calls", whole
assert whole.choices[0].message.content is None, whole

forced = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": "hello"}],
    tools=TOOLS,
    tool_choice={"type": "function", "function": {"name": "clock"}},
)
[call] = forced.choices[0].message.tool_calls
assert call.function.name == "clock", forced
