"""Ages and sizes as people say them."""

from datetime import datetime

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 86400.0


def age(then_s: float, now_s: float) -> str:
    """Return how long ago a moment was; both in seconds since 1970."""
    past_s = now_s - then_s
    if past_s < MINUTE_S:
        return "just now"
    if past_s < HOUR_S:
        return f"{counted(int(past_s / MINUTE_S), 'minute')} ago"
    then, now = datetime.fromtimestamp(then_s), datetime.fromtimestamp(now_s)
    days = (now.date() - then.date()).days
    if days == 0:
        return f"{counted(int(past_s / HOUR_S), 'hour')} ago"
    if days == 1:
        return "yesterday"
    if days < 7:
        return f"{days} days ago"
    return f"{then.day} {then:%B %Y}"


def size(megabytes: float) -> str:
    """Return a file size in a unit that keeps the number short."""
    if megabytes >= 1000:
        return f"{megabytes / 1000:.1f} GB"
    if megabytes >= 10:
        return f"{megabytes:.0f} MB"
    if megabytes >= 0.1:
        return f"{megabytes:.1f} MB"
    return "under 0.1 MB"


def counted(count: int, what: str) -> str:
    """Return "1 minute", "2 minutes"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
