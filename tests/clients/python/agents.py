"""Requests as coding agents and the libraries below them write them, with what they add."""

from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("What coding agents send")

HELLO = {"role": "user", "content": "hello"}
CACHED = {"cache_control": {"type": "ephemeral"}}
TOOL = {
    "type": "function",
    "function": {"name": "read", "description": "Reads.", "strict": None, "parameters": {"type": "object", "properties": {}}},
    **CACHED,
}
CALL = {"id": "c1", "index": 0, "type": "function", "function": {"name": "read", "arguments": "{}"}}


def says(text, *messages, **more):
    """The answer to these, whole and streamed."""
    arguments = {"model": MODEL, "messages": list(messages), "tools": [TOOL], **more}
    whole = client.chat.completions.create(**arguments).choices[0].message.content
    stream = client.chat.completions.create(**arguments, stream=True)
    streamed = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert (whole, streamed) == (text, text), (whole, streamed)


def part(text):
    return {"type": "text", "text": text, **CACHED}


def result(content):
    return {"role": "tool", "tool_call_id": "c1", "name": "read", "content": content}


says("You said: hello", {"role": "system", "content": [part("Be brief.")]}, {"role": "user", "content": [part("hello")]})
report.proved("`cache_control` in parts and tools")

extras = {"refusal": None, "audio": None, "function_call": None, "tool_calls": None, "annotations": []}
thoughts = {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text"}]}
says("You said: hello", HELLO, {"role": "assistant", "content": "hi", **extras, **thoughts}, HELLO)
report.proved("an answer sent back with all its fields, known and not")

for content in (None, "", [part("")], [part("Let me see.")], "Let me see."):
    asked = {"role": "assistant", "content": content, "tool_calls": [CALL], **thoughts}
    says("The tool answered: done", HELLO, asked, result([part("done")]))
report.proved("calls beside no text, an empty one, or some")

asked = {"role": "assistant", "tool_calls": [CALL]}
for nothing in ("", []):
    says("The tool answered: ", HELLO, asked, result(nothing))
report.proved("a result that is empty")

says("You said: hello", HELLO, tool_choice=None, functions=None, stop=None, n=None, temperature=None, response_format=None, stream_options=None)
report.proved("parameters that are `null`")
says("You said: hello", HELLO, temperature=0, max_tokens=8192, extra_body={"top_k": 1, "thinking": {"type": "enabled"}})
report.proved("`temperature: 0` and parameters of other providers")
says("You said: hello", HELLO, extra_body={"reasoning": {"effort": "high", "exclude": False}})
report.proved("`reasoning` with its effort")
