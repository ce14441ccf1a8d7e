"""Chat completions: messages of every kind, whole answers, streams, and what comes with them."""

from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Chat completions")


def ask(*messages, **more):
    messages = [m if isinstance(m, dict) else {"role": "user", "content": m} for m in messages]
    return client.chat.completions.create(model=MODEL, messages=messages, **more)


# This is the first call: the harness looks at the order in which its rules arrive.
whole = ask(
    {"role": "system", "content": "First rule: be brief."},
    {"role": "system", "content": "Second rule: be kind."},
    "good morning",
    {"role": "assistant", "content": "Good morning."},
    {"role": "developer", "content": "Third rule: be honest."},
    {"role": "user", "name": "ada", "content": [{"type": "text", "text": "how are you"}]},
)
assert whole.object == "chat.completion" and whole.model == MODEL, whole
choice = whole.choices[0]
assert choice.message.role == "assistant", whole
assert choice.message.content == "You said: how are you", whole
assert choice.finish_reason == "stop" and not choice.message.tool_calls, whole
report.proved("several system and developer messages, anywhere")
report.proved("messages with a `name`, content in parts")
usage = whole.usage
assert usage.prompt_tokens > 0 and usage.completion_tokens == 5, whole
assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, whole
assert usage.prompt_tokens_details.cached_tokens == 0, whole
report.proved("a whole answer, with its usage")

refused_before = {"role": "assistant", "content": None, "refusal": "I would rather not."}
assert ask("first", refused_before, "second").choices[0].message.content == "You said: second"
refusal = ask("refuse to answer").choices[0].message
assert refusal.content is None and "cannot help" in refusal.refusal, refusal
report.proved("refusals, in both directions")

for reason, prompt, more in [
    ("stop", "hello", {}),
    ("length", "count to 100", {"max_completion_tokens": 5}),
    ("content_filter", "stop at content_filter", {}),
]:
    answer = ask(prompt, **more).choices[0]
    assert answer.finish_reason == reason, answer
    *_, last = ask(prompt, stream=True, **more)
    assert last.choices[0].finish_reason == reason, last
    report.proved(f"`finish_reason` {reason}")

chunks = list(ask("count to 30", stream=True, stream_options={"include_usage": True}))
*said, last = chunks
text = "".join(chunk.choices[0].delta.content or "" for chunk in said)
assert text == " ".join(str(n) for n in range(1, 31)), text
assert said[0].choices[0].delta.role == "assistant", said[0]
reasons = [chunk.choices[0].finish_reason for chunk in said]
assert reasons[-1] == "stop" and not any(reasons[:-1]), reasons
assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1, chunks
report.proved("a stream")
assert last.choices == [] and last.usage.completion_tokens == 30, last
assert not any(chunk.usage for chunk in said), said
for chunk in ask("hi", stream=True):
    assert len(chunk.choices) == 1 and chunk.usage is None, chunk
report.proved("`stream_options.include_usage`, and none without it")

with client.chat.completions.stream(
    model=MODEL, messages=[{"role": "user", "content": "count to 30"}]
) as stream:
    events = list(stream)
deltas = [event.delta for event in events if event.type == "content.delta"]
done = [event.content for event in events if event.type == "content.done"]
assert "".join(deltas) == text and done == [text], events
assert stream.get_final_completion().choices[0].message.content == text
report.proved("the stream helper")

thought = ask("think first").choices[0].message
streamed = [chunk.choices[0].delta for chunk in ask("think first", stream=True)]
streamed = "".join(getattr(delta, "reasoning_content", None) or "" for delta in streamed)
assert streamed == (getattr(thought, "reasoning_content", None) or ""), (streamed, thought)
report.proved("reasoning, as `reasoning_content`", "ok" if streamed else "absent")
assert ask("think first").usage.completion_tokens_details.reasoning_tokens > 0
report.proved("reasoning tokens counted apart")

found = ask("search the web", web_search_options={}).choices[0].message
[note] = found.annotations
citation = note.url_citation
assert citation.title == "Example Domain" and citation.url.startswith("https://example.com/")
assert found.content[citation.start_index : citation.end_index] == "(example.com)", found
notes = [chunk.choices[0].delta for chunk in ask("search the web", stream=True)]
notes = [note for delta in notes for note in getattr(delta, "annotations", None) or []]
assert len(notes) == 1 and notes[0]["url_citation"]["title"] == "Example Domain", notes
report.proved("web search with citations")

raw = client.chat.completions.with_raw_response.create(
    model=MODEL, messages=[{"role": "user", "content": "hello"}], temperature=0.5
)
assert raw.headers["x-request-id"], raw.headers
report.proved("the header `x-request-id`")
served = raw.headers.get("x-codex-router-profile")
report.proved("the header `x-codex-router-profile`", "ok" if served else "absent")
