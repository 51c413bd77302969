"""What colleagues agreed on holds in the database, too: two approvers, notes, no urgent sleep.

Rule of the room: as in `guards.py`, which makes them all.
"""

from triage.store.guard import Guard, changed, exists

#: Rows of these are never changed once written; they never go away.
WRITTEN_ONCE = ("first_approvals", "notes", "two_needed")
KEPT = (*WRITTEN_ONCE, "mentions", "two_approvers")
_SAID = "approvals.id = NEW.approval_id"


def _in(column: str) -> str:
    """Return the condition that a JSON list of words holds the ruled route."""
    text = f"CAST({column} AS text)"
    return f"REPLACE({text}, '\"' || two_approvers.route || '\"', '') <> {text}"


#: As `demanded` in `second.py` has it: the case's routes, and those its approver took it from.
_DEMANDED = exists(
    "two_approvers, cases, approvals",
    f"{_SAID} AND cases.id = NEW.case_id AND two_approvers.clinic = NEW.clinic"
    " AND (two_approvers.off_at IS NULL OR two_approvers.off_by = approvals.approver)"
    f" AND (cases.route = two_approvers.route OR {_in('cases.also')} OR "
    + exists(
        "labels",
        "labels.case_id = NEW.case_id AND labels.by = approvals.approver AND"
        f" (labels.shown_route = two_approvers.route OR {_in('labels.shown_also')})",
    )
    + ")",
)
#: As `keep_need` in `two_needed.py` wrote it; nothing that is sorted or set later takes it away.
_NEEDED = exists("two_needed", "two_needed.case_id = NEW.case_id")
_SECONDED = exists(
    "first_approvals, approvals, users",
    f"{_SAID} AND first_approvals.reply_id = NEW.id AND first_approvals.clinic = NEW.clinic"
    " AND first_approvals.digest = NEW.digest AND first_approvals.approver <> approvals.approver"
    " AND users.id = first_approvals.approver AND users.clinic = NEW.clinic AND users.active",
)
_ALONE = f"({_DEMANDED} OR {_NEEDED}) AND NOT {_SECONDED}"


def _on(row: str) -> str:
    return f"({row}.route = two_approvers.route OR {_in(f'{row}.also')})"


#: A case goes to routes that want one approver from one that wants two.
_LEAVES = "(NEW.route <> OLD.route OR CAST(NEW.also AS text) <> CAST(OLD.also AS text)) AND " + (
    exists(
        "two_approvers",
        "two_approvers.clinic = OLD.clinic AND two_approvers.off_at IS NULL"
        f" AND {_on('OLD')} AND NOT {_on('NEW')}",
    )
)
#: What needs no proof key to be judged.
_AS_WRITTEN = (
    Guard("notes", "INSERT", "this note exists", exists("notes", "notes.id = NEW.id")),
    Guard(
        "mentions",
        "UPDATE",
        "whom it names stays",
        changed(("id", "clinic", "note_id", "case_id", "user_id")),
    ),
    Guard("two_approvers", "UPDATE", "which route stays", changed(("clinic", "route"))),
    Guard(
        "two_approvers",
        "INSERT",
        "it begins switched on",
        "NEW.off_at IS NOT NULL OR NEW.off_by IS NOT NULL OR "
        + exists(
            "two_approvers",
            "two_approvers.clinic = NEW.clinic AND two_approvers.route = NEW.route",
        ),
    ),
    Guard(
        "two_approvers",
        "UPDATE",
        "somebody switches it off",
        "(NEW.off_at IS NULL) <> (NEW.off_by IS NULL)",
    ),
    Guard(
        "cases",
        "UPDATE",
        "an urgent case never sleeps",
        "NEW.lane = 'snoozed' AND (NEW.urgency > 0 OR NEW.home_lane NOT IN ('sorted', 'unsorted'))",
    ),
    Guard(
        "cases",
        "UPDATE",
        "the need of two is kept",
        f"{_LEAVES} AND NOT " + exists("two_needed", "two_needed.case_id = OLD.id"),
    ),
    Guard("cases", "INSERT", "a new case is awake", "NEW.lane = 'snoozed'"),
)


def among_colleagues(proven: str) -> tuple[Guard, ...]:
    """Return the guards; `proven` is the condition that a living proof key stands behind a yes."""
    return (
        Guard("replies", "INSERT", "two must approve", f"NEW.state <> 'draft' AND {_ALONE}"),
        Guard(
            "replies",
            "UPDATE",
            "two must approve",
            f"OLD.state = 'draft' AND NEW.state <> 'draft' AND {_ALONE}",
        ),
        Guard(
            "first_approvals",
            "INSERT",
            "the approver is nobody here",
            "NOT "
            + exists(
                "users", "users.id = NEW.approver AND users.clinic = NEW.clinic AND users.active"
            ),
        ),
        Guard("first_approvals", "INSERT", "no living proof key", f"NOT {proven}"),
        Guard(
            "first_approvals",
            "INSERT",
            "this yes exists",
            exists(
                "first_approvals",
                "first_approvals.id = NEW.id OR (first_approvals.reply_id = NEW.reply_id AND"
                " first_approvals.digest = NEW.digest AND first_approvals.approver = NEW.approver)",
            ),
        ),
        *_AS_WRITTEN,
    )
