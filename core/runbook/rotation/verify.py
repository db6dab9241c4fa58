"""Step 1.7: the new logins work, whatever was leaked is dead, and nothing is kept longer than it must be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import get_args

from core.errors import Refused
from core.postgres.connection_spec import ConnectionSpec
from core.runbook.facts import CREDENTIALS_ROTATED, ROTATION_KEY
from core.runbook.gates import ROTATION
from core.runbook.model import StepContext
from core.runbook.rotation.key import can_check_keys
from core.runbook.rotation.successor import configured_password_holds, is_configured, progress_of
from core.runbook.state import StepStatus
from core.runbook.words import counted
from core.secrets.keep import Kept
from core.secrets.login import Login, is_accepted
from core.secrets.role_password import prove
from core.settings.targets import TargetName


async def verify_rotation(context: StepContext) -> str:
    """Prove every login anew, and record whether the credentials are rotated.

    Raises:
        Refused: something is not rotated yet.
        PgrecastError: a proof fails.
    """
    missing: list[str] = []
    unproved: list[str] = []
    for target in get_args(TargetName):
        if is_configured(context, target):
            unproved += await _verify(context, target, missing)
    await _verify_key(context, missing)
    if missing:
        await context.fact(CREDENTIALS_ROTATED, False)
        raise Refused(
            f"Not everything is rotated: {'; '.join(missing)}.",
            advice="Run these steps, and this one again; a step that only a person can do is ticked.",
        )
    stays = await _forget(context)
    if unproved:  # the gate goes by the ticks then
        return f"the logins work; not proved: {'; '.join(unproved)}"
    await context.fact(CREDENTIALS_ROTATED, True)
    done = [progress for target in get_args(TargetName) if (progress := progress_of(context, target)) is not None]
    left = max((progress.left_open for progress in done), default=0)
    open_ = f"; {counted(left, 'session')} opened with an old one were left open" if left else ""
    return f"SELECT 1 answers with each new login, each old one is refused{open_}{stays}"


async def _verify(context: StepContext, target: TargetName, missing: list[str]) -> Sequence[str]:
    """Prove a target's login; returns what stays unproved."""
    spec, _ = await context.target(target)
    if not await is_accepted(spec):
        raise Refused(f"The {target} database refuses the login of {spec.user}.", advice=f"Look at [targets.{target}].")
    await context.say(f"SELECT 1 answers on {target} ({spec}).")
    step = "1.5" if target == "production" else "1.6"
    found = Kept(context.run_directory).successor(target)
    if found is None:
        done = progress_of(context, target)
        if done is not None and done.proved:  # it was proved when it was forgotten
            return ()
        if context.state.step(step).status is not StepStatus.TICKED:
            missing.append(f"the {target} database's password (step {step})")
            return ()
        return await _by_hand(context, target, spec)
    await prove(spec, old=found[0], new=found[1])
    await context.say(f"The old login of {found[0].user} is refused on {target}.")
    return ()


async def _by_hand(context: StepContext, target: TargetName, spec: ConnectionSpec) -> Sequence[str]:
    """After a rotation by a person: the old password is asked for, since only it can prove that it is dead."""
    typed = await context.enter(
        f"The old password of {spec.user}, on {target}?",
        "Old password",
        secret=True,
        expires_in=context.settings.limits.confirmation,
        details=("The server must refuse it. Enter nothing to leave it unproved.",),
    )
    if typed is None:
        return (f"that {target}'s old password is refused",)
    if await is_accepted(Login(spec.user, typed).on(spec)):
        await context.fact(CREDENTIALS_ROTATED, False)
        raise Refused(
            f"The old password of {spec.user} is still let in on {target}.",
            state="The database is as it was.",
            advice="Rotate it, and run the step again.",
        )
    await context.say(f"The old password of {spec.user} is refused on {target}.")
    return ()


async def _verify_key(context: StepContext, missing: list[str]) -> None:
    """Prove the API key's rotation anew, where the host tells; otherwise it is on a person's word."""
    if not can_check_keys(context.settings):
        missing += [
            f"the API key (step {step})"
            for step in ROTATION[:2]
            if context.state.step(step).status is not StepStatus.TICKED
        ]
        return
    told: dict[str, bool] = context.state.facts.get(ROTATION_KEY) or {}
    if not (told.get("alive") and told.get("dead")):
        missing.append("the API key (step 1.3)")
        return
    kept = Kept(context.run_directory).api_key()
    if kept is None:
        return
    host = await context.host()
    if not await host.key_alive(kept[1]):
        raise Refused("The new API key is not taken by the host.", advice="Run step 1.4 again, with another key.")
    if kept[0] is not None and await host.key_alive(kept[0]):
        raise Refused(
            "The leaked API key is alive again.", advice="Revoke it in the dashboard, and run step 1.3 again."
        )
    await context.say("The new API key is answered with 200, the leaked one with 401.")


async def _forget(context: StepContext) -> str:
    """Keep no longer what the settings give by themselves; returns what stays, as a sentence's end."""
    kept = Kept(context.run_directory)
    stays: list[str] = []
    for targets, _, new in kept.logins():
        late = [t for t in targets if not await configured_password_holds(context, t, new)]
        stays += late
        if not late:
            kept.forget_login(targets[0])
    key = kept.api_key()
    if key is not None and await asyncio.to_thread(context.settings.read_host_api_key) == key[1]:
        kept.forget_api_key()
    elif key is not None:
        stays.append("the API key")
    if not stays:
        return ""
    await context.say(
        f"The settings still give the old secret of {' and '.join(stays)}: change them (or the environment in which "
        f"pgrecast is started), then run this step again. Until then the run keeps the new ones in {kept.path} (mode 0600)."
    )
    return f"; the settings still give the old secret of {' and '.join(stays)}"
