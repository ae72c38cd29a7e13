"""What a run leaves behind: its folder, and the sinks that also show it elsewhere."""
