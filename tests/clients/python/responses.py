"""The Responses API: whole, streamed, with the helper, and with a function tool."""

import json

from openai import OpenAI

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
NUMBERS = " ".join(str(n) for n in range(1, 31))

whole = client.responses.create(
    model=MODEL, instructions="Be brief.", input="good morning", reasoning={"effort": "low"}
)
assert whole.object == "response" and whole.status == "completed", whole
assert whole.output_text == "You said: good morning", whole
assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens, whole

events = list(client.responses.create(model=MODEL, input="count to 30", stream=True))
kinds = [event.type for event in events]
assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
assert kinds.count("response.output_text.delta") == 30, kinds
deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
assert deltas == NUMBERS, deltas
numbers = [event.sequence_number for event in events]
assert numbers == sorted(set(numbers)), numbers

with client.responses.stream(model=MODEL, input="count to 30") as stream:
    done = [event.text for event in stream if event.type == "response.output_text.done"]
    final = stream.get_final_response()
assert done == [NUMBERS], done
assert final.output_text == NUMBERS, final

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

# A limit of tokens ends the answer, and says so.
cut = client.responses.create(model=MODEL, input="count to 500", max_output_tokens=16)
assert cut.status == "incomplete", cut
assert cut.incomplete_details.reason == "max_output_tokens", cut
assert cut.output_text.startswith("1 2 3") and len(cut.output_text) < 100, cut
events = list(
    client.responses.create(model=MODEL, input="count to 500", max_output_tokens=16, stream=True)
)
assert events[-1].type == "response.incomplete", events[-1]
assert events[-1].response.output_text == cut.output_text, events[-1]
assert [e.text for e in events if e.type == "response.output_text.done"] == [cut.output_text]
