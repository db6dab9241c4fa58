"""Downloads a finished export: from where Render says, without the API's key, which is nothing to that place."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
from pydantic import SecretStr

from core.errors import HostingError
from core.hosting.render.failures import UNCHANGED
from core.redaction import redactor
from core.settings.hosting import is_loopback

SILENCE = 60.0
"""Seconds without a byte after which a download has failed."""
PIECE = 1024 * 1024
ADVICE = "Try again; an export can be downloaded for a few days, and a new one can be made."


async def download(url: SecretStr, path: Path, *, silence: float = SILENCE) -> None:
    """Write what a URL holds to a new file of mode 0600, which is there only once it is whole.

    Raises:
        HostingError: it could not be fetched or written; nothing is left of it.
    """
    redactor.add(url)
    address = url.get_secret_value()
    if not address.startswith("https://") and not is_loopback(address):
        raise HostingError(
            "Render names an address for the export that is not encrypted.", state=UNCHANGED, advice=ADVICE
        )
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        await _fetch(address, part, silence)
        part.rename(path)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(redactor.redact(str(error) or type(error).__name__)) from None
    except OSError as error:
        raise _failed(f"{path.parent} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


async def _fetch(address: str, part: Path, silence: float) -> None:
    async with (
        httpx.AsyncClient(timeout=silence, trust_env=not is_loopback(address), follow_redirects=True) as client,
        # Encoded for the transport, it would not be the file that was made.
        client.stream("GET", address, headers={"Accept-Encoding": "identity"}) as response,
    ):
        if not response.is_success:
            raise _failed(f"the answer is {response.status_code}")
        size = 0
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            async for piece in response.aiter_raw(PIECE):
                await asyncio.to_thread(file.write, piece)
                size += len(piece)
            await asyncio.to_thread(os.fsync, file.fileno())
        if not size:
            raise _failed("it is empty")


def _failed(why: str) -> HostingError:
    return HostingError(f"The export could not be downloaded: {why.rstrip('.')}.", state=UNCHANGED, advice=ADVICE)
