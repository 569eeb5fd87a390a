"""The clock of every Python that finds this directory on its path is wrong, by so many seconds."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

if shift := float(os.environ.get("CHAOS_CLOCK_SHIFT_SECONDS", "0")):
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=shift), tick=True).start()
