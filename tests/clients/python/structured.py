"""Answers in the form of a schema: the `parse` methods and stream helpers of both APIs."""

import json
from typing import Literal

from openai import OpenAI
from pydantic import BaseModel

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Structured answers")


class Step(BaseModel):
    explanation: str
    minutes: int


class Recipe(BaseModel):
    title: str
    difficulty: Literal["easy", "hard"]
    steps: list[Step]
    note: str | None


def check(recipe):
    assert isinstance(recipe, Recipe), recipe
    assert recipe.difficulty == "easy" and isinstance(recipe.steps[0], Step), recipe


question = [{"role": "user", "content": "a recipe for soup, please"}]
chat = client.chat.completions.parse(model=MODEL, messages=question, response_format=Recipe)
check(chat.choices[0].message.parsed)
report.proved("chat: `parse`")
with client.chat.completions.stream(
    model=MODEL, messages=question, response_format=Recipe
) as stream:
    [done] = [event for event in stream if event.type == "content.done"]
check(done.parsed)
report.proved("chat: the stream helper, parsed")

response = client.responses.parse(model=MODEL, input=question, text_format=Recipe)
check(response.output_parsed)
report.proved("Responses: `parse`")
with client.responses.stream(model=MODEL, input=question, text_format=Recipe) as stream:
    check(stream.get_final_response().output_parsed)
report.proved("Responses: the stream helper, parsed")

wanted = [{"role": "user", "content": "a soup, as JSON with 'title' and 'minutes'"}]
plain = client.chat.completions.create(
    model=MODEL, messages=wanted, response_format={"type": "json_object"}
)
assert set(json.loads(plain.choices[0].message.content)) == {"title", "minutes"}, plain
report.proved("chat: `json_object`")
plain = client.responses.create(
    model=MODEL, input=wanted, text={"format": {"type": "json_object"}}
)
assert set(json.loads(plain.output_text)) == {"title", "minutes"}, plain
report.proved("Responses: `json_object`")

# The model may refuse; a refusal is not an answer that does not fit.
refused = client.chat.completions.parse(
    model=MODEL,
    messages=[{"role": "user", "content": "refuse to answer"}],
    response_format=Recipe,
)
assert refused.choices[0].message.parsed is None, refused
assert "cannot help" in refused.choices[0].message.refusal, refused
report.proved("chat: a refusal instead")
refused = client.responses.parse(model=MODEL, input="refuse to answer", text_format=Recipe)
assert refused.output_parsed is None, refused
[part] = refused.output[0].content
assert part.type == "refusal" and "cannot help" in part.refusal, refused
report.proved("Responses: a refusal instead")
