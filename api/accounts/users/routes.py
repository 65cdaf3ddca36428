"""Routes of /api/users: the signed-in user's profile, channels, phone, Telegram chat, and browsers of web push."""

from typing import Any

from flask import Response, request

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.accounts.users.preference_schemas import NotificationChanges, NotificationState
from api.accounts.users.preferences import read_preferences
from api.accounts.users.push_devices import (
    DeviceAnswer,
    DeviceList,
    NewDevice,
    add_device,
    list_devices,
    remove_device,
)
from api.accounts.users.schemas import (
    CodeOfPhone,
    DeletionWish,
    ExportAnswer,
    ProfileChange,
    TelegramLinkState,
    TelegramUrl,
)
from api.accounts.users.service import change_notifications, change_profile, confirm_number, link_chat
from api.accounts.users.telegram_links import read_link, start_link
from api.ground.background_nudges import ask_job
from api.ground.schemas import IdPath
from api.models.base import read_once, write_once
from api.models.job import MAINTENANCE
from api.privacy.access import delete_signed_in
from api.privacy.exports import open_file, read_export, start_export
from api.web.auth import current_user_id, require_confirmed_address, require_recent_proof
from api.web.openapi import BODY, declare_errors, make_blueprint
from api.web.public_answers import send_export
from api.web.stranger_mail import count_new_email

_ZIP = {
    "description": "The archive",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}

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


@blueprint.get("/export", responses={200: ExportAnswer, 202: ExportAnswer, **declare_errors(401, 403)})
def export_data() -> tuple[dict[str, Any], int]:
    """Get a copy of everything about the account: the first call has it made, 202 until it is, 200 for a day.

    A mail says when it is ready. A day after that the next call has another one made.
    """
    require_confirmed_address()
    export = write_once(start_export, current_user_id())
    if export.ready_at is None and not export.attempts:
        ask_job(MAINTENANCE, "make_exports")
    return ExportAnswer.of(export).as_json(), 200 if export.ready_at else 202


@blueprint.get("/export/file", responses={200: _ZIP, **declare_errors(401, 403, 404)})
def download_export() -> Response:
    """Download the export that is ready. Needs a recent proof: it can reveal a person's immigration status."""
    require_recent_proof()
    export = read_once(read_export, current_user_id())
    return send_export(open_file(export))


@blueprint.delete("/me", responses={204: None, **declare_errors(*BODY, 401, 403, 409)})
def delete_me(body: DeletionWish) -> tuple[str, int]:
    """Delete the account and everything that names its owner, at once. Needs a recent proof.

    While a plan runs the answer is 409 with what is `lost`, until the body says `understood`. A subscription is
    cancelled. Payments stay for the accounts, without a name.
    """
    require_recent_proof()
    delete_signed_in(understood=body.understood)
    return "", 204


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
