"""Which profile served, and why: profile.py WANTED-OR-EMPTY EXPECTED REASON."""

import sys

from openai import OpenAI

wanted, expected, reason = sys.argv[1:]
client = OpenAI(max_retries=0)
answer = client.chat.completions.with_raw_response.create(
    model="gpt-5.2-codex",
    messages=[{"role": "user", "content": "hello"}],
    extra_headers={"x-codex-profile": wanted} if wanted else None,
)
assert answer.headers["x-codex-router-profile"] == expected, answer.headers
assert answer.headers["x-codex-router-reason"] == reason, answer.headers
assert answer.parse().choices[0].message.content == "You said: hello"
