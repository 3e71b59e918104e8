"""What the API tells the audit log, and how the audit log is read."""

import requests

from tests.surfaces.http.running import AUTHORIZED


def test_what_changes_something_is_noted_with_its_outcome(live):
    live.service.audited.clear()
    requests.get(f"{live.url}/api/v1/status", headers=AUTHORIZED, timeout=30)
    assert live.service.audited == [], "reading decides nothing"
    requests.post(f"{live.url}/api/v1/rooms", json={"name": "plans"}, headers=AUTHORIZED, timeout=30)
    requests.post(f"{live.url}/api/v1/rooms", json={"name": 7}, headers=AUTHORIZED, timeout=30)
    requests.get(f"{live.url}/api/v1/status?secret=1", timeout=30)
    assert live.service.audited == [
        ("operator", "POST /api/v1/rooms", ""),
        ("operator", "POST /api/v1/rooms", "malformed_request"),
        ("anyone", "GET /api/v1/status", "unauthorized"),
    ]


def test_rows_are_read_as_pages_and_as_a_stream(live):
    page = requests.get(f"{live.url}/api/v1/audit?after=3&limit=5", headers=AUTHORIZED, timeout=30)
    assert page.json() == {"rows": [], "cursor": "3"}
    headers = {**AUTHORIZED, "Accept": "text/event-stream"}
    with requests.get(f"{live.url}/api/v1/audit", headers=headers, stream=True, timeout=30) as stream:
        assert next(stream.iter_lines()) == b"retry: 1000"
