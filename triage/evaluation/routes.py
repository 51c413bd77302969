"""Counts how well messages are routed, found urgent, and how much is left to people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.classifiers.dataset import Row
from triage.classifiers.promises import PREVALENCES
from triage.domain import Classification, Route, Share, Urgency
from triage.evaluation.tables import table

#: What the issue of routing asks for; (name in metrics, at least or at most, figure).
TARGETS = (
    ("everyday_macro_f1", "≥", 0.90),
    ("hard_macro_f1", "≥", 0.80),
    ("urgent_recall", "≥", 0.98),
    ("everyday_false_alarms", "≤", 0.06),
    ("hard_false_alarms", "≤", 0.12),
    ("requests_found", "≥", 0.75),
    ("everyday_routed", "≥", 0.80),
    ("everyday_error_among_routed", "≤", 0.031),
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier, or the whole path, said of one message."""

    route: Route
    also: frozenset[Route] = frozenset()
    urgency: Urgency = Urgency.ROUTINE
    abstained: bool = False
    #: How sure it was of the route; 1 where nothing was said.
    confidence: float = 1.0
    #: Its best guess whether a person is asked or not; the route when left out.
    guess: Route | None = None

    @classmethod
    def of(cls, said: Classification) -> "Prediction":
        """Take what a classifier said."""
        return cls(said.route, said.also, said.urgency, said.abstained, said.confidence)

    @property
    def best(self) -> Route:
        """The best guess at the route."""
        return self.guess or self.route


@dataclass(frozen=True, slots=True)
class RouteReport:
    """The numbers of one set of predictions; `everyday` and `hard` are those of the parts."""

    messages: int
    macro_f1: float
    f1: Mapping[Route, float]
    right: Share
    #: Urgent messages that were called urgent, and emergencies called emergency.
    urgent_found: Share
    emergency_found: Share
    #: Calm messages that were called urgent; urgent ones among those called so.
    false_alarms: Share
    alarms_right: Share
    #: Further requests that are named anywhere in the answer, and named ones that are real.
    requests_found: Share
    requests_right: Share
    routed: Share
    wrong_among_routed: Share
    #: Mean distance between confidence and share of right routes, in ten steps of confidence.
    calibration_error: float
    everyday: "RouteReport | None" = None
    hard: "RouteReport | None" = None

    @property
    def alerts_per_100(self) -> float:
        """How many of 100 messages are called urgent."""
        return 100 * self.alarms_right.of / max(self.messages, 1)

    def urgent_in_100_alerts(self, prevalence: float) -> float:
        """How many of 100 alerts are urgent where this share of all messages is."""
        true = prevalence * self.urgent_found.value
        alerts = true + (1 - prevalence) * self.false_alarms.value
        return 100 * true / alerts if alerts else 0.0

    def lines(self) -> list[tuple[str, str]]:
        """Return what is measured and its value, for a table."""
        shown = [
            ("macro-F1 over the routes", f"{self.macro_f1:.3f}"),
            ("right route", str(self.right)),
            ("urgent messages found", str(self.urgent_found)),
            ("emergencies called emergency", str(self.emergency_found)),
            ("false alarms among calm messages", str(self.false_alarms)),
            ("urgent among those called urgent", str(self.alarms_right)),
            ("alerts per 100 messages here", f"{self.alerts_per_100:.1f}"),
        ]
        for prevalence in PREVALENCES:
            name = f"urgent in 100 alerts, if {prevalence:.1%} are urgent"
            shown.append((name, f"{self.urgent_in_100_alerts(prevalence):.1f}"))
        return [
            *shown,
            ("further requests found", str(self.requests_found)),
            ("named further requests that are real", str(self.requests_right)),
            ("routed without asking a person", str(self.routed)),
            ("wrong among those routed", str(self.wrong_among_routed)),
            ("calibration error (ECE)", f"{self.calibration_error:.3f}"),
        ]

    def flat(self, prefix: str = "") -> dict[str, float]:
        """Return the main numbers under names that start with `prefix`, for metrics.json."""
        numbers = {
            "messages": float(self.messages),
            "macro_f1": self.macro_f1,
            "urgent_recall": self.urgent_found.value,
            "urgent_recall_low": self.urgent_found.interval()[0],
            "false_alarms": self.false_alarms.value,
            "alerts_per_100": self.alerts_per_100,
            "requests_found": self.requests_found.value,
            "requests_right": self.requests_right.value,
            "routed": self.routed.value,
            "error_among_routed": self.wrong_among_routed.value,
            "calibration_error": self.calibration_error,
        }
        flat = {f"{prefix}{name}": round(value, 4) for name, value in numbers.items()}
        for name in ("everyday", "hard"):
            part = getattr(self, name)
            flat |= part.flat(f"{prefix}{name}_") if part else {}
        return flat


def evaluate_routes(
    rows: Sequence[Row], predictions: Sequence[Prediction], *, parts: bool = True
) -> RouteReport:
    """Count; `predictions` are those of `rows`, same order and length (else ValueError)."""
    pairs = list(zip(rows, predictions, strict=True))
    f1 = per_route_f1([row.route for row in rows], [said.best for said in predictions])
    alarms = [
        (row.urgency > Urgency.ROUTINE, said.urgency > Urgency.ROUTINE) for row, said in pairs
    ]
    further = [(row.also, {said.route, *said.also}) for row, said in pairs]
    named = [(said.also, {row.route, *row.also}) for row, said in pairs]
    right = [row.route is said.best for row, said in pairs]
    emergencies = [
        said.urgency is Urgency.EMERGENCY for row, said in pairs if row.urgency is Urgency.EMERGENCY
    ]
    routed = [(row.route, said.route) for row, said in pairs if not said.abstained]
    return RouteReport(
        messages=len(pairs),
        macro_f1=sum(f1.values()) / max(len(f1), 1),
        f1=f1,
        right=Share.among(right),
        urgent_found=Share.among(called for urgent, called in alarms if urgent),
        emergency_found=Share.among(emergencies),
        false_alarms=Share.among(called for urgent, called in alarms if not urgent),
        alarms_right=Share.among(urgent for urgent, called in alarms if called),
        requests_found=Share.among(route in said for asked, said in further for route in asked),
        requests_right=Share.among(route in asked for said, asked in named for route in said),
        routed=Share.among(not said.abstained for said in predictions),
        wrong_among_routed=Share.among(truth is not said for truth, said in routed),
        calibration_error=calibration_error([said.confidence for said in predictions], right),
        everyday=_part(pairs, hard=False) if parts else None,
        hard=_part(pairs, hard=True) if parts else None,
    )


def _part(pairs: Sequence[tuple[Row, Prediction]], *, hard: bool) -> RouteReport | None:
    """Return the report of the everyday or the hard messages; None when there are none."""
    chosen = [(row, said) for row, said in pairs if ("hard" in row.tags) is hard]
    if not chosen:
        return None
    rows, predictions = zip(*chosen, strict=True)
    return evaluate_routes(rows, predictions, parts=False)


def per_route_f1(goal: Sequence[Route], guess: Sequence[Route]) -> dict[Route, float]:
    """Return the F1 of each route that occurs in `goal`."""
    found: dict[Route, float] = {}
    for route in Route:
        if route not in goal:
            continue
        hits = sum(a is route and b is route for a, b in zip(goal, guess, strict=True))
        found[route] = 2 * hits / (goal.count(route) + guess.count(route))
    return found


def reliability(
    confidence: Sequence[float], right: Sequence[bool], *, steps: int = 10
) -> list[tuple[float, Share]]:
    """Return for each step of confidence that occurs its mean and the share that was right."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for sure, is_right in zip(confidence, right, strict=True):
        bins.setdefault(min(int(sure * steps), steps - 1), []).append((sure, is_right))
    return [
        (sum(sure for sure, _ in each) / len(each), Share.among(ok for _, ok in each))
        for _, each in sorted(bins.items())
    ]


def calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Return the expected calibration error (Naeini and others, 2015), 0 to 1."""
    distance = sum(
        abs(mean - share.value) * share.of for mean, share in reliability(confidence, right)
    )
    return distance / max(len(right), 1)


def compare(reports: Mapping[str, RouteReport]) -> str:
    """Return Markdown tables, a column per report: all, everyday, hard, F1 per route."""
    blocks = [_block("all messages", reports)]
    for part in ("everyday", "hard"):
        parts = {name: getattr(report, part) for name, report in reports.items()}
        if all(parts.values()):
            blocks.append(_block(f"{part} messages", parts))
    routes = list(next(iter(reports.values())).f1)
    scores = [
        [route.value, *(f"{report.f1[route]:.2f}" for report in reports.values())]
        for route in routes
    ]
    return "\n\n".join([*blocks, table(["F1 of the route", *reports], scores)])


def _block(name: str, reports: Mapping[str, RouteReport]) -> str:
    columns = [report.lines() for report in reports.values()]
    rows = [
        [line, *(column[place][1] for column in columns)]
        for place, (line, _) in enumerate(columns[0])
    ]
    count = next(iter(reports.values())).messages
    return table([f"{count} {name}", *reports], rows)


def verdicts(numbers: Mapping[str, float]) -> str:
    """Return a table of the targets and whether a report's `flat` numbers reach them."""
    rows = []
    for name, side, figure in TARGETS:
        found = numbers.get(name)
        if found is None:
            continue
        held = found >= figure if side == "≥" else found <= figure
        words = name.replace("_", " ")
        rows.append([words, f"{side} {figure:g}", f"{found:.3f}", "yes" if held else "no"])
    return table(["target", "wanted", "measured", "reached"], rows)
