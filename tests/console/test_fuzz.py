"""Whatever the OpenAPI document allows, and more: no server error, no answer it doesn't name."""

from __future__ import annotations

import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import positive_data_acceptance

from .conftest import OWN

BEYOND_A_SCHEMA = [positive_data_acceptance]
"""That a file is a picture, and an act has what it needs, no schema says."""

HEADERS = {**OWN, "Host": "127.0.0.1"}


def test_every_answer_is_in_the_document(client: TestClient) -> None:
    document = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", client.app, headers={"Host": "127.0.0.1"}
    )
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) >= 14
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        def every_case(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=HEADERS, excluded_checks=BEYOND_A_SCHEMA)

        every_case()
