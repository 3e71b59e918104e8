"""What an agent is given of a message, and how an errand shows as a task."""

import json

import pytest
from a2a.types import StreamResponse, Task

from foedus.base.errors import UsageError
from foedus.node.errand_values import ErrandNews, ErrandView
from foedus.surfaces.a2a.mapping import TERMINAL, input_of, state_of, task_of, updates_of
from foedus.surfaces.a2a.proto import made

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.mark.parametrize(
    ("parts", "takes", "given"),
    [
        ([{"text": "Hallo"}], TEXT, {"text": "Hallo"}),
        ([{"text": "one"}, {"text": "two"}], None, {"text": "one\ntwo"}),
        ([{"text": "Hallo"}], {"type": "string"}, "Hallo"),
        ([{"text": "7"}], {"type": "integer"}, 7),
        ([{"text": "please"}, {"data": {"text": "Hallo"}}], TEXT, {"text": "Hallo"}),
    ],
)
def test_the_input_is_the_data_or_the_text_as_the_schema_takes_it(parts, takes, given):
    assert input_of(parts, takes) == given


@pytest.mark.parametrize(
    ("parts", "takes"),
    [
        ([{"text": "many"}], {"type": "integer"}),
        ([{"data": {"words": 1}}], TEXT),
        ([{"data": 1}, {"data": 2}], None),
        ([{"url": "https://example.org"}], None),
        ([{"raw": "AAAA"}], None),
    ],
)
def test_what_the_schema_does_not_take_is_refused(parts, takes):
    with pytest.raises(UsageError) as refused:
        input_of(parts, takes)
    assert refused.value.code == "no_input"


def an_errand(state="over", outcome="result", why="", output=None):
    note = json.dumps({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "x"}]}, "push": []})
    return ErrandView(
        errand="ab" * 16,
        did="did:key:z6Mk",
        context="c",
        node="cd" * 32,
        name="translate",
        state=state,
        why=why,
        words="",
        outcome=outcome,
        output=output,
        call="",
        at=1,
        until=2,
        changed=1_700_000_000_000_000,
        note=note.encode(),
    )


@pytest.mark.parametrize(
    ("errand", "state"),
    [
        (an_errand("waiting", ""), "SUBMITTED"),
        (an_errand("waiting", "", "unreachable"), "SUBMITTED"),
        (an_errand("waiting", "", "needs_approval"), "AUTH_REQUIRED"),
        (an_errand("waiting", "", "grant.uses"), "AUTH_REQUIRED"),
        (an_errand("called", ""), "WORKING"),
        (an_errand(output={"text": "salve"}), "COMPLETED"),
        (an_errand(outcome="error", why="no_such_word"), "FAILED"),
        (an_errand(outcome="cancelled"), "CANCELED"),
        (an_errand(outcome="refused", why="schema_mismatch"), "REJECTED"),
        (an_errand(outcome="late", why="unreachable"), "FAILED"),
        (an_errand(outcome="unknown", why="restarted"), "FAILED"),
    ],
)
def test_each_end_has_its_state_and_the_package_reads_it(errand, state):
    assert state_of(errand) == f"TASK_STATE_{state}"
    assert (state_of(errand) in TERMINAL) == (errand.state == "over")
    made(task_of(errand), Task)
    for update in updates_of(ErrandNews(errand=errand)):
        made(update, StreamResponse)


def test_the_output_is_shown_as_json_and_its_text_as_text():
    parts = task_of(an_errand(output={"text": "salve", "n": 1}))["artifacts"][0]["parts"]
    assert [part.get("text", part.get("data")) for part in parts] == ["salve", {"text": "salve", "n": 1}]
    (part,) = task_of(an_errand(output="salve"))["artifacts"][0]["parts"]
    assert part["text"] == "salve"
    (progress,) = updates_of(ErrandNews(errand=an_errand("called", ""), number=2, data={"done": 1}))
    assert progress["statusUpdate"]["status"]["message"]["parts"] == [{"data": {"done": 1}}]
