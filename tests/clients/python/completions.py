"""The legacy completions of text: whole, streamed, cut, echoed, and what is refused."""

import openai
from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Text completions")

whole = client.completions.create(model=MODEL, prompt="count to 5", max_tokens=100)
assert whole.object == "text_completion" and whole.id.startswith("cmpl"), whole
[choice] = whole.choices
assert (choice.text, choice.finish_reason, choice.index) == ("1 2 3 4 5", "stop", 0), whole
assert choice.logprobs is None, whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
report.proved("a whole answer, with its usage")

chunks = list(
    client.completions.create(
        model=MODEL,
        prompt=["count to 5"],
        max_tokens=100,
        stream=True,
        stream_options={"include_usage": True},
    )
)
*texts, last, counted = chunks
assert "".join(chunk.choices[0].text for chunk in texts) == "1 2 3 4 5", chunks
assert len(texts) == 5, chunks
assert last.choices[0].finish_reason == "stop", chunks
assert counted.choices == [] and counted.usage.total_tokens > 0, chunks
assert len({chunk.id for chunk in chunks}) == 1, chunks
report.proved("a stream, with `stream_options.include_usage`")

stopped = client.completions.create(model=MODEL, prompt="count to 9", stop=[" 4"], max_tokens=50)
assert stopped.choices[0].text == "1 2 3", stopped
assert stopped.choices[0].finish_reason == "stop", stopped
report.proved("`stop`")

cut = client.completions.create(model=MODEL, prompt="count to 99", max_tokens=4)
assert cut.choices[0].finish_reason == "length", cut
assert cut.choices[0].text.startswith("1 2 3") and len(cut.choices[0].text) < 25, cut
report.proved("`max_tokens`")

gap = client.completions.create(model=MODEL, prompt="count to 3\n", suffix="\nend", max_tokens=50)
assert gap.choices[0].text == "1 2 3", gap
report.proved("`suffix`")

echoed = client.completions.create(model=MODEL, prompt="count to 3", echo=True, max_tokens=50)
assert echoed.choices[0].text == "count to 31 2 3", echoed
report.proved("`echo`")

for name, value in {"temperature": 0, "seed": 7, "n": 2, "logprobs": 1}.items():
    create = client.completions.with_raw_response.create
    asked = {"model": MODEL, "prompt": "count to 3", "max_tokens": 50, name: value}
    report.parameter(name, lambda: create(**asked))

try:
    client.completions.create(model="no-such-model", prompt="hello")
except openai.APIStatusError as error:
    assert error.status_code in (400, 404), error
else:
    raise AssertionError("no such model")
report.proved("an error for a model that does not exist")
