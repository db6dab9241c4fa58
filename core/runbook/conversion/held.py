"""A question about a conversion whose transaction is held open meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from core.retype.execute import Conversion


async def answered_while_held(conversion: Conversion, question: Awaitable[str]) -> str:
    """The answer to the question, the transaction kept alive meanwhile.

    Raises:
        ConversionFailed: the connection was lost while nobody had answered.
    """
    asking = asyncio.ensure_future(question)
    holding = asyncio.create_task(conversion.hold())
    try:
        await asyncio.wait({asking, holding}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            holding.result()
        return await asking
    finally:
        # Not awaited one by one: a second cancellation of this step must not be taken for theirs.
        for task in (asking, holding):
            task.cancel()
        await asyncio.wait({asking, holding})
        for task in (asking, holding):
            if not task.cancelled():
                task.exception()  # looked at, or the loop would complain
