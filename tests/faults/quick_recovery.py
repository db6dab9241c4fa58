"""The recovery in an engine of a test's: it asks a service that is a test's, too, without long pauses."""

from __future__ import annotations

from core.runbook.conversion_day import begin_maintenance, fencing, probing
from core.runbook.recovery import RECOVERY as _RECOVERY

probing.ASK_EVERY = 0.05
fencing.LOOK_EVERY = 0.1
begin_maintenance.STOPPED_WITHIN = 1.0

RECOVERY = _RECOVERY
