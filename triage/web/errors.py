"""One table from what went wrong to what the browser is told.

Rule of the room: the most exact class in the table decides; what a person typed is never quoted.
"""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from triage import errors
from triage.web.pages import pages

log = logging.getLogger("triage.web")

#: Error -> (HTTP status, headline). Whatever is not listed is a 500.
TABLE: Mapping[type[errors.TriageError], tuple[int, str]] = {
    errors.NotAllowed: (403, "Your role does not include this"),
    errors.NameTaken: (409, "This user name is taken"),
    errors.LastAdministrator: (409, "Somebody must administer the clinic"),
    errors.WeakPassword: (409, "Choose another password"),
    errors.NotYourself: (409, "Not for yourself"),
    errors.BadPractice: (409, "This setting cannot be used"),
    errors.BadContact: (409, "This contact cannot be kept"),
    errors.NoReason: (409, "A reason is needed"),
    errors.NoWords: (409, "A sentence is needed"),
    errors.SecondApprover: (409, "A second person must approve this"),
    errors.GateShut: (409, "The candidate did not pass the release gate"),
    errors.ForeignForm: (403, "This page was out of date"),
    errors.ProofRefused: (403, "The approval does not hold"),
    errors.NoProofKey: (409, "Sign in again before you approve"),
    errors.NotFound: (404, "There is nothing here"),
    errors.MissingModel: (404, "There is no such model"),
    errors.Erased: (410, "This was erased"),
    errors.OnHold: (409, "A legal hold forbids this"),
    errors.ChangedUnderneath: (409, "It changed while you were looking"),
    errors.AlreadyEntered: (409, "This was entered already"),
    errors.AlreadyClaimed: (409, "Somebody else is on this case"),
    errors.NoRecipient: (409, "Nobody to answer yet"),
    errors.NoConsent: (409, "No e-mail to this patient"),
    errors.UnconfirmedFact: (409, "A fact has no source"),
    errors.UncheckedWords: (409, "These words could not be checked"),
    errors.UnwritableWords: (409, "These words cannot be sent as they are"),
    errors.UnfilledPlace: (409, "Something is still to be filled in"),
    errors.WrongPatient: (409, "Another patient is named in these words"),
    errors.OutOfScope: (409, "A nurse has to approve this"),
    errors.PlantedError: (409, "This was a drill"),
    errors.OutcomeIncomplete: (409, "Who, and what was said?"),
    errors.FormRefused: (409, "This file is not taken"),
    errors.NotAnswerable: (409, "This cannot be done for this case"),
    errors.OpenRequest: (409, "A request is still open"),
    errors.CannotPromise: (409, "This cannot be promised"),
    errors.LeakFound: (409, "Something in these rows is still readable"),
    errors.TooLate: (409, "Too late to take it back"),
    errors.TooSoon: (409, "Nobody can have read this yet"),
    errors.TooManyTries: (429, "Too many tries"),
    errors.StoreLocked: (503, "The database is busy"),
    # A full or broken disk: what was typed is still in the form, and nothing of it was kept.
    errors.StoreRefused: (503, "Nothing can be kept just now"),
    errors.TriageError: (500, "Something is not as it should be"),
}
#: The page that an emergency opens.
CASE = "/case/{case_id}"
#: What the web server itself refuses.
PLAIN: Mapping[int, tuple[str, str]] = {
    404: ("There is nothing here", "Go back to the queue."),
    405: ("This cannot be done here", "Go back and use the buttons of the page."),
    422: ("This form was not complete", "Go back, look at every field and send it again."),
}


def install(app: FastAPI) -> None:
    """Make an application answer every error with a page."""
    app.add_exception_handler(errors.TriageError, _domain_error)
    app.add_exception_handler(RequestValidationError, _bad_form)
    app.add_exception_handler(HTTPException, _refused)


def status_of(error: errors.TriageError) -> tuple[int, str]:
    """Return the row of the table for an error: its own class first, then its parents."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def told(error: errors.TriageError) -> tuple[int, str, str]:
    """Return the status, the headline and the advice that a page gives for an error."""
    advice = " ".join((type(error).__doc__ or "").split())
    what = str(error.args[0]) if error.args else ""
    # Ids mean nothing to the reader; sentences do.
    return *status_of(error), what if what.endswith(".") else advice


def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.TriageError)
    if isinstance(error, errors.NotSignedIn):
        return _to_log_in(request, way_in(error))
    if isinstance(error, errors.HookRefused):
        # A machine asked: one line, and when to come again where that would help.
        later = {"Retry-After": "60"} if error.status in (429, 503) else None
        return PlainTextResponse(f"{error}\n", error.status, headers=later)
    status, headline, advice = told(error)
    if status >= 500:
        log.error("a page failed: %(error)s", errors.blame(error))
    return _page(request, status, headline, advice)


def _shut_case(request: Request, status: int) -> str:
    """Return the case this page would have shown to somebody whose work it is, else nothing."""
    route = getattr(request.scope.get("route"), "path", "")
    return request.path_params["case_id"] if (status, route) == (403, CASE) else ""


def _bad_form(request: Request, _: Exception) -> Response:
    return _page(request, 422, *PLAIN[422])


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headline, advice = PLAIN.get(error.status_code, ("This was refused", "Go back to the queue."))
    return _page(request, error.status_code, headline, advice)


def way_in(missing: errors.NotSignedIn) -> str:
    """Return the page on which somebody gives what is missing."""
    if isinstance(missing, errors.CodeWanted):
        return "/log-in/code"
    if isinstance(missing, errors.PasswordWanted):
        return "/log-in/password"
    return "/log-in/enrol" if isinstance(missing, errors.EnrolmentWanted) else "/log-in"


def _to_log_in(request: Request, path: str) -> Response:
    if "hx-request" in request.headers or request.headers.get("accept") == "application/json":
        return Response(status_code=401, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def _page(request: Request, status: int, headline: str, advice: str) -> Response:
    part = "hx-request" in request.headers
    name = "_trouble.html" if part else "error.html"
    response = pages(request).render(
        name,
        None,
        status=status,
        headline=headline,
        advice=advice,
        code=status,
        shut_case=_shut_case(request, status),
    )
    if part:
        # htmx puts the trouble where the person looks, and leaves the rest as it was.
        response.headers["HX-Retarget"] = "#trouble"
        response.headers["HX-Reswap"] = "innerHTML"
    return response
