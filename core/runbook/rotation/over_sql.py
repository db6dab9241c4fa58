"""A password set over SQL: one role, one password, so the order decides (`core.runbook.rotation.successor`)."""

from __future__ import annotations

from core.errors import Refused
from core.hosting.interface import Host
from core.runbook.rotation.sessions import end_old_sessions, now
from core.runbook.rotation.successor import Rotation, services_have_it, store_successor
from core.runbook.rotation.variables import can_change, change, put_into_effect
from core.secrets.login import is_accepted
from core.secrets.role_password import set_role_password


async def rotate_over_sql(rotation: Rotation, host: Host) -> None:
    """Change the variables, set the password, have it read, and end what was opened with the old one.

    Raises:
        PgrecastError: some part failed; it can be called again, and goes on from there.
    """
    await store_successor(rotation)
    automatic = can_change(host)
    if automatic:
        await change(host, rotation)
    new = rotation.new.on(rotation.spec)
    if not await is_accepted(new):
        await _set_password(rotation)
    elif rotation.progress.altered_at is None:  # interrupted right after it came into force
        await rotation.note(altered_at=await now(new))
    rotation.spec = new
    if automatic:
        await put_into_effect(host, rotation)
    elif not rotation.progress.proved:
        await services_have_it(rotation)
    await end_old_sessions(rotation, rotation.spec)


async def _set_password(rotation: Rotation) -> None:
    if not await is_accepted(rotation.old.on(rotation.spec)):
        raise Refused(
            f"Neither the old nor the new login of {rotation.old.user} is let in: somebody else has set another password.",
            advice="Find out who; set the password that is kept by hand, as the database's administrator, and run the step again.",
        )
    altered = await set_role_password(rotation.old.on(rotation.spec), rotation.new.password)
    await rotation.note(role=altered.role, altered_at=altered.at)
    await rotation.context.say(f"The password of {altered.role} is set, by a verifier computed here.")
