"""Long tests: with LINEGATE_LONG=1 they run at their full length, minutes to hours; without it they
do the same for seconds."""

import os

LONG = os.environ.get("LINEGATE_LONG") == "1"
