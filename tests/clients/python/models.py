"""The list of models, one of them, and one that does not exist."""

import openai

import report

client = openai.OpenAI(max_retries=0)
report.table("Models")

models = {model.id: model for model in client.models.list()}
assert "gpt-5.2-codex" in models, models
assert all(model.object == "model" and model.owned_by for model in models.values()), models
report.proved("the list of models")

one = client.models.retrieve("gpt-5.2-codex")
assert one.id == "gpt-5.2-codex" and one.object == "model", one
report.proved("one model")

try:
    client.models.retrieve("no-such-model")
    raise SystemExit("a model that does not exist was found")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error
    assert "no-such-model" in error.message, error
report.proved("`NotFoundError` for one that does not exist")
