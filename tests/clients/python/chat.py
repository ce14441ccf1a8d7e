"""Chat completions: whole, with several system messages, and streamed with usage."""

from openai import OpenAI

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"

whole = client.chat.completions.create(
    model=MODEL,
    messages=[
        {"role": "system", "content": "First rule: be brief."},
        {"role": "system", "content": "Second rule: be kind."},
        {"role": "user", "content": "good morning"},
        {"role": "assistant", "content": "Good morning."},
        {"role": "system", "content": "Third rule: be honest."},
        {"role": "user", "content": [{"type": "text", "text": "how are you"}]},
    ],
)
assert whole.object == "chat.completion", whole
assert whole.model == MODEL, whole
choice = whole.choices[0]
assert choice.message.role == "assistant", whole
assert choice.message.content == "You said: how are you", whole
assert choice.finish_reason == "stop", whole
assert not choice.message.tool_calls, whole
usage = whole.usage
assert usage.prompt_tokens > 0 and usage.completion_tokens == 5, whole
assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, whole

chunks = list(
    client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "count to 30"}],
        stream=True,
        stream_options={"include_usage": True},
    )
)
*said, last = chunks
text = "".join(chunk.choices[0].delta.content or "" for chunk in said)
assert text == " ".join(str(n) for n in range(1, 31)), text
assert said[0].choices[0].delta.role == "assistant", said[0]
reasons = [chunk.choices[0].finish_reason for chunk in said]
assert reasons[-1] == "stop" and not any(reasons[:-1]), reasons
assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1, chunks
assert last.choices == [] and last.usage.completion_tokens == 30, last
assert not any(chunk.usage for chunk in said), said

# Without `include_usage` no chunk is without a choice.
for chunk in client.chat.completions.create(
    model=MODEL, messages=[{"role": "user", "content": "hi"}], stream=True
):
    assert len(chunk.choices) == 1 and chunk.usage is None, chunk

# A limit ends the answer, with the reason for it.
short = client.chat.completions.create(
    model=MODEL, messages=[{"role": "user", "content": "stop at content_filter"}]
)
assert short.choices[0].finish_reason == "content_filter", short
