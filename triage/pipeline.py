"""The path every message walks, and the one gate in it.

    fetch -> land -> parse -> redact -> classify -> prioritise -> draft -> queue  no human
    claim -> edit -> approve -> (undo window) -> dispatch -> send         a human, then the machine

Two promises, each a test of that name in tests/test_pipeline.py:
a message is never lost;
a reply is never sent twice, nor without a named person's approval of its exact words.

The order below is code, never configuration. A step that fails leaves the case in front of a
person, marked with what failed; nothing raises past the path.
"""
