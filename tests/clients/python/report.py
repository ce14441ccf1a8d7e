"""Tells the harness what was proved; tests/clients/fidelity/mod.rs reads it."""

import openai

COLUMN = "openai (Python)"


def table(name, column=COLUMN):
    print(f"table: {name} | {column}")


def proved(feature, outcome="ok"):
    print(f"feature: {feature}: {outcome}", flush=True)


def parameter(name, call, feature=None):
    """Calls with a parameter, and tells what became of it."""
    outcome = "ok"
    try:
        dropped = call().headers.get("x-codex-router-dropped", "").split(", ")
        if name in dropped:
            outcome = "dropped"
    except openai.BadRequestError as error:
        assert error.param == name, error.body
        outcome = "refused"
    proved(feature or f"`{name}`", outcome)
    return outcome
