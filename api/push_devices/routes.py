"""Routes of /api/users/push-devices: the browsers that get the signed-in user's messages by web push."""

from typing import Any

from api.middleware.auth import current_user_id
from api.middleware.openapi_helpers import BODY, declare_errors, make_blueprint
from api.models.base import session
from api.push_devices.schemas import DeviceAnswer, DeviceList, NewDevice
from api.push_devices.service import add_device, list_devices, remove_device
from api.schemas import IdPath

blueprint = make_blueprint(
    "push_devices",
    __name__,
    "/api/users/push-devices",
    "push devices",
    "Browsers that get messages by web push",
    signed_in=True,
)


@blueprint.get("", responses={200: DeviceList, **declare_errors(401)})
def show_devices() -> dict[str, Any]:
    """List the user's devices, with the key that a browser subscribes for."""
    with session() as s:
        return list_devices(s, current_user_id()).as_json()


@blueprint.post("", responses={200: DeviceAnswer, 201: DeviceAnswer, **declare_errors(*BODY, 401, 402, 409)})
def register_device(body: NewDevice) -> tuple[dict[str, Any], int]:
    """Add a browser by its subscription, five at most, and switch push on. Needs a plan that has push.

    The same endpoint again renews the device: 200. One that another account of this browser had is taken over.
    """
    with session() as s:
        added = add_device(s, current_user_id(), body)
    return added.device.as_json(), 201 if added.is_new else 200


@blueprint.delete("/<uuid:id>", responses={204: None, **declare_errors(401, 404)})
def delete_device(path: IdPath) -> tuple[str, int]:
    """Remove a device: nothing is sent to it any more."""
    with session() as s:
        remove_device(s, current_user_id(), path.id)
    return "", 204
