"""What becomes of each parameter: it is sent on, left out and named, or refused by name."""

import json

from openai import OpenAI

import fake
import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
FIVE = "1 2 3 4 5"
expected = {}


def question(api, parameters):
    """Asks for the same, in words that tell one call from the others."""
    name = f"{api} with {', '.join(parameters)}"
    return [{"role": "user", "content": f"count to 30 ({name})"}]


def chat(**parameters):
    create = client.chat.completions.with_raw_response.create
    messages = question("chat", parameters)
    return lambda: create(model=MODEL, messages=messages, **parameters)


def responses(**parameters):
    create = client.responses.with_raw_response.create
    items = question("responses", parameters)
    return lambda: create(model=MODEL, input=items, **parameters)


def every(api, parameters):
    """Tries each; those that are said to be sent on must have arrived."""
    for name, value in parameters.items():
        asked = question(api.__name__, [name])[0]["content"]
        if report.parameter(name, api(**{name: value})) == "ok":
            expected[asked] = (name, value)


# Parameters that are called otherwise with a ChatGPT login.
RENAMED = {"reasoning_effort": "effort"}


def arrived():
    bodies = [json.dumps(request["json"], sort_keys=True) for request in fake.requests()]
    for asked, (name, value) in expected.items():
        sent = [body for body in bodies if asked in body]
        said = [json.dumps({it: value}, sort_keys=True)[1:-1] for it in (name, RENAMED.get(name))]
        assert any(text in body for text in said for body in sent), (asked, sent)


report.table("Parameters of chat completions")
every(chat, {
    "temperature": 0,
    "top_p": 0.5,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "seed": 7,
    "top_logprobs": 2,
    "logprobs": True,
    "modalities": ["text", "audio"],
    "prediction": {"type": "content", "content": "1 2 3"},
    "reasoning_effort": "high",
    "verbosity": "low",
    "prompt_cache_key": "a-key",
    "prompt_cache_retention": "24h",
    "service_tier": "flex",
    "store": True,
    "metadata": {"topic": "demo"},
    "user": "ada",
    "safety_identifier": "hash-of-ada",
})

priority = {"service_tier": "priority"}
report.parameter("service_tier", chat(**priority), "`service_tier` priority, said in the answer")
assert chat(**priority)().parse().service_tier == "priority"
*_, last = chat(**priority, stream=True)().parse()
assert last.service_tier == "priority", last
for name in ("max_tokens", "max_completion_tokens"):
    assert report.parameter(name, chat(**{name: 5})) == "ok"
    short = chat(**{name: 5})().parse().choices[0]
    # Counted by the character, where the upstream has no such limit.
    assert short.finish_reason == "length", short
    assert short.message.content.startswith(FIVE) and len(short.message.content) < 25, short
assert report.parameter("stop", chat(stop=[" 6", "never"])) == "ok"
stopped = chat(stop=[" 6", "never"])().parse().choices[0]
assert (stopped.finish_reason, stopped.message.content) == ("stop", FIVE), stopped
if report.parameter("n", chat(n=2)) == "ok":
    assert len(chat(n=2)().parse().choices) == 2
for value in (1, 1.0):
    same = chat(temperature=value, top_p=value, n=1, presence_penalty=0, logprobs=False)()
    assert "x-codex-router-dropped" not in same.headers, same.headers
report.proved("values that ask for nothing, such as `temperature: 1`")
unknown = chat(extra_body={"not_known_yet": True})()
assert unknown.parse().choices[0].message.content.startswith(FIVE)
named = "not_known_yet" in unknown.headers.get("x-codex-router-dropped", "")
report.proved("parameters not known yet", "dropped" if named else "ok")

report.table("Parameters of Responses")
every(responses, {
    "temperature": 0,
    "top_p": 0.5,
    "max_tool_calls": 3,
    "parallel_tool_calls": False,
    "truncation": "auto",
    "top_logprobs": 2,
    "prompt_cache_key": "a-key",
    "prompt_cache_retention": "24h",
    "service_tier": "flex",
    "reasoning": {"effort": "high"},
    "metadata": {"topic": "demo"},
    "user": "ada",
    "safety_identifier": "hash-of-ada",
    "text": {"verbosity": "low"},
})
arrived()

report.parameter("service_tier", responses(**priority), "`service_tier` priority, said in the answer")
assert responses(**priority)().parse().service_tier == "priority"

# A limit of tokens ends the answer, and says so.
limit = {"max_output_tokens": 16}
assert report.parameter("max_output_tokens", responses(**limit)) == "ok"
cut = responses(**limit)().parse()
assert cut.status == "incomplete", cut
assert cut.incomplete_details.reason == "max_output_tokens", cut
assert cut.output_text.startswith("1 2 3") and len(cut.output_text) < 70, cut
*events, last = responses(**limit, stream=True)().parse()
assert last.type == "response.incomplete" and last.response.output_text == cut.output_text, last
assert [e.text for e in events if e.type == "response.output_text.done"] == [cut.output_text]
