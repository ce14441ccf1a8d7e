"""Images, files and audio in messages, and pictures as the result of a tool."""

from openai import OpenAI

import report

client = OpenAI(max_retries=0)
MODEL = "gpt-5.2-codex"
report.table("Content beside text")

PICTURE = "data:image/png;base64,iVBORw0KGgo="
ADDRESS = "https://example.com/cat.png"
PDF = "data:application/pdf;base64,JVBERi0="


def chat(*parts):
    content = [{"type": "text", "text": "what is attached"}, *parts]
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}]
    )
    return answer.choices[0].message.content.removeprefix("Attached: ")


def responses(*parts):
    content = [{"type": "input_text", "text": "what is attached"}, *parts]
    answer = client.responses.create(model=MODEL, input=[{"role": "user", "content": content}])
    return answer.output_text.removeprefix("Attached: ")


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url, **more}}


assert chat(image(ADDRESS, detail="high")) == f"image {ADDRESS}"
report.proved("chat: an image by its address")
assert chat(image(PICTURE), image(ADDRESS)) == f"image {PICTURE}, image {ADDRESS}"
report.proved("chat: several images, as data and by address")
file = {"filename": "notes.pdf", "file_data": PDF}
assert chat({"type": "file", "file": file}) == "file notes.pdf"
report.proved("chat: a file as data")
sound = {"data": "UklGRg==", "format": "wav"}
assert chat({"type": "input_audio", "input_audio": sound}) == "audio wav"
report.proved("chat: audio")

picture = {"type": "input_image", "image_url": PICTURE, "detail": "auto"}
assert responses(picture) == f"image {PICTURE}"
report.proved("Responses: an image")
assert responses({"type": "input_file", **file}) == "file notes.pdf"
report.proved("Responses: a file")

call = {"type": "function_call", "call_id": "c1", "name": "camera", "arguments": "{}"}
result = [picture, {"type": "input_text", "text": "a cat"}]
output = {"type": "function_call_output", "call_id": "c1", "output": result}
answer = client.responses.create(
    model=MODEL, input=[{"role": "user", "content": "look"}, call, output]
)
assert answer.output_text == "The tool answered: a cat", answer
report.proved("Responses: an image as the result of a tool")
