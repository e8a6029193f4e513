"""A small, seeded run of schemathesis over the whole HTTP interface; `make fuzz` makes a longer one."""

from fuzz.rest import fuzz


async def test_no_request_surprises_the_hub(capfd) -> None:
    """By the hub's own document: no 5xx, no status, type, header or body that is not described, nothing wrong taken, no way in without a token."""
    status = await fuzz(examples=1, seed=7, phases="coverage,fuzzing")
    assert status == 0, capfd.readouterr().out[-20_000:]
