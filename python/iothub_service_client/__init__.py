"""The service client of the Azure IoT SDK 1.x for Python, over Linarite's C++ library.

Programs written for that module run with this one. What differs is in docs/python-service-client.md.
"""

from .errors import (
    IoTHubError,
    IoTHubMapError,
    IoTHubMapErrorArg,
    IoTHubMessageError,
    IoTHubMessageErrorArg,
    IoTHubMessagingError,
    IoTHubMessagingErrorArg,
    IoTHubRegistryManagerError,
    IoTHubRegistryManagerErrorArg,
    IoTHubServiceClientAuthError,
    IoTHubServiceClientAuthErrorArg,
)
from .message import IoTHubMap, IoTHubMessage
from .messaging import IoTHubMessaging
from .registry import (
    IoTHubDevice,
    IoTHubDeviceCapabilities,
    IoTHubRegistryManager,
    IoTHubRegistryStatistics,
    IoTHubServiceClientAuth,
)
from .results import (
    IoTHubDeviceConnectionState,
    IoTHubDeviceStatus,
    IoTHubFeedbackStatusCode,
    IoTHubMapResult,
    IoTHubMessageContent,
    IoTHubMessageDispositionResult,
    IoTHubMessageResult,
    IoTHubMessagingResult,
    IoTHubRegistryManagerAuthMethod,
    IoTHubRegistryManagerResult,
)

__version__ = "1.4.0+linarite.0.1.0"

__all__ = [name for name in dir() if name.startswith("IoTHub")]
