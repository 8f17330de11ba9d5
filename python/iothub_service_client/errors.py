"""The exceptions. args[0] is an IoTHub...ErrorArg: which function, which result, and what happened."""

from .results import IoTHubMapResult, IoTHubMessageResult, IoTHubMessagingResult, IoTHubRegistryManagerResult


class IoTHubError(Exception):
    """The base of all of them."""


class IoTHubMapError(IoTHubError):
    pass


class IoTHubMessageError(IoTHubError):
    pass


class IoTHubServiceClientAuthError(IoTHubError):
    pass


class IoTHubRegistryManagerError(IoTHubError):
    pass


class IoTHubMessagingError(IoTHubError):
    pass


class _ErrorArg:
    results = None  # The enumeration of `result`.
    class_name = ""

    def __init__(self, func, result, text=""):
        if not isinstance(func, str) or not isinstance(result, self.results):
            raise TypeError(f"{type(self).__name__}(function name, {self.results.__name__})")
        self.func = func
        self.result = result
        self.text = text

    def __str__(self):
        out = f"{self.class_name}.{self.func}, {self.results.__name__}.{self.result.name}"
        return f"{out}: {self.text}" if self.text else out

    def __repr__(self):
        return f"{type(self).__name__.removesuffix('Arg')}({self})"


class IoTHubMapErrorArg(_ErrorArg):
    results = IoTHubMapResult
    class_name = "IoTHubMap"


class IoTHubMessageErrorArg(_ErrorArg):
    results = IoTHubMessageResult
    class_name = "IoTHubMessage"


class IoTHubRegistryManagerErrorArg(_ErrorArg):
    results = IoTHubRegistryManagerResult
    class_name = "IoTHubRegistryManager"


class IoTHubMessagingErrorArg(_ErrorArg):
    results = IoTHubMessagingResult
    class_name = "IoTHubMessaging"


class IoTHubServiceClientAuthErrorArg:
    def __init__(self, func, text=""):
        if not isinstance(func, str):
            raise TypeError("IoTHubServiceClientAuthErrorArg(function name)")
        self.func = func
        self.text = text

    def __str__(self):
        out = f"IoTHubServiceClientAuth.{self.func}"
        return f"{out}: {self.text}" if self.text else out

    def __repr__(self):
        return f"IoTHubServiceClientAuthError({self})"
