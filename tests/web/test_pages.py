"""What the pages show and what their forms do, on the real desk and store."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from markupsafe import escape

from tests.web.conftest import Visit
from tests.web.practice import MORNING, PEOPLE, Practice
from triage.desk.queue import OUTCOMES
from triage.domain import (
    FactKind,
    FactSource,
    IdentifierType,
    Lane,
    Mark,
    Protected,
    ReplyState,
    Role,
    Route,
    Stated,
    Urgency,
)
from triage.errors import HookRefused, NotAllowed, TriageError
from triage.web import counting, wording
from triage.web.errors import TABLE, status_of

Visits = Callable[[str], Visit]


def order(page: str, *words: str) -> list[str]:
    return sorted(words, key=page.index)


def approve(person: Visit, name: str, case_id: str) -> str:
    """Approve the saved words the way the page's script does; return the digest."""
    page = person.get(f"/case/{case_id}").text
    found = re.search(r'data-reply="(\w+)" data-digest="([0-9a-f]{64})"', page)
    assert found
    reply, digest = found.groups()
    proof = person.proof(PEOPLE[name].id, reply, digest)
    answer = person.decide(case_id, "approve", digest=digest, proof=proof)
    assert answer.status_code == 303
    return digest


def settle(practice: Practice, case_id: str, state: ReplyState, **more: str) -> None:
    """Let the sender take the newest reply and say what became of it."""
    reply = practice.desk.queue.open(PEOPLE["dana"], case_id).replies[0]
    taken = practice.store.replies.claim(reply.id, clinic="c1", by="sender")
    assert taken
    practice.store.replies.settle(reply.id, state, clinic="c1", by="sender", **more)


def follow_up(practice: Practice, key: str) -> None:
    """Let the patient of a letter write again in the same conversation."""
    letter = next(letter for letter in MORNING if letter.key == key)
    practice.receive(replace(letter, key=f"{key}-again", body="One more thing."), after=key)


@pytest.fixture
def hurried(practice: Practice) -> Practice:
    """The practice without an undo window, so that a reply can be sent at once."""
    practice.desk.replies._undo = timedelta(seconds=-1)
    return practice


def test_the_queue_has_urgent_on_top_and_says_why(visit: Visits) -> None:
    page = visit("dana").get("/queue").text
    subjects = ("Fiebre de mi hija", "Question about my next", "Refill of", "WIN a practice")
    assert order(page, *subjects)[:2] == ["Question about my next", "Fiebre de mi hija"]
    assert "Chest pain that spreads" in page
    assert "Who is this?" in page
    assert "Not read" in page
    assert "Subject or topic and text contradict each other" in page


def test_a_lane_without_the_urgent_ones_says_that_they_wait(visit: Visits) -> None:
    page = visit("dana").get("/queue?lane=sorted").text
    assert "Refill of lisinopril" in page
    assert "Fiebre" not in page
    assert "2 urgent" in page


def test_what_was_put_off_stands_last_and_says_until_when(
    practice: Practice, visit: Visits
) -> None:
    bill, dana = practice.cases["bill"], visit("dana")
    practice.desk.together.snooze(PEOPLE["dana"], bill, until=datetime.now(UTC) + timedelta(days=2))
    last = dana.get("/queue").text.split("<li ")[-1]
    assert bill in last
    assert "Put off until" in last
    assert 'class="due' not in last


def test_what_patients_write_never_becomes_markup(practice: Practice, visit: Visits) -> None:
    dana = visit("dana")
    for path in ("/queue", f"/case/{practice.cases['hostile']}"):
        page = dana.get(path).text
        assert "&lt;script&gt;top.owned" in page
        assert "<script>top" not in page
        assert "tracker.invalid" not in page
        assert "phish.invalid" not in page


def test_watching_the_queue_writes_no_audit(practice: Practice, visit: Visits) -> None:
    dana = visit("dana")
    before = practice.store.audit.heads()
    for _ in range(3):
        news = dana.get("/queue/version").json()
    assert practice.store.audit.heads() == before
    assert news["counts"]["urgent"] == 2
    practice.receive(replace(MORNING[0], key="again", writer=1))
    after = dana.get("/queue/version").json()
    assert after["counts"]["urgent"] == 3
    assert after["version"] != news["version"]


def test_a_page_that_lies_open_is_told_what_does_not_work(
    practice: Practice, visit: Visits
) -> None:
    dana = visit("dana")
    before = dana.get("/queue/version").json()
    practice.store.beats.beat("worker", notes=["no_classifier"])
    after = dana.get("/queue/version").json()
    assert not any("classifier" in one["text"] for one in before["banners"])
    assert any("classifier is not working" in one["text"] for one in after["banners"])
    # The queue did not change: no row is fetched and nothing moves under the cursor.
    assert after["version"] == before["version"]


def test_no_word_of_a_model_stands_where_a_case_is_closed(
    practice: Practice, visit: Visits
) -> None:
    dana = visit("dana")
    forms = 0
    for case_id in practice.cases.values():
        page = dana.get(f"/case/{case_id}").text
        form = re.search(r'<details class="card close".*?</details>', page, re.S)
        assert form
        file = practice.store.cases.get(case_id, clinic="c1", by="test")
        said = [
            line for one in file.messages for line in (*one.because, *one.classification.because)
        ]
        forms += bool(said)
        assert not [line for line in said if line and line in form[0]]
        # No outcome is chosen beforehand: a person says what was done.
        assert " checked" not in form[0]
        assert "></textarea>" in form[0]
    assert forms


def test_a_page_that_polls_is_told_to_sign_in_again(app: FastAPI) -> None:
    nobody = Visit(app)
    assert nobody.get("/queue/version", Accept="application/json").status_code == 401
    part = nobody.client.get("/queue", headers={"HX-Request": "true"})
    assert part.headers["HX-Redirect"] == "/log-in"


def test_a_case_shows_two_identifiers_the_reasons_and_the_suggestion(
    practice: Practice, visit: Visits
) -> None:
    page = visit("dana").get(f"/case/{practice.cases['refill']}").text
    for words in ("1957-08-14", "MRN40001", "Asks for a prescription", "router-1"):
        assert words in page
    assert "Dear Rosalind Keane" in page
    assert "Approve and send" not in page


def test_an_urgent_case_has_no_suggestion_and_asks_for_a_call(
    practice: Practice, visit: Visits
) -> None:
    page = visit("dana").get(f"/case/{practice.cases['chest']}").text
    assert "Call the patient" in page
    assert "pressing chest pain that goes into my left arm" in page
    assert "Suggested" not in page
    assert 'value="answered"' not in page


def test_another_person_s_claim_takes_the_forms_away(practice: Practice, visit: Visits) -> None:
    case = f"/case/{practice.cases['refill']}"
    milo, dana = visit("milo"), visit("dana")
    assert milo.post(f"{case}/claim").status_code == 303
    assert dana.post(f"{case}/claim").status_code == 409
    assert dana.post(f"{case}/draft", subject="s", body="b").status_code == 409
    page = dana.get(case).text
    assert "Milo Brandt is working on this" in page
    # A word to Milo is all that is left, and a look at the patient's other cases.
    assert re.findall(r'action="/case/\w+/([\w-]+)', page) == ["note", "everything"]
    assert "Take over" not in page
    assert "Milo Brandt" in dana.get("/queue").text
    assert milo.post(f"{case}/release").status_code == 303
    assert dana.post(f"{case}/claim").status_code == 303
    nia = visit("nia")
    assert f'action="{case}/take-over"' in nia.get(case).text
    assert nia.post(f"{case}/take-over", reason="Milo is ill").status_code == 303
    assert "Give back" in nia.get(case).text


def test_each_fact_links_to_its_source_where_one_may_open_it(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    refill = practice.cases["refill"]
    wanted: dict[FactSource, tuple[str, str]] = {
        FactSource.PORTAL: (f"/case/{refill}/portal",) * 2,
        FactSource.TEMPLATE: ("", "/templates/refill.en"),
        FactSource.CLINIC: ("", "/templates/refill.en#places"),
        FactSource.REPLY: ("#replies",) * 2,
        FactSource.RECORD: ("#who-name",) * 2,
        FactSource.CONTACT: ("", ""),
    }
    found = tuple(
        Stated(f"dose-{n}", FactKind.DOSE, Protected(f"{n} mg"), source)
        for n, source in enumerate(wanted)
    )
    monkeypatch.setattr("triage.desk.checking.facts_of", lambda *_: found)
    people = visit("dana"), visit("sam")
    dana = PEOPLE["dana"]
    words = {"subject": Protected("Yours"), "body": Protected("It is ready.")}
    practice.desk.replies.save(dana, refill, **words)
    for which, person in enumerate(people):
        page = person.get(f"/case/{refill}").text
        for source, places in wanted.items():
            said = re.escape(str(escape(wording.SOURCES[source])))
            link = re.search(rf'<a class="aside" href="([^"]+)">{said}</a>', page)
            assert (link[1] if link else "") == places[which], source
            assert re.search(rf'class="aside"[^>]*>{said}<', page)
        assert (
            wanted[FactSource.TEMPLATE][which] == ""
            or person.get(wanted[FactSource.TEMPLATE][which]).status_code == 200
        )


def test_words_are_saved_shown_exactly_and_approved_by_their_digest(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["refill"], visit("dana")
    words = "Dear Ms Keane,\r\n\r\nit is <ready> & waiting.\u202e "
    saved = dana.post(f"/case/{case_id}/draft", subject=" Your \n refill ", body=words)
    assert saved.headers["location"] == f"/case/{case_id}#check"
    page = dana.get(f"/case/{case_id}").text
    assert '<bdi data-field="subject">Your refill</bdi>' in page
    assert "Dear Ms Keane,\n\nit is &lt;ready&gt; &amp; waiting." in page
    assert 'data-code="U+202E"' in page
    assert "1 invisible character" in page
    approve(dana, "dana", case_id)
    page = dana.get(f"/case/{case_id}").text
    assert "Take it back" in page
    assert "Write a reply" not in page


def test_shorter_keeps_ticked_forms_and_a_wrong_weekday_is_named(
    practice: Practice, visit: Visits
) -> None:
    dana, case_id = visit("dana"), practice.cases["refill"]
    content = b"%PDF-1.4\nsign\n%%EOF"
    form = practice.desk.forms.add(PEOPLE["sam"], Protected("Consent.pdf"), content)
    words = {"subject": "Yours", "body": "Thank you for it. Come on Thursday, March 13, 2026."}
    ticked = dana.post(f"/case/{case_id}/shorter", **words, agreed="yes", form=form.id)
    assert ticked.status_code == 303
    page = dana.get(f"/case/{case_id}").text
    assert "this date is a Friday" in page
    assert "taken off the list" not in page
    draft = practice.desk.queue.open(PEOPLE["dana"], case_id).draft
    assert draft is not None
    assert draft.outgoing.attachments == (("Consent.pdf", form.digest),)
    practice.desk.forms.retire(PEOPLE["sam"], form.id)
    assert "taken off the list" in dana.get(f"/case/{case_id}").text


def test_a_run_goes_on_after_saving_and_past_what_cannot_be_approved(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["move"], visit("dana")
    words = {"subject": "s", "body": "Come on [DATE]."}
    saved = dana.post(f"/case/{case_id}/draft", **words, then="run")
    assert saved.headers["location"] == f"/case/{case_id}?run=1#check"
    page = dana.get(f"/case/{case_id}?run=1").text
    assert "Nothing can be approved until this is mended" in page
    assert f'href="/away/next?after={case_id}">Leave it, next' in page
    assert page.count('name="then" value="run"') >= 1


def test_in_a_run_the_reply_just_approved_is_taken_back_on_the_next_page(
    practice: Practice, visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.desk.checking.AT_ONCE", timedelta())
    dana, replies = visit("dana"), practice.desk.replies
    cases = [practice.cases[key] for key in ("refill", "bill")]
    for case_id in cases:
        practice.desk.queue.claim(PEOPLE["dana"], case_id)
        replies.save(PEOPLE["dana"], case_id, subject=Protected("s"), body=Protected("b"))
    first = dana.get("/away/next").headers["location"].split("?")[0].removeprefix("/case/")
    digest = dana.get(f"/case/{first}?run=1").text.partition('data-digest="')[2][:64]
    reply = practice.desk.queue.open(PEOPLE["dana"], first).draft
    assert reply
    proof = dana.proof("u-dana", reply.id, digest)
    answer = dana.decide(first, "approve", digest=digest, proof=proof, then="run")
    there = dana.get(answer.headers["location"]).headers["location"]
    (second,) = set(cases) - {first}
    assert there == f"/case/{second}?run=1&approved={reply.id}#run"
    page = dana.get(there).text
    assert f'action="/case/{first}/recall/{reply.id}"' in page
    # Left as it is, the next page shows it, too; and the run goes on where it is taken back.
    left = dana.get(f"/away/next?after={second}&approved={reply.id}")
    assert left.headers["location"] == f"/case/{first}#replies"
    back = dana.post(f"/case/{first}/recall/{reply.id}", then="run")
    assert back.headers["location"] == f"/case/{first}?run=1#replies"
    assert dana.get(f"/case/{second}?run=1&approved={'0' * 32}").status_code == 404
    assert dana.get(f"/case/{second}?run=1&approved=//elsewhere").status_code == 422


def test_words_that_changed_underneath_are_a_409(practice: Practice, visit: Visits) -> None:
    case_id, dana, sam = practice.cases["refill"], visit("dana"), visit("sam")
    dana.post(f"/case/{case_id}/draft", subject="s", body="first words")
    page = dana.get(f"/case/{case_id}").text
    ((reply, digest),) = re.findall(r'data-reply="(\w+)" data-digest="([0-9a-f]{64})"', page)
    sam.post(f"/case/{case_id}/draft", subject="s", body="other words", had=digest)
    proof = dana.proof("u-dana", reply, digest)
    answer = dana.decide(case_id, "approve", digest=digest, proof=proof)
    assert answer.status_code == 409
    assert "changed while you were looking" in answer.text
    assert practice.desk.queue.open(PEOPLE["dana"], case_id).replies == ()


def test_a_writer_may_write_and_not_send(practice: Practice, visit: Visits) -> None:
    case_id, wim = practice.cases["refill"], visit("wim")
    assert wim.post(f"/case/{case_id}/draft", subject="s", body="b").status_code == 303
    page = wim.get(f"/case/{case_id}").text
    assert "Exactly this leaves" in page
    assert "Approve and send" not in page
    form = {"digest": "0" * 64, "proof": "0" * 64, "seen": "x"}
    assert wim.post(f"/case/{case_id}/approve", **form).status_code == 403


def test_a_reply_taken_back_can_be_written_again(practice: Practice, visit: Visits) -> None:
    case_id, dana = practice.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="b")
    approve(dana, "dana", case_id)
    reply_id = practice.desk.queue.open(PEOPLE["dana"], case_id).replies[0].id
    assert dana.post(f"/case/{case_id}/recall/{reply_id}").status_code == 303
    page = dana.get(f"/case/{case_id}").text
    assert "Taken back" in page
    assert "Exactly this leaves" in page
    assert dana.post(f"/case/{case_id}/recall/{reply_id}").status_code == 409


def test_a_reply_the_server_took_says_so_with_its_receipt(hurried: Practice, visit: Visits) -> None:
    case_id, dana = hurried.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="b")
    approve(dana, "dana", case_id)
    reply_id = hurried.desk.queue.open(PEOPLE["dana"], case_id).replies[0].id
    waiting = dana.get(f"/case/{case_id}/reply/{reply_id}").text
    assert "hx-get" in waiting
    settle(hurried, case_id, ReplyState.SENT, receipt="250 accepted as 4711")
    taken = dana.get(f"/case/{case_id}/reply/{reply_id}?attempt=3").text
    assert "Accepted by the mail server" in taken
    assert "250 accepted as 4711" in taken
    assert "hx-get" not in taken


def test_a_page_stops_asking_before_it_is_refused(hurried: Practice, visit: Visits) -> None:
    case_id, dana = hurried.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="b")
    approve(dana, "dana", case_id)
    reply_id = hurried.desk.queue.open(PEOPLE["dana"], case_id).replies[0].id
    asked, following = 0, f"/case/{case_id}/reply/{reply_id}?attempt=97"
    while following:
        answer = dana.get(following)
        assert answer.status_code == 200
        asked, found = asked + 1, re.search(r'hx-get="([^"]+)"', answer.text)
        following = found.group(1) if found else ""
    assert asked == 3
    assert "Reload the page" in answer.text


@pytest.mark.parametrize("lost", [{"active": False}, {"roles": frozenset()}])
def test_banners_are_for_the_people_of_the_clinic(practice: Practice, lost: dict) -> None:
    assert practice.desk.banners(PEOPLE["devi"])
    with pytest.raises(NotAllowed):
        practice.desk.banners(replace(PEOPLE["devi"], **lost))


def test_an_approval_on_a_page_without_the_newest_message_is_a_409(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="words")
    page = dana.get(f"/case/{case_id}").text
    ((reply, digest),) = re.findall(r'data-reply="(\w+)" data-digest="([0-9a-f]{64})"', page)
    proof = dana.proof("u-dana", reply, digest)
    form = {"digest": digest, "proof": proof}
    stale = dana.post(f"/case/{case_id}/approve", seen="an-older-message", **form)
    assert stale.status_code == 409
    assert dana.decide(case_id, "approve", **form).status_code == 303


def test_an_uncertain_reply_stands_out_and_blocks_the_next(
    hurried: Practice, visit: Visits
) -> None:
    case_id, dana = hurried.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="s", body="b")
    approve(dana, "dana", case_id)
    settle(hurried, case_id, ReplyState.UNCERTAIN)
    page = dana.get(f"/case/{case_id}").text
    assert "may or may not have arrived" in page
    assert "practice.example" in page
    assert "Write a reply" not in page
    assert "uncertain" in dana.get("/queue").text


def test_an_unknown_sender_is_identified_by_search_and_then_answered(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["stranger"], visit("dana")
    assert "Nobody has said who this is yet" in dana.get(f"/case/{case_id}").text
    found = dana.decide(case_id, "patients", words="lindqvist").text
    assert "1983-01-30" in found
    assert "p2:p2-mail" in found
    assert "Keane" not in found
    assert "Nobody matches" in dana.decide(case_id, "patients", words="zzz").text
    assert "Type a name" in dana.decide(case_id, "patients", words=" ").text
    assert dana.decide(case_id, "link", contact="p2:p2-mail").status_code == 303
    page = dana.get(f"/case/{case_id}").text
    assert "tobias.lindqvist@example.org" in page
    assert "Write a reply" in page
    assert dana.decide(case_id, "link", contact="p2:p1-mail").status_code == 404


def test_sorting_by_hand_is_kept_as_a_label(practice: Practice, visit: Visits) -> None:
    case_id, dana = practice.cases["unsorted"], visit("dana")
    form = {"route": "insurance_authorization", "also": "referral", "why": "wants a card"}
    assert dana.decide(case_id, "reroute", urgency="today", **form).status_code == 303
    file = practice.desk.queue.open(PEOPLE["dana"], case_id).file
    assert file.case.urgency is Urgency.TODAY
    assert file.case.lane is Lane.URGENT
    assert file.labels[-1].why == Protected("wants a card")
    assert dana.decide(case_id, "reroute", urgency="whenever", **form).status_code == 404
    wrong = {**form, "route": "chocolate"}
    assert dana.decide(case_id, "reroute", urgency="today", **wrong).status_code == 422


def test_a_case_closes_with_an_outcome_once_its_requests_are_done(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["chest"], visit("dana")
    told = {"who": "Mr. Pettigrew", "when": "09:10", "said": "goes to the ER"}
    close = {"outcome": "phoned", **told}
    assert dana.decide(case_id, "close", **close).status_code == 409
    for part in practice.desk.queue.open(PEOPLE["dana"], case_id).file.case.requests:
        assert dana.decide(case_id, "tick", part=part.id).status_code == 303
    for wrong in ({"outcome": "answered"}, {"who": " "}, {"said": ""}):
        assert dana.decide(case_id, "close", **{**close, **wrong}).status_code == 409
    assert dana.decide(case_id, "close", **close).headers["location"] == "/queue"
    assert "my next appointment" not in dana.get("/queue").text
    page = dana.get(f"/case/{case_id}").text
    assert "Spoke with: Mr. Pettigrew" in page
    assert "What: goes to the ER" in page
    assert re.findall(r'action="/case/\w+/([\w-]+)"', page) == ["open-again", "everything"]
    # Without a press for each request: one tick says that all of it is done, and is on record.
    fever = {"outcome": "phoned", **told, "done": "yes"}
    assert dana.decide(practice.cases["fever"], "close", **fever).status_code == 303
    file = practice.desk.queue.open(PEOPLE["dana"], practice.cases["fever"]).file
    assert all(part.done for part in file.case.requests)


def test_answered_is_chosen_where_a_reply_to_the_newest_message_left_or_is_leaving(
    practice: Practice, hurried: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["refill"], visit("dana")
    dana.post(f"/case/{case_id}/draft", subject="Re: refill", body="It is on its way.")
    approve(dana, "dana", case_id)
    chosen, shut = re.compile(r'value="answered"[^>]* checked'), "disabled aria-describedby"
    page = dana.get(f"/case/{case_id}").text
    assert chosen.search(page)
    assert shut in page
    # A message that came before the approval and joined after it is not answered either.
    follow_up(practice, "refill")
    view = practice.desk.queue.open(PEOPLE["dana"], case_id)
    assert len(view.file.messages) == 2
    early = replace(view.file.case, last_message_at=view.file.messages[-1].received_at)
    for case in (view.file.case, early):
        assert not replace(view, file=replace(view.file, case=case)).answered
    settle(practice, case_id, ReplyState.SENT)
    page = dana.get(f"/case/{case_id}").text
    assert not chosen.search(page)
    assert shut not in page


def test_nobody_decides_on_a_page_that_lacks_the_newest_message(
    practice: Practice, visit: Visits
) -> None:
    case_id, dana = practice.cases["refill"], visit("dana")
    page = dana.get(f"/case/{case_id}").text
    old = re.findall(r'name="seen" value="(\w+)"', page)
    assert len(set(old)) == 1
    was = practice.was(case_id)
    (part,) = practice.desk.queue.open(PEOPLE["dana"], case_id).file.case.requests
    follow_up(practice, "refill")
    for what, form in {
        "tick": {"part": part.id},
        "reroute": {"route": "refill", "urgency": "routine"},
        "link": {"contact": "p1:p1-portal"},
        "close": {"outcome": "no_reply_needed"},
    }.items():
        stale = dana.post(f"/case/{case_id}/{what}", seen=old[0], was=was, **form)
        assert stale.status_code == 409, what
        assert "Another message has joined" in stale.text
        assert dana.post(f"/case/{case_id}/{what}", was=was, **form).status_code == 422, what
    found = dana.post(f"/case/{case_id}/patients", words="keane", seen=old[0], was=was).text
    assert f'name="seen" value="{old[0]}"' in found
    assert f'name="was" value="{was}"' in found
    file = practice.desk.queue.open(PEOPLE["dana"], case_id).file
    assert (len(file.messages), file.labels, file.case.contact_id) == (2, (), "p1-mail")
    assert dana.decide(case_id, "tick", part=part.id).status_code == 303


def test_files_are_only_ever_saved(practice: Practice, visit: Visits) -> None:
    case_id, dana = practice.cases["unsorted"], visit("dana")
    page = dana.get(f"/case/{case_id}").text
    for path in re.findall(r'href="(/case/[^"]+/(?:attachment|original)/[0-9a-f]+)"', page):
        answer = dana.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "%E2%80%AE" not in answer.headers["Content-Disposition"]


def test_the_audit_filters_verifies_and_exports(practice: Practice, visit: Visits) -> None:
    case_id = practice.cases["refill"]
    visit("dana").post(f"/case/{case_id}/claim")
    sam = visit("sam")
    page = sam.get(f"/audit?action=case.claimed&who=u-dana&case_id={case_id}").text
    assert "Dana Whitlock" in page
    assert page.count("case.claimed") >= 2
    assert "session.opened" not in page
    assert "No event matches" in sam.get("/audit?since=2999-01-01").text
    assert "case.filed" in sam.get(f"/case/{case_id}/history").text
    assert "The record holds" in sam.post("/audit/verify").text
    table = sam.post("/audit/export", action="case.claimed")
    assert "attachment" in table.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(table.text)))
    assert [row[3] for row in rows[1:]] == ["case.claimed"]


def test_the_audit_says_what_redaction_left_readable(practice: Practice, visit: Visits) -> None:
    sam = visit("sam")
    page = sam.get("/audit").text
    assert "0 of 10 messages in 30 days" in page
    assert "In none of these messages was anything found" in page
    assert "What to do" not in page
    refill = next(letter for letter in MORNING if letter.key == "refill")
    for key, leaks in {
        "one": {IdentifierType.NAME: 2},
        "two": {IdentifierType.NAME: 1, IdentifierType.PHONE: 1},
        "unseen": None,
    }.items():
        practice.receive(replace(refill, key=key, leaks=leaks))
    page = sam.get("/audit").text
    shown = page.partition("What redaction left readable")[2].partition("</details>")[0]
    assert "2 of 12 messages in 30 days" in shown
    assert "<dt>Names</dt><dd>3</dd>" in shown
    assert "<dt>Telephone numbers</dt><dd>1</dd>" in shown
    assert "1 message was not looked at" in shown
    assert "does not mean that nothing is readable" in shown
    for private in ("Keane", "lisinopril", practice.cases["one"]):
        assert private not in shown
    assert visit("nia").get("/audit").status_code == 403


def test_the_re_reading_goes_from_item_to_item_and_tells_the_miss_rate(visit: Visits) -> None:
    nia = visit("nia")
    page = nia.get("/sample").text
    assert "nothing is known about misses" in page
    items = list(dict.fromkeys(re.findall(r"/sample/[0-9a-f]{32}", page)))
    assert len(items) == 8
    assert "sure" not in nia.get(items[0]).text
    following = nia.post(items[0], answer="routine").headers["location"]
    assert following in items[1:]
    assert "today" in nia.get(following).text
    nia.post(following, answer="emergency")
    page = nia.get("/sample").text
    assert "50.0 %" in page
    assert "1.3 %" in page
    assert "98.7 %" in page
    assert nia.get("/sample/" + "0" * 32).status_code == 404


def test_a_clinician_signs_what_is_shown_and_the_banner_goes(visit: Visits) -> None:
    nia, dana = visit("nia"), visit("dana")
    assert "not yet been reviewed by a clinician" in dana.get("/queue").text
    page = nia.get("/clinical").text
    assert page.count("Not yet reviewed") == 2
    assert "chest" in page
    assert "Sign</button>" not in dana.get("/clinical").text
    assert nia.post("/clinical/sign", what="redflags").status_code == 422
    assert nia.post("/clinical/sign", what="redflags", read="yes").status_code == 303
    assert nia.post("/clinical/sign", what="dosages", read="yes").status_code == 404
    assert "Reviewed by Nia Okafor" in nia.get("/clinical").text
    assert "not yet been reviewed by a clinician" not in dana.get("/queue").text


def test_models_are_promoted_by_another_person_and_rolled_back(visit: Visits) -> None:
    sam, devi = visit("sam"), visit("devi")
    assert "Let it serve" not in devi.get("/models").text
    assert "0.89" in sam.get("/models").text
    assert sam.post("/models/promote", name="router-2").status_code == 303
    assert re.search(r"router-2 <span class=\"now\">", sam.get("/models").text)
    assert sam.post("/models/rollback", task="router").status_code == 303
    assert re.search(r"router-1 <span class=\"now\">", sam.get("/models").text)
    assert sam.post("/models/promote", name="router-9").status_code == 404


def test_a_candidate_that_did_not_pass_the_release_gate_never_serves(visit: Visits) -> None:
    sam = visit("sam")
    refused = sam.post("/models/promote", name="router-3")
    assert refused.status_code == 409
    assert "release gate" in refused.text
    assert re.search(r"router-1 <span class=\"now\">", sam.get("/models").text)


def test_a_data_scientist_gets_redacted_rows_only(practice: Practice, visit: Visits) -> None:
    case_id = practice.cases["refill"]
    visit("dana").decide(case_id, "reroute", route="refill", urgency="routine")
    rows = visit("devi").post("/models/training").text
    assert "[NAME_1]" in rows
    assert "Keane" not in rows


def test_a_row_that_leaks_stops_the_export_or_is_left_out(
    practice: Practice, visit: Visits
) -> None:
    # The signature "G. Halloran" was left in the words of this letter.
    for key, route in (("bill", "billing_dispute"), ("refill", "refill")):
        visit("dana").decide(practice.cases[key], "reroute", route=route, urgency="routine")
    devi, sam = visit("devi"), visit("sam")
    refused = devi.post("/models/training")
    assert refused.status_code == 409
    assert "still readable" in refused.text
    assert "Halloran" not in refused.text
    events = sam.get("/audit?action=label.export_refused").text
    assert practice.cases["bill"][:8] in events
    assert practice.cases["refill"][:8] not in events
    rows = devi.post("/models/training", without_leaking="true").text
    assert "lisinopril" in rows
    assert "Halloran" not in rows


@pytest.mark.parametrize("error", [kind for kind in TABLE if kind is not TriageError])
def test_every_listed_error_has_a_status_and_words(error: type[TriageError]) -> None:
    status, headline = status_of(error("x"))
    assert 400 <= status < 600
    assert headline


def test_an_unlisted_error_is_a_500_and_its_parents_are_asked_first() -> None:
    assert status_of(TriageError("x"))[0] == 500
    kinds = TriageError.__subclasses__()
    # What a hook refuses is told by a page of its own, for machines.
    kinds = [kind for kind in kinds if kind is not HookRefused]
    assert all(status_of(kind("x"))[0] >= 400 for kind in kinds)


def test_every_word_of_the_code_has_a_word_for_people() -> None:
    for words, kinds in (
        (wording.ROUTES, Route),
        (wording.URGENCIES, Urgency),
        (wording.LANES, Lane),
        (wording.MARKS, Mark),
        (wording.REPLY_STATES, ReplyState),
        (wording.IN_SHORT, ReplyState),
        (wording.ROLES, Role),
        (wording.IDENTIFIERS, IdentifierType),
    ):
        assert set(words) == set(kinds)
    assert set(wording.OUTCOMES) == set(OUTCOMES)


def test_ages_sizes_shares_and_patience_are_said_shortly() -> None:
    now = datetime.now(UTC)
    ages = [(0, "0 min"), (59, "59 min"), (60, "1 h"), (47 * 60, "47 h"), (72 * 60, "3 d")]
    for minutes, said in ages:
        assert counting.age(now - timedelta(minutes=minutes)) == said
    assert counting.age(now + timedelta(hours=1)) == "0 min"
    sizes = [counting.size(count) for count in (812, 14_200, 2_100_000)]
    assert sizes == ["812 B", "14 kB", "2.1 MB"]
    assert [counting.percent(share) for share in (0.0, 0.941, 0.999, 1.0)] == [
        "0 %",
        "94 %",
        "99 %",
        "100 %",
    ]
    assert counting.patience(30, 0) == 31
    assert [counting.patience(0, attempt) for attempt in (0, 5, 90)] == [2, 7, 15]
