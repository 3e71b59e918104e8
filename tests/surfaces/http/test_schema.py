"""The schema says what the API does; schemathesis holds it to that."""

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from foedus.surfaces.http.app import OPERATIONS
from foedus.surfaces.http.openapi import document
from tests.surfaces.http.running import AUTHORIZED

SCHEMA = msgspec.to_builtins(document(OPERATIONS))
API = schemathesis.openapi.from_dict(SCHEMA)
CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_it_is_served_as_json_and_as_a_page_without_foreign_parts(live):
    served = requests.get(f"{live.url}/schema", timeout=30)
    assert served.json() == SCHEMA
    page = requests.get(f"{live.url}/schema", headers={"Accept": "text/html"}, timeout=30)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "messages:batch" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert requests.post(f"{live.url}/schema", timeout=30).json()["code"] == "method_not_allowed"


def test_every_operation_has_a_name_of_its_own_and_says_how_it_fails():
    described = [one for path in SCHEMA["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in described}) == len(described) == len(OPERATIONS)
    assert all({"401", "default"} <= set(one["responses"]) for one in described)


@pytest.mark.slow
@API.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_the_api_does_what_its_schema_says(live, case):
    response = case.call(base_url=live.url, headers=AUTHORIZED, timeout=30)
    case.validate_response(response, checks=CHECKS)
