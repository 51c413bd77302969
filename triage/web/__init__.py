"""The desk in a browser: pages that show what the Desk says and post what a person decided.

Rule of the room: a handler reads the form, calls one Desk method, renders; no rules, no database,
no inline script or style. Patient text is revealed in templates only and never stands in a URL.
"""
