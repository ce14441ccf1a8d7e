"""What only the fake itself can do or tell."""

import json
import os
import time
import urllib.request

URL = os.environ["FAKE_URL"] + "/fake/"


def next_call(**fault):
    """Has the next call go wrong, once."""
    request = urllib.request.Request(URL + "faults", method="POST")
    urllib.request.urlopen(request, json.dumps(fault).encode()).close()


def told(what):
    with urllib.request.urlopen(URL + what) as answer:
        return json.load(answer)


def requests():
    """Everything that it was asked."""
    return told("requests")


def cancelled_streams():
    return told("stats")["cancelled_streams"]


def until(condition):
    """Waits for it, at most five seconds."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
