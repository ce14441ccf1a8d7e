"""Many streams at once, each with its own answer; and streams that are left in the middle."""

import asyncio

from openai import AsyncOpenAI, OpenAI

import fake
import report

MODEL = "gpt-5.2-codex"
report.table("Streams")


def asked(number):
    return [{"role": "user", "content": f"count to {number}"}]


async def chat(client, number):
    stream = await client.chat.completions.create(model=MODEL, messages=asked(number), stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def responses(client, number):
    async with client.responses.stream(model=MODEL, input=asked(number)) as stream:
        return (await stream.get_final_response()).output_text


async def fifty(call):
    async with AsyncOpenAI(max_retries=0) as client:
        answers = await asyncio.gather(*(call(client, n) for n in range(1, 51)))
    for number, answer in enumerate(answers, 1):
        assert answer == " ".join(str(n + 1) for n in range(number)), (number, answer)


asyncio.run(fifty(chat))
report.proved("chat: fifty at once")
asyncio.run(fifty(responses))
report.proved("Responses: fifty at once")

client = OpenAI(max_retries=0)


def left(begin):
    """Leaves a stream in its middle; the upstream is told."""
    before = fake.cancelled_streams()
    fake.next_call(kind="stall_after", events=8, milliseconds=60000)
    stream = begin()
    next(iter(stream))
    stream.close()
    fake.until(lambda: fake.cancelled_streams() == before + 1)


left(lambda: client.chat.completions.create(model=MODEL, messages=asked(30), stream=True))
report.proved("chat: one that is left stops upstream")
left(lambda: client.responses.create(model=MODEL, input=asked(30), stream=True))
report.proved("Responses: one that is left stops upstream")
