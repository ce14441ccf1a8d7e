"""The Responses API: whole, streamed, with the helper, with tools, reasoning and citations."""

import json

from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Responses")
NUMBERS = " ".join(str(n) for n in range(1, 31))

whole = client.responses.create(
    model=MODEL, instructions="Be brief.", input="good morning", reasoning={"effort": "low"}
)
assert whole.object == "response" and whole.status == "completed", whole
assert whole.output_text == "You said: good morning", whole
assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens, whole
report.proved("a whole answer, with its usage")

roles = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": "Be kind."},
    {"role": "user", "content": "hello"},
]
answer = client.responses.create(model=MODEL, input=roles)
assert answer.output_text == "You said: hello", answer
report.proved("messages without a type, `system` among them")

events = list(client.responses.create(model=MODEL, input="count to 30", stream=True))
kinds = [event.type for event in events]
assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
assert kinds.count("response.output_text.delta") == 30, kinds
deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
assert deltas == NUMBERS, deltas
numbers = [event.sequence_number for event in events]
assert numbers == sorted(set(numbers)), numbers
report.proved("a stream, its events numbered")

with client.responses.stream(model=MODEL, input="count to 30") as stream:
    done = [event.text for event in stream if event.type == "response.output_text.done"]
    final = stream.get_final_response()
assert done == [NUMBERS], done
assert final.output_text == NUMBERS, final
report.proved("the stream helper")

# A function tool, there and back.
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
question = [{"role": "user", "content": 'call weather {"city": "Paris"}'}]
asked = client.responses.create(model=MODEL, input=question, tools=[TOOL])
[call] = [item for item in asked.output if item.type == "function_call"]
assert json.loads(call.arguments) == {"city": "Paris"}, asked
result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
answer = client.responses.create(
    model=MODEL, input=[*question, *asked.output, result], tools=[TOOL]
)
assert answer.output_text == "The tool answered: 18 degrees", answer
report.proved("a function tool, there and back")

SHELL = {"type": "custom", "name": "shell", "description": "A shell."}
question = [{"role": "user", "content": "call shell echo hi"}]
asked = client.responses.create(model=MODEL, input=question, tools=[SHELL])
[call] = [item for item in asked.output if item.type == "custom_tool_call"]
assert call.input == "echo hi", asked
result = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "hi"}
answer = client.responses.create(
    model=MODEL, input=[*question, *asked.output, result], tools=[SHELL]
)
assert answer.output_text == "The tool answered: hi", answer
report.proved("a custom tool, there and back")

choice = {"type": "function", "name": "weather"}
forced = client.responses.create(model=MODEL, input="hi", tools=[TOOL], tool_choice=choice)
assert forced.output[-1].name == "weather", forced
choice = {"type": "allowed_tools", "mode": "required", "tools": [choice]}
forced = client.responses.create(model=MODEL, input="hi", tools=[TOOL], tool_choice=choice)
assert forced.output[-1].name == "weather", forced
report.proved("`tool_choice`: a named function, allowed_tools")

# Reasoning, and the encrypted form of it that goes back in.
thought = client.responses.create(
    model=MODEL,
    input="think first",
    reasoning={"effort": "medium", "summary": "auto"},
    include=["reasoning.encrypted_content"],
    store=False,
)
reasoning, message = thought.output
assert reasoning.summary[0].text.startswith("**Thinking**"), thought
assert thought.usage.output_tokens_details.reasoning_tokens > 0, thought
report.proved("reasoning with its summary")
assert reasoning.encrypted_content, thought
again = [{"role": "user", "content": "think first"}, reasoning, message, *roles[2:]]
answer = client.responses.create(model=MODEL, input=again, store=False)
assert answer.output_text == "You said: hello", answer
report.proved("encrypted reasoning, sent back")

found = client.responses.create(
    model=MODEL, input="search the web", tools=[{"type": "web_search"}]
)
search, message = found.output
[note] = message.content[0].annotations
assert search.type == "web_search_call" and note.type == "url_citation", found
assert note.url.startswith("https://example.com/"), found
report.proved("web search with citations")

for end in ("content_filter", "max_output_tokens"):
    cut = client.responses.create(model=MODEL, input=f"stop at {end}")
    assert cut.status == "incomplete" and cut.incomplete_details.reason == end, cut
report.proved("incomplete answers, with the reason")

strange = list(client.responses.create(model=MODEL, input="send an unknown event", stream=True))
assert strange[-1].type == "response.completed", strange
report.proved("events of types not known yet")
