"""How good a model is, counted on messages whose writers and patterns are not in training.

Rule of the room: pure counting; every share comes with the numbers it was made of and an exact
interval, and the weak spots stand in the same table as the strong ones.
"""

from triage.evaluation.routes import Prediction, RouteReport, evaluate_routes

__all__ = [
    "Prediction",
    "RouteReport",
    "evaluate_routes",
]
