"""The device identities of a hub."""

from . import _native
from .errors import (
    IoTHubRegistryManagerError,
    IoTHubRegistryManagerErrorArg,
    IoTHubServiceClientAuthError,
    IoTHubServiceClientAuthErrorArg,
)
from .results import (
    IoTHubDeviceConnectionState,
    IoTHubDeviceStatus,
    IoTHubRegistryManagerAuthMethod,
    IoTHubRegistryManagerResult,
)
from .wall_time import utc_text

DEVICES_MAX = 1000

_AUTHENTICATION = {
    IoTHubRegistryManagerAuthMethod.SHARED_PRIVATE_KEY: _native.AuthenticationType.sas,
    IoTHubRegistryManagerAuthMethod.X509_THUMBPRINT: _native.AuthenticationType.self_signed,
    IoTHubRegistryManagerAuthMethod.X509_CERTIFICATE_AUTHORITY: _native.AuthenticationType.certificate_authority,
}
_AUTH_METHODS = {value: key for key, value in _AUTHENTICATION.items()}


def result_of(code):
    """The original's result for a code of the library: the hub's own number, or the client's."""
    result = IoTHubRegistryManagerResult
    if code >= _native.FIRST_OF_HUB:
        return {404: result.DEVICE_NOT_EXIST, 409: result.DEVICE_EXIST}.get(code // 1000, result.HTTP_STATUS_ERROR)
    named = {
        _native.INVALID_CONNECTION_STRING: result.ERROR,
        _native.INVALID_ARGUMENT: result.INVALID_ARG,
        _native.PROTOCOL_ERROR: result.JSON_ERROR,
    }
    return named.get(code, result.HTTPAPI_ERROR)


def _fail(function, result, text):
    raise IoTHubRegistryManagerError(IoTHubRegistryManagerErrorArg(function, result, text))


def _ask(function, operation, *arguments):
    try:
        return operation(*arguments)
    except _native.Error as error:
        code, text = error.args
    _fail(function, result_of(code), text)


class IoTHubServiceClientAuth:
    """A connection string that was looked at."""

    def __init__(self, connection_string, /):
        try:
            _native.check_connection_string(connection_string)
        except _native.Error as error:
            text = error.args[1]
            raise IoTHubServiceClientAuthError(
                IoTHubServiceClientAuthErrorArg("IoTHubServiceClientAuth", text)
            ) from None
        self.connection_string = connection_string


class IoTHubDeviceCapabilities:
    def __init__(self):
        self.iot_edge = False


class IoTHubDevice:
    """An identity as the hub had it when it was asked."""

    def __init__(self, device):
        x509 = device.authentication == _native.AuthenticationType.self_signed
        self.deviceId = device.device_id
        self.primaryKey = device.primary_thumbprint if x509 else device.primary_key
        self.secondaryKey = device.secondary_thumbprint if x509 else device.secondary_key
        self.generationId = device.generation_id
        self.eTag = device.etag
        state = IoTHubDeviceConnectionState
        self.connectionState = state.CONNECTED if device.connected else state.DISCONNECTED
        self.connectionStateUpdatedTime = utc_text(device.connection_state_updated)
        self.status = IoTHubDeviceStatus.ENABLED if device.enabled else IoTHubDeviceStatus.DISABLED
        self.statusReason = device.status_reason or None
        self.statusUpdatedTime = utc_text(device.status_updated)
        self.lastActivityTime = utc_text(device.last_activity)
        self.cloudToDeviceMessageCount = device.cloud_to_device_message_count
        # What no hub tells any more.
        self.isManaged = False
        self.configuration = None
        self.deviceProperties = None
        self.serviceProperties = None
        self.authMethod = _AUTH_METHODS.get(device.authentication, IoTHubRegistryManagerAuthMethod.SHARED_PRIVATE_KEY)


class IoTHubRegistryStatistics:
    def __init__(self, statistics):
        self.totalDeviceCount = statistics.total
        self.enabledDeviceCount = statistics.enabled
        self.disabledDeviceCount = statistics.disabled


class IoTHubRegistryManager:
    """Each call waits for the hub's answer; Ctrl-C ends the wait. Any thread, several at a time."""

    def __init__(self, source, /):
        """From a connection string or an IoTHubServiceClientAuth."""
        if isinstance(source, IoTHubServiceClientAuth):
            source = source.connection_string
        if not isinstance(source, str):
            raise TypeError("expected a connection string or an IoTHubServiceClientAuth")
        self._registry = _ask("IoTHubRegistryManager", _native.Registry, source)

    def _identity(self, function, device_id, primary_key, secondary_key, auth_method, capabilities):
        if capabilities is not None and capabilities.iot_edge:
            _fail(function, IoTHubRegistryManagerResult.INVALID_ARG, "IoT Edge devices are not supported yet")
        device = _native.Device()
        device.device_id = device_id
        device.authentication = _AUTHENTICATION[IoTHubRegistryManagerAuthMethod(auth_method)]
        if auth_method == IoTHubRegistryManagerAuthMethod.X509_THUMBPRINT:
            device.primary_thumbprint, device.secondary_thumbprint = primary_key, secondary_key
        elif auth_method == IoTHubRegistryManagerAuthMethod.SHARED_PRIVATE_KEY:
            device.primary_key, device.secondary_key = primary_key, secondary_key
        return device

    def create_device(self, device_id, primary_key, secondary_key, auth_method, device_capabilities=None, /):
        """With two empty keys the hub makes them. X509_THUMBPRINT: the keys are the thumbprints."""
        arguments = (device_id, primary_key, secondary_key, auth_method, device_capabilities)
        device = self._identity("create_device", *arguments)
        return IoTHubDevice(_ask("create_device", self._registry.create, device))

    def get_device(self, device_id, /):
        return IoTHubDevice(_ask("get_device", self._registry.get, device_id))

    def update_device(
        self, device_id, primary_key, secondary_key, status, auth_method, device_capabilities=None, /
    ):
        """Replaces all of them, whatever was there before."""
        arguments = (device_id, primary_key, secondary_key, auth_method, device_capabilities)
        device = self._identity("update_device", *arguments)
        device.enabled = IoTHubDeviceStatus(status) == IoTHubDeviceStatus.ENABLED
        _ask("update_device", self._registry.update, device)

    def delete_device(self, device_id, /):
        _ask("delete_device", self._registry.remove, device_id)

    def get_device_list(self, number_of_devices, /):
        """At most so many, 1 to 1000."""
        if not 1 <= number_of_devices <= DEVICES_MAX:
            text = f"the number of devices must be 1 to {DEVICES_MAX}"
            _fail("get_device_list", IoTHubRegistryManagerResult.INVALID_ARG, text)
        devices = _ask("get_device_list", self._registry.list)
        return [IoTHubDevice(device) for device in devices[:number_of_devices]]

    def get_statistics(self):
        return IoTHubRegistryStatistics(_ask("get_statistics", self._registry.statistics))
