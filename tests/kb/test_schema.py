"""The API against its own description: schemathesis asks what nobody thought of asking."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs/openapi.yaml"
pytestmark = pytest.mark.xdist_group("browser")  # shares the running site

# Requests for runs and suggestions are left out: the running site would really keep them.
schema = (
    schemathesis.openapi.from_path(DESCRIPTION)
    .exclude(path_regex="/runs/", method="POST")
    .exclude(path_regex="/suggestions/$", method="POST")
)


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_the_api(site: str, case: schemathesis.Case) -> None:
    response = case.call(base_url=site)
    case.validate_response(response, checks=[not_a_server_error])
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"], response.text[:200]
