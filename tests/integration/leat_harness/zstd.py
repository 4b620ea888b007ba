# SPDX-License-Identifier: Apache-2.0
"""Everything that a .zst file holds, also one that is being written and so ends inside a frame.  The zstd program will
not do for that: it forgets up to 128 KiB that it has decoded already when a frame ends early."""
import ctypes


class _Buffer(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]


_lib = ctypes.CDLL("libzstd.so.1")
_lib.ZSTD_createDStream.restype = ctypes.c_void_p
_lib.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
_lib.ZSTD_decompressStream.restype = ctypes.c_size_t
_lib.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer)]
_lib.ZSTD_isError.argtypes = [ctypes.c_size_t]

_CHUNK = 1 << 17


def decode(data):
    """What comes before the first byte that is not zstd, or before the end."""
    stream = _lib.ZSTD_createDStream()
    source = ctypes.create_string_buffer(data, len(data))
    target = ctypes.create_string_buffer(_CHUNK)
    given = _Buffer(ctypes.addressof(source), len(data), 0)
    out = []
    try:
        while True:
            taken = _Buffer(ctypes.addressof(target), _CHUNK, 0)
            before = given.pos
            status = _lib.ZSTD_decompressStream(stream, ctypes.byref(taken), ctypes.byref(given))
            if _lib.ZSTD_isError(status):
                return b"".join(out)
            out.append(target.raw[:taken.pos])
            if given.pos == before and taken.pos == 0:
                return b"".join(out)
    finally:
        _lib.ZSTD_freeDStream(stream)
