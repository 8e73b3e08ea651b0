# SPDX-License-Identifier: Apache-2.0
"""Walls around the calling process: no network, few files, few system calls, hard limits.

Standard library only: the walls must stand before any library starts a thread, since the kernel
confines the calling thread (and what it starts later), and gives a new user namespace to
single-threaded processes only. Linux: namespaces(7), landlock(7), seccomp(2).
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_MB = 1024 * 1024

# landlock(7): the same numbers on every architecture
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of known file rights
_NET_RIGHTS, _SCOPES = 0b11, 0b11  # bind and connect TCP; abstract sockets and signals
_NET_SINCE, _SCOPES_SINCE = 4, 6
_READ = _EXECUTE | _READ_FILE | _READ_DIR

_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/fonts", "/nix/store")
_SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
)
_READ_TREES = ("/sys/devices/system", "/sys/fs/cgroup", "/proc/self", "/proc/driver/nvidia")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random")

# seccomp(2): system calls by architecture; io_uring would go around every filter
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
# add_key request_key userfaultfd perf_event_open init_module finit_module kexec_load reboot
_MORE_X86_64 = (248, 249, 323, 298, 175, 313, 246, 169)
_MORE_AARCH64 = (217, 218, 282, 241, 105, 273, 104, 142)
_FORBIDDEN = {
    # ptrace process_vm_readv/writev, mount umount2 pivot_root chroot, unshare setns, bpf keyctl
    "x86_64": (101, 310, 311, 165, 166, 155, 161, 272, 308, 321, 250, *_MORE_X86_64),
    "aarch64": (117, 270, 271, 40, 39, 41, 51, 97, 268, 280, 219, *_MORE_AARCH64),
}
_FORBIDDEN_ALIKE = (425, 426, 427, 428, 429, 430, 431, 432, 438, 440, 442)
_AF_UNIX, _X32 = 1, 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_CALL_AT, _ARCH_AT, _ARGUMENT_AT = 0, 4, 16  # the low half of the first argument
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """End when the parent ends, and never gain rights by a set-uid program."""
    libc = _libc()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def limit(limits: Mapping[str, int]) -> None:
    """Set the hard limits of memory, processor time, file size, files and processes.

    Address space has room for libraries and thread stacks; resident memory, which is what the
    budget means, is watched by the parent. The kernel does not count processes of root; the
    parent does.
    """
    space = (limits["memory_mb"] + limits["address_slack_mb"]) * _MB
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    cpu = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    size = limits["output_mb"] * _MB
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processes(count: int) -> None:
    """Allow so many processes and threads; only inside a user namespace is the count its own."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    count = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (count, count))


def cut_network() -> bool:
    """Enter an empty network namespace; False when the kernel refuses."""
    libc = _libc()
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            try:
                Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
            except OSError:
                continue  # an unmapped user has even fewer rights
        return _only_loopback()
    return libc.unshare(_CLONE_NEWNET) == 0 and _only_loopback()


def network_id() -> int:
    """Return the number of the network namespace this process is in."""
    return os.stat("/proc/self/ns/net").st_ino


def _only_loopback() -> bool:
    lines = Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return {line.split(":")[0].strip() for line in lines} <= {"lo"}


def files_version() -> int:
    """Return the version of the kernel's Landlock, 0 when it has none."""
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, _VERSION)))


def confine_files(folder: Path, module_paths: Iterable[str]) -> bool:
    """Leave read access to the interpreter, libraries and modules, write access to ``folder``.

    ``module_paths``: folders that modules are imported from; in those outside the interpreter
    only packages and modules can be read, so that a data folder beside them stays shut. False
    when the kernel knows no Landlock; then nothing is confined.
    """
    libc, version = _libc(), files_version()
    if version == 0:
        return False
    known = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    net = _NET_RIGHTS if version >= _NET_SINCE and _only_loopback() else 0
    scopes = _SCOPES if version >= _SCOPES_SINCE else 0
    layout = struct.pack("=QQQ", known, net, scopes)
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _NET_SINCE else 8
    ruleset = libc.syscall(_CREATE_RULESET, layout, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for path, rights in _rules(folder, module_paths, known):
            _allow(libc, ruleset, path, rights & known)
        return int(libc.syscall(_RESTRICT_SELF, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _rules(folder: Path, module_paths: Iterable[str], known: int) -> list[tuple[str, int]]:
    everything = known & ~_EXECUTE
    rules = [(path, _READ) for path in (*_SYSTEM_FOLDERS, *_interpreter())]
    rules += [(path, _READ_FILE) for path in _SYSTEM_FILES]
    rules += [(path, _READ_FILE | _READ_DIR) for path in _READ_TREES]
    rules += [(path, _READ_FILE | _WRITE_FILE) for path in _DEVICES]
    rules += [(str(p), _READ_FILE | _WRITE_FILE | _IOCTL_DEV) for p in Path("/dev").glob("nvidia*")]
    for path in module_paths:
        rules += [(str(found), _READ) for found in _modules_in(Path(path))]
        rules.append((path, _READ_DIR))
    return [*rules, (str(folder), everything)]


def _interpreter() -> set[str]:
    return {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}


def _modules_in(folder: Path) -> list[Path]:
    if not folder.is_dir() or any(folder.is_relative_to(root) for root in _interpreter()):
        return []
    return [
        entry
        for entry in folder.iterdir()
        if entry.suffix in (".py", ".so", ".dist-info", ".egg-info", ".libs")
        or (entry / "__init__.py").is_file()
    ]


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_RIGHTS
        layout = struct.pack("=Qi", rights, descriptor)
        if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, layout, 0) != 0:
            raise OSError(ctypes.get_errno(), "no rule for a path of the sandbox")
    finally:
        os.close(descriptor)


def confine_calls() -> bool:
    """Refuse local sockets, tracing, mounts, namespaces and io_uring (seccomp, EPERM).

    A local socket by path would lead to a database or a container engine on this machine,
    whatever the network namespace. False where the architecture is not known or the kernel
    refuses.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH or sys.byteorder != "little":
        return False
    program = _filter(machine)
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    order = Program(len(program) // 8, ctypes.addressof(code))
    mode_filter = 2
    return int(_libc().prctl(_PR_SET_SECCOMP, mode_filter, ctypes.byref(order), 0, 0)) == 0


def _filter(machine: str) -> bytes:
    """Return a classic BPF program over ``struct seccomp_data`` (nr, arch, ip, args)."""

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("<HBBI", code, yes, no, value)

    forbidden = (*_FORBIDDEN[machine], *_FORBIDDEN_ALIKE)
    steps = [
        step(_LOAD, _ARCH_AT),
        step(_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        step(_RETURN, _KILL),
        step(_LOAD, _CALL_AT),
        step(_AT_LEAST, _X32, 0, 1),
        step(_RETURN, _REFUSE),
        step(_EQUAL, _CLONE3, 0, 1),
        step(_RETURN, _UNKNOWN),  # its flags lie in memory; libraries fall back to clone
        step(_EQUAL, _SOCKET[machine], 0, 4),
        step(_LOAD, _ARGUMENT_AT),
        step(_EQUAL, _AF_UNIX, 0, 1),
        step(_RETURN, _REFUSE),
        step(_RETURN, _ALLOW),
        step(_EQUAL, _CLONE[machine], 0, 5),
        step(_LOAD, _ARGUMENT_AT),
        step(_AND, _NEW_NAMESPACES),
        step(_EQUAL, 0, 0, 1),
        step(_RETURN, _ALLOW),
        step(_RETURN, _REFUSE),
    ]
    for number, call in enumerate(forbidden):
        steps.append(step(_EQUAL, call, len(forbidden) - number, 0))
    return b"".join([*steps, step(_RETURN, _ALLOW), step(_RETURN, _REFUSE)])
