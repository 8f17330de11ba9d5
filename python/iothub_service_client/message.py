"""A message and its properties: plain values, without a connection."""

from .errors import IoTHubMapError, IoTHubMapErrorArg, IoTHubMessageError, IoTHubMessageErrorArg
from .results import IoTHubMapResult, IoTHubMessageContent, IoTHubMessageResult


def _require_text(*values):
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"expected type str, not {type(value).__name__}")


class IoTHubMap:
    """Names and values in the order in which they were added.

    A filter is called with each name and value to be added, and may answer IoTHubMapResult.FILTER_REJECT.
    """

    def __init__(self, map_filter_callback=None):
        if map_filter_callback is not None and not callable(map_filter_callback):
            raise TypeError("expected type callable")
        self._filter = map_filter_callback
        self._items = {}

    def _fail(self, function, result):
        raise IoTHubMapError(IoTHubMapErrorArg(function, result))

    def _check(self, function, key, value):
        _require_text(key, value)
        if self._filter is not None and self._filter(key, value) != IoTHubMapResult.OK:
            self._fail(function, IoTHubMapResult.FILTER_REJECT)

    def add(self, key, value, /):
        self._check("add", key, value)
        if key in self._items:
            self._fail("add", IoTHubMapResult.KEYEXISTS)
        self._items[key] = value

    def add_or_update(self, key, value, /):
        self._check("add_or_update", key, value)
        self._items[key] = value

    def delete(self, key, /):
        _require_text(key)
        if self._items.pop(key, None) is None:
            self._fail("delete", IoTHubMapResult.KEYNOTFOUND)

    def contains_key(self, key, /):
        _require_text(key)
        return key in self._items

    def contains_value(self, value, /):
        _require_text(value)
        return value in self._items.values()

    def get_value_from_key(self, key, /):
        _require_text(key)
        if key not in self._items:
            self._fail("get_value_from_key", IoTHubMapResult.KEYNOTFOUND)
        return self._items[key]

    def get_internals(self):
        return dict(self._items)


class IoTHubMessage:
    """A body of text or of bytes, two ids and a map of properties."""

    def __init__(self, source, /):
        if not isinstance(source, (str, bytearray)):
            raise TypeError(f"expected type str or bytearray, not {type(source).__name__}")
        self._is_text = isinstance(source, str)
        self._body = source.encode() if self._is_text else bytes(source)
        self._properties = IoTHubMap()
        self._message_id = None
        self._correlation_id = None

    def body(self):
        """The bytes that are sent; text is UTF-8."""
        return self._body

    def get_bytearray(self):
        if self._is_text:
            raise IoTHubMessageError(IoTHubMessageErrorArg("get_bytearray", IoTHubMessageResult.INVALID_ARG))
        return bytearray(self._body)

    def get_string(self):
        """None if the body is a bytearray."""
        return self._body.decode() if self._is_text else None

    def get_content_type(self):
        return IoTHubMessageContent.STRING if self._is_text else IoTHubMessageContent.BYTEARRAY

    def properties(self):
        """The message's own map: what is added to it goes with the message."""
        return self._properties

    @property
    def message_id(self):
        return self._message_id

    @message_id.setter
    def message_id(self, value):
        _require_text(value)
        self._message_id = value

    @property
    def correlation_id(self):
        return self._correlation_id

    @correlation_id.setter
    def correlation_id(self, value):
        _require_text(value)
        self._correlation_id = value
