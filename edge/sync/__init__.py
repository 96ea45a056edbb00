"""The post, device side: records and images to the trainer; only its ack says *delivered*."""
