"""The enumerations, with the original's numbers. They are integers, and print as their bare name."""

import enum


class _Result(enum.IntEnum):
    def __str__(self):
        return self.name

    def __format__(self, spec):
        return format(int(self), spec) if spec else self.name

    def __repr__(self):
        return f"iothub_service_client.{type(self).__name__}.{self.name}"


class IoTHubMapResult(_Result):
    OK = 0
    ERROR = 1
    INVALIDARG = 2
    KEYEXISTS = 3
    KEYNOTFOUND = 4
    FILTER_REJECT = 5


class IoTHubMessageResult(_Result):
    OK = 0
    INVALID_ARG = 1
    INVALID_TYPE = 2
    ERROR = 3


class IoTHubMessageDispositionResult(_Result):
    ACCEPTED = 0
    REJECTED = 1
    ABANDONED = 2


class IoTHubMessageContent(_Result):
    BYTEARRAY = 0
    STRING = 1
    UNKNOWN = 2


class IoTHubRegistryManagerResult(_Result):
    OK = 0
    INVALID_ARG = 1
    ERROR = 2
    JSON_ERROR = 3
    HTTPAPI_ERROR = 4
    HTTP_STATUS_ERROR = 5
    DEVICE_EXIST = 6
    DEVICE_NOT_EXIST = 7
    CALLBACK_NOT_SET = 8


class IoTHubRegistryManagerAuthMethod(_Result):
    SHARED_PRIVATE_KEY = 0
    X509_THUMBPRINT = 1
    X509_CERTIFICATE_AUTHORITY = 2


class IoTHubMessagingResult(_Result):
    OK = 0
    INVALID_ARG = 1
    ERROR = 2
    INVALID_JSON = 3
    DEVICE_EXIST = 4
    CALLBACK_NOT_SET = 5


class IoTHubDeviceConnectionState(_Result):
    CONNECTED = 0
    DISCONNECTED = 1


class IoTHubDeviceStatus(_Result):
    ENABLED = 0
    DISABLED = 1


class IoTHubFeedbackStatusCode(_Result):
    SUCCESS = 0
    EXPIRED = 1
    DELIVER_COUNT_EXCEEDED = 2
    REJECTED = 3
    UNKNOWN = 4
