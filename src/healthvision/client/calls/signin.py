# SPDX-License-Identifier: Apache-2.0
"""Signing in a person at a program without a browser (RFC 8628), and signing out."""

from healthvision.client.effects import Call, Operation, Pause
from healthvision.client.engine import deadline, left
from healthvision.client.errors import ApiError, ConnectionFailed, WaitTimeout
from healthvision.client.models import DeviceStart, TokenAnswer

CLIENT_ID = "healthvision-cli"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER_S = 5  # RFC 8628 section 3.5
LONGEST_PAUSE_S = 60.0


def start_device(*, scope: str = "", client_id: str = CLIENT_ID) -> Operation[DeviceStart]:
    """Ask for a code that a person types in a browser."""
    form = {"client_id": client_id, **({"scope": scope} if scope else {})}
    response = yield Call("POST", "/oauth/device_authorization", form=form)
    return DeviceStart.model_validate_json(response.content)


def wait_for_device(device: DeviceStart, *, client_id: str = CLIENT_ID) -> Operation[TokenAnswer]:
    """Poll as the server says until the person answered (RFC 8628 section 3.4 and 3.5).

    Raises ApiError 'access_denied' when the person refused, WaitTimeout when the code is too old.
    """
    until, pause = deadline(device.expires_in), float(device.interval)
    form = {
        "grant_type": DEVICE_GRANT,
        "client_id": client_id,
        "device_code": device.device_code,
    }
    while left(until) > 0:
        yield Pause(min(pause, left(until)))
        try:
            response = yield Call("POST", "/oauth/token", form=form)
        except ConnectionFailed:
            pause = min(LONGEST_PAUSE_S, pause * 2)
            continue
        except ApiError as error:
            if error.code == "slow_down":
                pause += SLOWER_S
            elif error.code == "expired_token":
                break
            elif error.code != "authorization_pending":
                raise
            continue
        return TokenAnswer.model_validate_json(response.content)
    raise WaitTimeout("nobody answered before the code was too old; start again")


def revoke(token: str, *, client_id: str = CLIENT_ID) -> Operation[None]:
    """Give a token back (RFC 7009); with it goes everything from the same sign-in."""
    yield Call("POST", "/oauth/revoke", form={"client_id": client_id, "token": token})
    return None
