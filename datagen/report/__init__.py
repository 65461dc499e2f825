"""The report of a run: one self-contained page that shows what was kept, what was dropped, and why."""
