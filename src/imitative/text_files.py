"""The text of a file, whatever it is encoded in, or which kind of file it is instead."""

from __future__ import annotations

from pathlib import Path

from imitative.errors import InputError, shown

_ARCHIVES = {
    b"PK\x03\x04": ("a zip archive, as .xlsx and .ods are", "export the table as csv"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "export the table as csv"),
    b"\x1f\x8b": ("a gzip archive", "unpack it"),
}


def read_bytes(path: Path, name: str) -> bytes:
    """What is in a file; a pipe or a device is refused, which may never end.

    Raises:
        InputError: when it is none.
        OSError: when it cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(name, "a pipe, a socket or a device", "a file or a folder", "save what it gives to a file")
    return path.read_bytes()


def read_text(path: Path, encoding: str = "utf-8", place: str = "") -> str:
    """The text of a file, without its byte-order mark.

    Raises:
        InputError: naming the byte that is not in `encoding`, or what kind of file it is instead.
        OSError: when the file cannot be read.
    """
    name = place or str(path)
    data = read_bytes(path, name)
    for start, (kind, remedy) in _ARCHIVES.items():
        if data.startswith(start):
            raise InputError(name, kind, "text", remedy)
    utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    if utf8 and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(name, "a UTF-16 file", "UTF-8", 'say encoding = "utf-16"')
    try:
        return data.decode("utf-8-sig" if utf8 else encoding).removeprefix("\ufeff")
    except LookupError:
        raise InputError(
            f"{name}: encoding", shown(encoding), "the name of a text encoding", 'such as "utf-8"'
        ) from None
    except UnicodeDecodeError as error:
        byte = (
            f"byte 0x{data[error.start]:02x} at offset {error.start}" if error.start < len(data) else "a cut-off file"
        )
        remedy = (
            'save it as UTF-8; a problem may say encoding = "latin-1"' if utf8 else "name the encoding it is written in"
        )
        raise InputError(name, byte, f"text in {encoding}", remedy) from None
    except UnicodeError as error:
        raise InputError(name, str(error), f"text in {encoding}", "name the encoding it is written in") from None
