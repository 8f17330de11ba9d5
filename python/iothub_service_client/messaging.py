"""Sending cloud-to-device messages and receiving feedback, with callbacks.

Each open connection is a _Channel with one thread. The compiled part never calls Python: the thread waits in it
without the GIL and calls the callbacks itself, as any Python code calls Python code.
"""

import atexit
import logging
import sys
import threading
import weakref

from . import _native
from .errors import IoTHubMessagingError, IoTHubMessagingErrorArg
from .message import IoTHubMessage
from .registry import IoTHubServiceClientAuth
from .results import IoTHubFeedbackStatusCode, IoTHubMessagingResult
from .wall_time import utc_text

# So many sends may be without an outcome; a further one is refused.
SENDS_MAX = 10_000
ACK_PROPERTY = "iothub-ack"

_CONNECT, _FEEDBACK, _ACCEPT, _FIRST_SEND = range(4)  # Numbers of operations.
_FEEDBACK_CODES = {
    "success": IoTHubFeedbackStatusCode.SUCCESS,
    "expired": IoTHubFeedbackStatusCode.EXPIRED,
    "delivery_count_exceeded": IoTHubFeedbackStatusCode.DELIVER_COUNT_EXCEEDED,
    "rejected": IoTHubFeedbackStatusCode.REJECTED,
}
_log = logging.getLogger("iothub_service_client")


def _fail(function, text, result=IoTHubMessagingResult.ERROR):
    raise IoTHubMessagingError(IoTHubMessagingErrorArg(function, result, text))


def _require_callback(callback):
    if callback is not None and not callable(callback):
        raise TypeError("expected type callable, or None")


def _call(callback, *arguments):
    """What a callback throws is printed: there is nobody else to tell."""
    if callback is None:
        return
    try:
        callback(*arguments)
    except BaseException:  # Also SystemExit: one callback must not end the others' thread.
        sys.excepthook(*sys.exc_info())


def feedback_dict(record):
    return {
        "description": record.status,
        "deviceId": record.device_id,
        "correlationId": "",
        "generationId": record.generation_id,
        "enqueuedTimeUtc": utc_text(record.when),
        "statusCode": int(_FEEDBACK_CODES.get(record.status, IoTHubFeedbackStatusCode.UNKNOWN)),
        "originalMessageId": record.message_id,
    }


class _Channel:
    """An open connection, its thread, and whom to call. It lives until what was accepted has its outcome."""

    def __init__(self, connection_string, on_open):
        self._native = _native.Messaging(connection_string, SENDS_MAX)
        self._lock = threading.Lock()
        self._on_open = on_open
        self._on_feedback = None
        self._receiving = False
        self._sends = {}  # By operation: callback and context.
        self._next_operation = _FIRST_SEND
        self._closing = False
        self._aborting = False
        self._thread = threading.Thread(target=self._run, name="iothub_service_client", daemon=True)
        _channels.add(self)
        self._native.connect(_CONNECT)
        self._thread.start()

    def send(self, device_id, message, callback, context):
        properties = message.properties().get_internals()
        ack = properties.pop(ACK_PROPERTY, None)
        if ack is not None:
            ack = getattr(_native.FeedbackRequest, ack, None)
            if ack is None:
                text = f"{ACK_PROPERTY} is none, positive, negative or full"
                _fail("send_async", text, IoTHubMessagingResult.INVALID_ARG)
        with self._lock:
            if self._closing:
                _fail("send_async", "messaging is not open")
            if len(self._sends) >= SENDS_MAX:
                _fail("send_async", f"{SENDS_MAX} messages are on their way already")
            operation = self._next_operation
            self._next_operation += 1
            self._sends[operation] = (callback, context)
            ids = (message.message_id, message.correlation_id)
            self._native.send(operation, device_id, message.body(), *ids, list(properties.items()), ack)

    def on_feedback(self, callback, context):
        with self._lock:
            self._on_feedback = (callback, context)
        self._native.wake()

    def start_closing(self):
        with self._lock:
            self._closing = True
        self._native.wake()

    def abort(self):
        self._aborting = True
        self._native.wake()

    def join(self):
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # --- the thread -----------------------------------------------------------------------------

    def _run(self):
        try:
            while not self._is_over():
                self._receive()
                for event in self._native.wait():
                    self._deliver(event)
            for event in self._native.shut_down():
                self._deliver(event)
        finally:
            _channels.discard(self)

    def _is_over(self):
        with self._lock:
            return self._aborting or (self._closing and not self._sends)

    def _receive(self):
        with self._lock:
            start = self._on_feedback is not None and not self._receiving and not self._closing
            self._receiving = self._receiving or start
        if start:
            self._native.receive_feedback(_FEEDBACK)

    def _deliver(self, event):
        if event.operation == _CONNECT:
            self._deliver_open(event)
        elif event.operation == _FEEDBACK:
            self._deliver_feedback(event)
        elif event.operation == _ACCEPT:
            if event.code:
                _log.warning("feedback will come again: %s", event.text)
        else:
            self._deliver_outcome(event)

    def _deliver_open(self, event):
        if event.code == 0:
            _call(*self._on_open)
        elif event.code != _native.CLOSED:
            _log.error("the connection could not be opened; each send tries again: %s", event.text)

    def _deliver_feedback(self, event):
        self._receiving = False
        if event.code == 0:
            callback, context = self._on_feedback
            # The original hands over the batch's user id and lock token; nothing can be done with them.
            _call(callback, context, "", "", [feedback_dict(record) for record in event.records])
            self._native.accept_feedback(_ACCEPT, event.batch)
        elif event.code != _native.CLOSED:
            # The next open connection asks again; without end it would only ask to be refused.
            self._on_feedback = None
            _log.error("feedback cannot be received: %s", event.text)

    def _deliver_outcome(self, event):
        callback, context = self._sends[event.operation]
        if event.code:
            _log.error("a message was not sent: %s", event.text)
        _call(callback, context, IoTHubMessagingResult.ERROR if event.code else IoTHubMessagingResult.OK)
        with self._lock:
            del self._sends[event.operation]


_channels = set()  # Those whose thread has not ended.


@atexit.register
def _finish():
    """At the end of the program: what was accepted gets its outcome, and no thread of ours stays.

    Each send ends by its own deadline, so this does too; Ctrl-C ends it at once.
    """
    channels = list(_channels)
    for channel in channels:
        channel.start_closing()
    try:
        for channel in channels:
            channel.join()
    except BaseException:
        for channel in channels:
            channel.abort()
        for channel in channels:
            channel.join()
        raise


class IoTHubMessaging:
    """Sends messages to devices, between open() and close(). Any thread may call it."""

    def __init__(self, source, /):
        """From a connection string or an IoTHubServiceClientAuth."""
        if isinstance(source, IoTHubServiceClientAuth):
            source = source.connection_string
        if not isinstance(source, str):
            raise TypeError("expected a connection string or an IoTHubServiceClientAuth")
        try:
            _native.check_connection_string(source)
            problem = None
        except _native.Error as error:
            problem = error.args[1]
        if problem:
            _fail("IoTHubMessaging", problem)
        self._connection_string = source
        self._channel = None
        self._feedback = None

    def open(self, open_complete_callback, user_context, /):
        """Connects. The callback gets the context when the hub takes messages; sending need not wait for it."""
        _require_callback(open_complete_callback)
        if self._channel is not None:
            _fail("open", "messaging is open already")
        self._channel = _Channel(self._connection_string, (open_complete_callback, user_context))
        # Dropped without close(), the connection still finishes what it accepted.
        weakref.finalize(self, self._channel.start_closing).atexit = False
        if self._feedback is not None:
            self._channel.on_feedback(*self._feedback)

    def close(self):
        """Waits until every send has its outcome and its callback was called, and disconnects.

        Called by a callback it does not wait.
        """
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.start_closing()
            channel.join()

    def send_async(self, device_id, *arguments):
        """send_async(device_id, message, send_complete_callback, user_context)

        The callback gets the context and the result: OK when the message is in the device's queue.
        """
        if len(arguments) == 4 and isinstance(arguments[0], str):
            _fail("send_async", "messages to modules are not supported yet")
        if len(arguments) != 3:
            raise TypeError("send_async(device_id, message, send_complete_callback, user_context)")
        message, callback, context = arguments
        if not isinstance(device_id, str) or not isinstance(message, IoTHubMessage):
            raise TypeError("expected a device id and an IoTHubMessage")
        _require_callback(callback)
        channel = self._channel
        if channel is None:
            _fail("send_async", "messaging is not open")
        channel.send(device_id, message, callback, context)

    def set_feedback_message_callback(self, feedback_message_received_callback, user_context, /):
        """The callback gets the context, two empty strings and a list of dictionaries, one for each record.

        The hub's feedback counts as received when the callback has returned.
        """
        if not callable(feedback_message_received_callback):
            raise TypeError("expected type callable")
        self._feedback = (feedback_message_received_callback, user_context)
        if self._channel is not None:
            self._channel.on_feedback(*self._feedback)
