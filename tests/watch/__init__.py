"""Safety-bar 30 and 31: whatever stops is told, to staff only, within three minutes."""
