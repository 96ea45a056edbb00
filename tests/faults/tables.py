"""All faults, table by table."""

from faults import box_table, broker_table, camera_table, jobs_table, plc_table

FAULTS = (
    *jobs_table.FAULTS,
    *camera_table.FAULTS,
    *broker_table.FAULTS,
    *plc_table.FAULTS,
    *box_table.FAULTS,
)
