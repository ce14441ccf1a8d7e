"""Answers in the form of a schema: the `parse` methods of both APIs."""

from typing import Literal

from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"


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

response = client.responses.parse(model=MODEL, input=question, text_format=Recipe)
check(response.output_parsed)

# The model may refuse; a refusal is not an answer that does not fit.
refused = client.chat.completions.parse(
    model=MODEL,
    messages=[{"role": "user", "content": "refuse to answer"}],
    response_format=Recipe,
)
assert refused.choices[0].message.parsed is None, refused
assert "cannot help" in refused.choices[0].message.refusal, refused
