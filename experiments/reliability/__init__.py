"""What breaks, breaks cleanly: faults made on purpose, and what becomes of them."""
