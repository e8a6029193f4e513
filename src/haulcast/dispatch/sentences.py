"""Numbers of the search in words, for dispatchers. Clock times are UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def counted(number: float, unit: str) -> str:
    """A number as people say it: whole from ten on, with a decimal below."""
    rounded = round(number, 1)
    text = f"{number:.0f}" if abs(rounded) >= 10 or rounded == int(rounded) else f"{rounded:.1f}"
    return f"{text} {unit}"


def minutes(seconds: float) -> str:
    """A span: minutes, hours from two hours on."""
    if abs(seconds) >= 7200:
        return counted(seconds / 3600, "h")
    return f"{round(seconds / 60)} min"


def clock_times(*times_s: float) -> list[str]:
    """Moments, Unix seconds, as 14:22; with their day when they are not all of one, and with seconds where minutes would not tell them apart."""
    moments = [_EPOCH + timedelta(seconds=round(time_s)) for time_s in times_s]
    shape = "%H:%M" if len({moment.date() for moment in moments}) == 1 else "%d %b %H:%M"
    found = [moment.strftime(shape) for moment in moments]
    if len(set(found)) < len(found):
        found = [moment.strftime(f"{shape}:%S") for moment in moments]
    return found


def drive_reasons(way_s: float, wait_s: float, extra_m: float, slack_s: float, eaten_s: float) -> list[str]:
    """Why a driver: what the load costs him. `slack_s` is what he has left, infinite if nothing closes."""
    found = [f"{minutes(way_s)} to the pickup", f"{counted(extra_m / 1000, 'km')} extra"]
    if round(wait_s / 60) > 0:
        found.insert(1, f"waits {minutes(wait_s)} for it to open")
    if slack_s == float("inf"):
        found.append("no stop closes")
    elif round(eaten_s / 60) <= 0:
        found.append(f"keeps {minutes(slack_s)} slack")
    else:
        found.append(f"uses {minutes(eaten_s).removesuffix(' min')} of {minutes(slack_s + eaten_s)} slack")
    return found
