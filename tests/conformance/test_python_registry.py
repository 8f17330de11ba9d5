"""azure-iot-hub 2.7.0 over REST: identities, lists, statistics, purge."""

import base64

import pytest
from azure.iot.hub import IoTHubRegistryManager
from msrest.exceptions import HttpOperationError

KEYS = [base64.b64encode(bytes([n]) * 32).decode() for n in range(4)]


@pytest.fixture
def registry(hub):
    return IoTHubRegistryManager.from_connection_string(hub.connection_string("iothubowner"))


def create(registry, name="d1", status="enabled"):
    return registry.create_device_with_sas(name, KEYS[0], KEYS[1], status)


def refused(status, call, *arguments):
    with pytest.raises(HttpOperationError) as error:
        call(*arguments)
    assert error.value.response.status_code == status
    return error.value.response


def test_create_answers_with_the_whole_identity(registry):
    device = create(registry)
    assert device.device_id == "d1"
    assert device.status == "enabled"
    assert device.connection_state == "Disconnected"
    assert device.authentication.type == "sas"
    assert device.authentication.symmetric_key.primary_key == KEYS[0]
    assert device.authentication.symmetric_key.secondary_key == KEYS[1]
    assert device.cloud_to_device_message_count == 0
    assert device.capabilities.iot_edge is False
    assert device.generation_id.isdigit()
    assert device.etag


def test_create_without_keys_makes_two(registry):
    made = registry.create_device_with_sas("d1", None, None, "enabled").authentication.symmetric_key
    assert made.primary_key != made.secondary_key
    assert all(len(base64.b64decode(key)) == 32 for key in (made.primary_key, made.secondary_key))


def test_get_is_what_create_said(registry):
    created = create(registry)
    assert registry.get_device("d1").as_dict() == created.as_dict()


def test_what_was_created_is_there_after_a_crash(hub, registry):
    created = create(registry)
    hub.restart_after_kill()
    assert registry.get_device("d1").as_dict() == created.as_dict()


def test_create_twice_is_a_conflict(registry):
    create(registry)
    response = refused(409, create, registry)
    assert response.headers["iothub-errorcode"] == "DeviceAlreadyExists"


@pytest.mark.parametrize("name", ["a" * 129, "with space", "slash/inside", "ümlaut"])
def test_an_identifier_outside_the_alphabet_is_refused(registry, name):
    assert refused(400, create, registry, name).headers["iothub-errorcode"] == "ArgumentInvalid"


@pytest.mark.parametrize("name", ["a" * 128, "A.b-c_d%e*f?g!h(i)j,k:l=m@n$o'p"])
def test_an_identifier_with_every_allowed_character_works(registry, name):
    create(registry, name)
    assert registry.get_device(name).device_id == name
    registry.delete_device(name)


def test_identifiers_differ_by_case(registry):
    create(registry, "Case")
    refused(404, registry.get_device, "case")


def test_update_changes_keys_status_and_etag(registry):
    created = create(registry)
    updated = registry.update_device_with_sas(
        "d1", created.etag, KEYS[2], KEYS[3], "disabled", status_reason="in repair"
    )
    assert updated.status == "disabled"
    assert updated.status_reason == "in repair"
    assert updated.authentication.symmetric_key.primary_key == KEYS[2]
    assert updated.generation_id == created.generation_id
    assert updated.etag != created.etag
    assert registry.get_device("d1").as_dict() == updated.as_dict()


def test_update_with_an_old_etag_changes_nothing(registry):
    created = create(registry)
    registry.update_device_with_sas("d1", created.etag, KEYS[2], KEYS[3], "enabled")
    response = refused(412, registry.update_device_with_sas, "d1", created.etag, KEYS[0], KEYS[1], "disabled")
    assert response.headers["iothub-errorcode"] == "PreconditionFailed"
    assert registry.get_device("d1").status == "enabled"


def test_update_of_any_version(registry):
    create(registry)
    assert registry.update_device_with_sas("d1", None, KEYS[2], KEYS[3], "disabled").status == "disabled"


def test_update_of_what_is_not_there(registry):
    response = refused(404, registry.update_device_with_sas, "nobody", None, KEYS[0], KEYS[1], "enabled")
    assert response.headers["iothub-errorcode"] == "DeviceNotFound"


def test_delete_by_etag_and_by_any(registry):
    created = create(registry)
    refused(412, registry.delete_device, "d1", "b3RoZXI=")
    registry.delete_device("d1", created.etag)
    refused(404, registry.get_device, "d1")
    create(registry)
    registry.delete_device("d1")
    refused(404, registry.delete_device, "d1")


def test_a_new_identity_of_the_same_name_is_another(registry):
    first = create(registry)
    registry.delete_device("d1")
    assert create(registry).generation_id != first.generation_id


def test_list(registry):
    names = [f"d{n}" for n in range(5)]
    for name in names:
        create(registry, name)
    assert sorted(device.device_id for device in registry.get_devices()) == names
    assert len(registry.get_devices(max_number_of_devices=2)) == 2


def test_statistics(registry):
    create(registry, "d1")
    create(registry, "d2")
    create(registry, "d3", "disabled")
    devices = registry.get_device_registry_statistics()
    assert devices.total_device_count == 3
    assert devices.enabled_device_count == 2
    assert devices.disabled_device_count == 1
    assert registry.get_service_statistics().connected_device_count == 0


def test_purge_empties_the_queue_and_counts(registry):
    create(registry)
    for number in range(3):
        registry.send_c2d_message("d1", str(number))
    assert registry.get_device("d1").cloud_to_device_message_count == 3
    purge = registry.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue
    result = purge("d1")
    assert (result.total_messages_purged, result.device_id, result.module_id) == (3, "d1", None)
    assert registry.get_device("d1").cloud_to_device_message_count == 0
    assert purge("d1").total_messages_purged == 0
    refused(404, purge, "nobody")


def test_a_deleted_device_takes_its_queue_along(registry):
    create(registry)
    registry.send_c2d_message("d1", "old")
    registry.delete_device("d1")
    create(registry)
    assert registry.get_device("d1").cloud_to_device_message_count == 0


@pytest.mark.parametrize("policy", ["service", "device"])
def test_a_policy_without_the_right_cannot_read(hub, registry, policy):
    create(registry)
    other = IoTHubRegistryManager.from_connection_string(hub.connection_string(policy))
    assert refused(401, other.get_device, "d1").headers["iothub-errorcode"] == "IotHubUnauthorized"


def test_reading_is_not_writing(hub, registry):
    create(registry)
    reader = IoTHubRegistryManager.from_connection_string(hub.connection_string("registryRead"))
    assert reader.get_device("d1").device_id == "d1"
    refused(401, reader.delete_device, "d1")
    refused(401, create, reader, "d2")


def test_a_wrong_key_of_a_policy_is_refused(hub, registry):
    wrong = hub.connection_string("iothubowner").rsplit("SharedAccessKey=", 1)[0] + "SharedAccessKey=" + KEYS[0]
    other = IoTHubRegistryManager.from_connection_string(wrong)
    assert refused(401, other.get_device, "d1").headers["iothub-errorcode"] == "IotHubUnauthorizedAccess"
