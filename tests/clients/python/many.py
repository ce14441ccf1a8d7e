"""Fifty streams at once, each with its own answer."""

import asyncio

from openai import AsyncOpenAI


async def one(client, number):
    stream = await client.chat.completions.create(
        model="gpt-5.2-codex",
        messages=[{"role": "user", "content": f"count to {number}"}],
        stream=True,
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def main():
    async with AsyncOpenAI(max_retries=0) as client:
        answers = await asyncio.gather(*(one(client, n) for n in range(1, 51)))
    for number, answer in enumerate(answers, 1):
        assert answer == " ".join(str(n + 1) for n in range(number)), (number, answer)


asyncio.run(main())
