"""Function tools: the calls stream out, their results go back in, the answer quotes them."""

import json

from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Tools of chat completions")


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
report.proved("a call and its result, streamed")
report.proved("arguments in pieces, as they come")
round_trip(
    'call weather {"city": "Paris"} and call clock {"zone": "Europe/Paris"}',
    [("weather", {"city": "Paris"}), ("clock", {"zone": "Europe/Paris"})],
    ["18 degrees", "noon"],
)
report.proved("calls in parallel")



def whole(prompt, tools=TOOLS, **more):
    messages = [{"role": "user", "content": prompt}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=tools, **more)
    return answer.choices[0]


TWO = 'call weather {"city": "Oslo"} call clock {"zone": "CET"}'
one = whole(TWO, parallel_tool_calls=False)
[call] = one.message.tool_calls
assert json.loads(call.function.arguments) == {"city": "Oslo"}, one
assert one.finish_reason == "tool_calls" and one.message.content is None, one
report.proved("a whole answer with a call")
report.proved("`parallel_tool_calls: false`")


def chosen(prompt, choice, tools=TOOLS):
    calls = whole(prompt, tools, tool_choice=choice).message.tool_calls or []
    return [getattr(call, call.type).name for call in calls]


NAMED = {"type": "function", "function": {"name": "clock"}}
assert chosen(TWO, "auto") == ["weather", "clock"]
assert chosen(TWO, "none") == []
assert chosen("hello", "required") == ["weather"]
assert chosen("hello", NAMED) == ["clock"]
report.proved("`tool_choice`: auto, none, required, a named function")
subset = {"mode": "required", "tools": [NAMED]}
assert chosen("hello", {"type": "allowed_tools", "allowed_tools": subset}) == ["clock"]
report.proved("`tool_choice`: allowed_tools")

# A result may be a list of parts.
asked = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
answer = client.chat.completions.create(
    model=MODEL,
    tools=TOOLS,
    messages=[
        {"role": "user", "content": "what time is it"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "noon"}]},
    ],
)
assert answer.choices[0].message.content == "The tool answered: noon", answer
report.proved("text beside a call, a result in parts")

# The helper for streams tells of arguments too.
with client.chat.completions.stream(
    model=MODEL, messages=[{"role": "user", "content": 'call weather {"city": "Rome"}'}], tools=TOOLS
) as stream_helper:
    events = list(stream_helper)
[done] = [e for e in events if e.type == "tool_calls.function.arguments.done"]
assert done.name == "weather" and done.parsed_arguments == {"city": "Rome"}, done
report.proved("the stream helper, with parsed arguments")

# Custom tools take text.
CUSTOM = [{"type": "custom", "custom": {"name": "shell", "description": "A shell."}}]
[call] = whole("call shell echo hi", CUSTOM).message.tool_calls
assert (call.type, call.custom.name, call.custom.input) == ("custom", "shell", "echo hi"), call
assert chosen("hello", {"type": "custom", "custom": {"name": "shell"}}, CUSTOM) == ["shell"]
back = [
    {"role": "user", "content": "call shell echo hi"},
    {"role": "assistant", "tool_calls": [call.model_dump()]},
    {"role": "tool", "tool_call_id": call.id, "content": "hi"},
]
answer = client.chat.completions.create(model=MODEL, messages=back, tools=CUSTOM)
assert answer.choices[0].message.content == "The tool answered: hi", answer
report.proved("custom tools, there and back")

# The legacy form: one function, without an id.
FUNCTIONS = [tool("weather", "city")["function"], tool("clock", "zone")["function"]]


def legacy(*messages, **more):
    return client.chat.completions.create(
        model=MODEL, messages=list(messages), functions=FUNCTIONS, **more
    )


question = {"role": "user", "content": 'call weather {"city": "Oslo"}'}
asked = legacy(question).choices[0]
assert asked.finish_reason == "function_call" and asked.message.tool_calls is None, asked
assert json.loads(asked.message.function_call.arguments) == {"city": "Oslo"}, asked
*chunks, last = legacy(question, stream=True)
pieces = [chunk.choices[0].delta.function_call for chunk in chunks]
pieces = [piece for piece in pieces if piece]
assert pieces[0].name == "weather" and last.choices[0].finish_reason == "function_call", last
assert json.loads("".join(piece.arguments or "" for piece in pieces)) == {"city": "Oslo"}, pieces
result = {"role": "function", "name": "weather", "content": "rain"}
answer = legacy(question, asked.message.model_dump(exclude_none=True), result)
assert answer.choices[0].message.content == "The tool answered: rain", answer
hello = {"role": "user", "content": "hello"}
forced = legacy(hello, function_call={"name": "clock"}).choices[0].message
assert forced.function_call.name == "clock", forced
assert legacy(question, function_call="none").choices[0].message.function_call is None
report.proved("legacy `functions` and `function_call`")
