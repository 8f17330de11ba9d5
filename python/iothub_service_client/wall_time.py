"""Times as the hub writes them in JSON."""

import datetime

NEVER = "0001-01-01T00:00:00"
_EPOCH = datetime.datetime(1970, 1, 1)


def utc_text(milliseconds):
    """From milliseconds since 1970, or None for what never was."""
    if milliseconds is None:
        return NEVER
    return (_EPOCH + datetime.timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds") + "Z"
