# SPDX-License-Identifier: Apache-2.0
"""Loopback may be down where the network is cut off altogether (``unshare -n``)."""

import array
import fcntl
import socket
import struct

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, net/if.h


def is_up() -> bool:
    """Tell whether 127.0.0.1 can be reached."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        try:
            socket.create_connection(server.getsockname(), timeout=2).close()
        except OSError:
            return False
    return True


def ensure_up() -> bool:
    """Bring loopback up when it is down and we may; returns whether it is up now."""
    if is_up():
        return True
    request = array.array("B", struct.pack("16sH14x", b"lo", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control, _GET_FLAGS, request)
            (flags,) = struct.unpack_from("H", request, 16)
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))
        except OSError:
            return False
    return is_up()
