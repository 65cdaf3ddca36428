"""Routes of /api/users: the signed-in user's profile, channels, phone, Telegram chat, and browsers of web push."""

from typing import Any

from flask import request

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.ground.schemas import IdPath
from api.models.base import read_once, write_once
from api.users.preference_schemas import NotificationChanges, NotificationState
from api.users.preferences import read_preferences
from api.users.push_devices import (
    DeviceAnswer,
    DeviceList,
    NewDevice,
    add_device,
    list_devices,
    remove_device,
)
from api.users.schemas import CodeOfPhone, ProfileChange, TelegramLinkState, TelegramUrl
from api.users.service import change_notifications, change_profile, confirm_number, link_chat
from api.users.telegram_links import read_link, start_link
from api.web.auth import current_user_id, require_recent_proof
from api.web.openapi import BODY, declare_errors, make_blueprint
from api.web.stranger_mail import count_new_email

blueprint = make_blueprint(
    "users",
    __name__,
    "/api/users",
    "users",
    "The signed-in user: profile, channels, phone, Telegram",
    signed_in=True,
)


@blueprint.patch("/profile", responses={200: Account, **declare_errors(*BODY, 401, 402, 403)})
def change_user_profile(body: ProfileChange) -> dict[str, Any]:
    """Change the profile. A new e-mail address or number needs a recent proof, and takes effect when confirmed."""
    if body.email or body.phone:
        require_recent_proof()
    if body.email:
        count_new_email(body.email)
    write_once(change_profile, current_user_id(), body, request.remote_addr or "nobody")
    return _show_account()


@blueprint.get("/notifications", responses={200: NotificationState, **declare_errors(401)})
def show_notification_flags() -> dict[str, Any]:
    """Show what is switched on, by channel and group of messages, and when messages leave."""
    return read_once(read_preferences, current_user_id()).as_json()


@blueprint.patch("/notifications", responses={200: Account, **declare_errors(*BODY, 401, 409)})
def change_notification_flags(body: NotificationChanges) -> dict[str, Any]:
    """Switch channels and groups of messages on or off, and choose when messages leave.

    Account, payment and law mail cannot be switched off. GET shows the result.
    """
    write_once(change_notifications, current_user_id(), body)
    return _show_account()


@blueprint.post("/phone/verify", responses={200: Account, **declare_errors(*BODY, 401, 409)})
def verify_phone(body: CodeOfPhone) -> dict[str, Any]:
    """Confirm the new phone number by the code that the SMS had; five tries."""
    confirm_number(current_user_id(), body.code)
    return _show_account()


@blueprint.post("/telegram-link", responses={200: TelegramUrl, **declare_errors(401, 403)})
def start_telegram_link() -> dict[str, Any]:
    """Get a link to the bot, good once and for ten minutes: press Start there. Needs a recent proof.

    Say before that Telegram is not our processor: no contract protects what it gets, and it is outside the EU.
    """
    require_recent_proof()
    return write_once(start_link, current_user_id()).as_json()


@blueprint.get("/telegram-link", responses={200: TelegramLinkState, **declare_errors(401)})
def show_telegram_link() -> dict[str, Any]:
    """Show whether a chat pressed Start, and its name."""
    return read_once(read_link, current_user_id()).as_json()


@blueprint.post("/telegram-link/confirm", responses={200: Account, **declare_errors(401, 409)})
def confirm_telegram_link() -> dict[str, Any]:
    """Link the chat that pressed Start. A mail reports it."""
    link_chat(current_user_id())
    return _show_account()


def _show_account() -> dict[str, Any]:
    return read_once(read_account, current_user_id()).as_json()


devices = make_blueprint(
    "push_devices",
    __name__,
    "/api/users/push-devices",
    "push devices",
    "Browsers that get messages by web push",
    signed_in=True,
)


@devices.get("", responses={200: DeviceList, **declare_errors(401)})
def show_devices() -> dict[str, Any]:
    """List the user's devices, with the key that a browser subscribes for."""
    return read_once(list_devices, current_user_id()).as_json()


@devices.post("", responses={200: DeviceAnswer, 201: DeviceAnswer, **declare_errors(*BODY, 401, 402, 409)})
def register_device(body: NewDevice) -> tuple[dict[str, Any], int]:
    """Add a browser by its subscription, five at most, and switch push on. Needs a plan that has push.

    The same endpoint again renews the device: 200. One that another account of this browser had is taken over.
    """
    device, is_new = write_once(add_device, current_user_id(), body)
    return device.as_json(), 201 if is_new else 200


@devices.delete("/<uuid:id>", responses={204: None, **declare_errors(401, 404)})
def delete_device(path: IdPath) -> tuple[str, int]:
    """Remove a device: nothing is sent to it any more."""
    write_once(remove_device, current_user_id(), path.id)
    return "", 204
