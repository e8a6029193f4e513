"""A hub's reports for a test."""

import pytest
from report_hub import ReportHub


@pytest.fixture
def reports() -> ReportHub:
    """Routes over an empty history."""
    return ReportHub()


@pytest.fixture
async def viewer(reports):
    """A viewer of acme."""
    async with reports.client() as client:
        yield client
