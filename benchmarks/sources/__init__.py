"""What the five works say that this program is made after, and what it shows of the same."""
