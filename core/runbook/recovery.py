"""The recovery: ten tasks, from leaked credentials to a database whose keys have the type that the code expects."""

from __future__ import annotations

from core.runbook.model import Runbook
from core.runbook.tasks import (
    task_01_rotate,
    task_02_investigate,
    task_03_backup,
    task_04_decide,
    task_05_rehearse,
    task_06_schedule,
    task_07_convert,
    task_08_monitor,
    task_09_document,
    task_10_resume,
)

RECOVERY = Runbook(
    "recovery",
    (
        task_01_rotate.TASK,
        task_02_investigate.TASK,
        task_03_backup.TASK,
        task_04_decide.TASK,
        task_05_rehearse.TASK,
        task_06_schedule.TASK,
        task_07_convert.TASK,
        task_08_monitor.TASK,
        task_09_document.TASK,
        task_10_resume.TASK,
    ),
)
