"""What the suite would load from the internet, and what is told of its outcome."""

import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
import report  # noqa: E402

OUTCOMES = {"passed": "ok", "skipped": "absent"}
# How the suite calls its two forms of a model.
FORMS = {"[model0]": "", "[model1]": " (output_version v1)"}
CLIENTS = {
    "TestChatCompletions": "ChatOpenAI",
    "TestResponses": "ChatOpenAI, `use_responses_api`",
}
found = {}


@pytest.fixture(autouse=True)
def no_internet(monkeypatch):
    """Its pictures and documents stay unopened: any bytes do."""
    monkeypatch.setattr(httpx, "get", lambda url, **_: httpx.Response(200, content=url.encode()))


def pytest_collection_modifyitems(items):
    # They measure recorded answers, of which there are none here.
    items[:] = [item for item in items if not item.get_closest_marker("benchmark")]


def pytest_runtest_logreport(report):
    if report.when != "call" and not report.skipped:
        return
    _, group, test = report.nodeid.split("::")
    name = test.removeprefix("test_").replace("_", " ")
    for form, words in FORMS.items():
        name = name.replace(form, words)
    name = name.replace("[", " (").replace("]", ")")
    # It looks at the suite, not at the model.
    if not name.startswith("no overrides"):
        found.setdefault(CLIENTS[group], {})[name] = OUTCOMES.get(report.outcome)


def pytest_sessionfinish(exitstatus):
    if exitstatus != 0:
        return
    print()
    for client, outcomes in found.items():
        report.table("LangChain's standard tests", client)
        for name, outcome in outcomes.items():
            report.proved(name, outcome)
