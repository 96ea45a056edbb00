"""The technicians' page: what the station does, and the parts that wait for a person."""
