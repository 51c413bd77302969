"""What the first migration makes, in parts; like every migration it is never edited later."""
