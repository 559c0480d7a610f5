"""What each way of teaching a student gains, and what it costs."""
