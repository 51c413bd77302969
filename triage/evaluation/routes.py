"""Counts how well messages are routed, found urgent, and how much is left to people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.classifiers.dataset import Row
from triage.domain import Classification, Route, Share, Urgency
from triage.evaluation.tables import table


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier, or the whole path, said of one message."""

    route: Route
    also: frozenset[Route] = frozenset()
    urgency: Urgency = Urgency.ROUTINE
    abstained: bool = False

    @classmethod
    def of(cls, said: Classification) -> "Prediction":
        """Take what a classifier said."""
        return cls(said.route, said.also, said.urgency, said.abstained)


@dataclass(frozen=True, slots=True)
class RouteReport:
    """The numbers of one set of predictions."""

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
    abstained: Share
    wrong_among_routed: Share
    everyday_right: Share
    hard_right: Share

    @property
    def alerts_per_100(self) -> float:
        """How many of 100 messages are called urgent."""
        return 100 * self.alarms_right.of / max(self.messages, 1)

    def lines(self) -> list[tuple[str, str]]:
        """Return what is measured and its value, for a table."""
        return [
            ("macro-F1 over the routes", f"{self.macro_f1:.3f}"),
            ("right route", str(self.right)),
            ("right route, everyday messages", str(self.everyday_right)),
            ("right route, hard messages", str(self.hard_right)),
            ("urgent messages found", str(self.urgent_found)),
            ("emergencies called emergency", str(self.emergency_found)),
            ("false alarms among calm messages", str(self.false_alarms)),
            ("urgent among those called urgent", str(self.alarms_right)),
            ("alerts per 100 messages", f"{self.alerts_per_100:.1f}"),
            ("further requests found", str(self.requests_found)),
            ("named further requests that are real", str(self.requests_right)),
            ("left to a person (abstained)", str(self.abstained)),
            ("wrong among those routed", str(self.wrong_among_routed)),
        ]

    def flat(self, prefix: str) -> dict[str, float]:
        """Return the main numbers under names that start with `prefix`, for metrics.json."""
        numbers = {
            "messages": float(self.messages),
            "macro_f1": self.macro_f1,
            "urgent_recall": self.urgent_found.value,
            "urgent_recall_low": self.urgent_found.interval()[0],
            "false_alarms": self.false_alarms.value,
            "alerts_per_100": self.alerts_per_100,
            "requests_found": self.requests_found.value,
            "abstained": self.abstained.value,
            "error_among_routed": self.wrong_among_routed.value,
        }
        return {f"{prefix}_{name}": round(value, 4) for name, value in numbers.items()}


def evaluate_routes(rows: Sequence[Row], predictions: Sequence[Prediction]) -> RouteReport:
    """Count; `predictions` are those of `rows`, same order and length (else ValueError)."""
    pairs = list(zip(rows, predictions, strict=True))
    f1 = per_route_f1([row.route for row in rows], [said.route for said in predictions])
    alarms = [
        (row.urgency > Urgency.ROUTINE, said.urgency > Urgency.ROUTINE) for row, said in pairs
    ]
    further = [(row.also, {said.route, *said.also}) for row, said in pairs]
    named = [(said.also, {row.route, *row.also}) for row, said in pairs]
    right = [row.route is said.route for row, said in pairs]
    hard = ["hard" in row.tags for row in rows]
    return RouteReport(
        messages=len(pairs),
        macro_f1=sum(f1.values()) / max(len(f1), 1),
        f1=f1,
        right=Share.among(right),
        urgent_found=Share.among([called for urgent, called in alarms if urgent]),
        emergency_found=Share.among(
            [
                said.urgency is Urgency.EMERGENCY
                for row, said in pairs
                if row.urgency is Urgency.EMERGENCY
            ]
        ),
        false_alarms=Share.among([called for urgent, called in alarms if not urgent]),
        alarms_right=Share.among([urgent for urgent, called in alarms if called]),
        requests_found=Share.among([route in said for asked, said in further for route in asked]),
        requests_right=Share.among([route in asked for said, asked in named for route in said]),
        abstained=Share.among([said.abstained for said in predictions]),
        wrong_among_routed=Share.among(
            [row.route is not said.route for row, said in pairs if not said.abstained]
        ),
        everyday_right=Share.among(
            [ok for ok, is_hard in zip(right, hard, strict=True) if not is_hard]
        ),
        hard_right=Share.among([ok for ok, is_hard in zip(right, hard, strict=True) if is_hard]),
    )


def per_route_f1(goal: Sequence[Route], guess: Sequence[Route]) -> dict[Route, float]:
    """Return the F1 of each route that occurs in `goal`."""
    found: dict[Route, float] = {}
    for route in Route:
        if route not in goal:
            continue
        hits = sum(a is route and b is route for a, b in zip(goal, guess, strict=True))
        found[route] = 2 * hits / (goal.count(route) + guess.count(route))
    return found


def tfidf_baseline(train: Sequence[Row], rows: Sequence[Row]) -> list[Prediction]:
    """Return what TF-IDF with logistic regression says, trained on the same messages."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from triage.classifiers.training import labelled

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = make_pipeline(words, LogisticRegression(C=20.0, max_iter=2000, class_weight="balanced"))
    model.fit([labelled(row).text for row in train], [row.route.value for row in train])
    guesses = [Route(guess) for guess in model.predict([labelled(row).text for row in rows])]
    return [
        Prediction(
            guess,
            urgency=Urgency.EMERGENCY if guess is Route.URGENT_CLINICAL else Urgency.ROUTINE,
        )
        for guess in guesses
    ]


def compare(reports: Mapping[str, RouteReport]) -> str:
    """Return one Markdown table with a column per report, then one of F1 per route."""
    columns = [report.lines() for report in reports.values()]
    rows = [
        [name, *(column[place][1] for column in columns)]
        for place, (name, _) in enumerate(columns[0])
    ]
    routes = list(next(iter(reports.values())).f1)
    scores = [
        [route.value, *(f"{report.f1[route]:.2f}" for report in reports.values())]
        for route in routes
    ]
    return "\n\n".join([table(["", *reports], rows), table(["F1 of the route", *reports], scores)])
