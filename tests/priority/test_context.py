"""What stands around a sign: a told danger fires, a mere mention stays silent. Invented texts."""

import time

import pytest

from triage.priority import RedFlags, forms


@pytest.fixture(scope="module")
def redflags() -> RedFlags:
    return RedFlags()


DENIED = [
    "Chest pain: [ ] yes [x] no",
    "Chest pain ( ) Yes (X) No",
    "Chest pain .... N\nFainting .... N",
    "Seizures - never\nFainting: n/a",
    "Chest pain: NO Fainting: NO Cough: YES",
    "[ ] chest pain\n[ ] fainting\n[x] yearly visit",
    "Desmayos [ ] Dolor de pecho [ ]",
    "¿Dolor de pecho? No. ¿Desmayos? No.",
    "My lips aren't blue and I am not wheezing.",
    "No me duele el pecho, no me falta el aire y no me he desmayado.",
    "No me ha vuelto a doler el pecho.",
    "No se me hinchan las piernas ni me falta el aire.",
]
PRESENT = [
    "Chest pain: [x] yes [ ] no",
    "Chest pain: yes\nFever: no",
    "[x] chest pain\n[ ] fainting",
    "chest pain - no relief from the antacid",
    "CHEST PAIN - NO RIDE",
    "Fever: no. My chest hurts",
    "No fever but the pain in my chest is back, like last year",
    "No insurance, chest pain since 4",
    "Reason for visit: chest pain since this morning",
    "Motivo de la consulta: dolor en el pecho",
    "No tengo fiebre pero me duele el pecho y el brazo",
    "No se me quita el dolor de pecho",
    "No me deja dormir el dolor de pecho",
]
OVER = [
    "Please send the bill for the day I passed out.",
    "Could I get the records from my seizure on May 3?",
    "I was charged twice for my ER trip with chest pain.",
    "My insurer denied the claim for my wife's stroke.",
    "Ya se me quitó el dolor de pecho, fue acidez, gracias.",
    "Me cobraron dos veces la visita por el dolor de pecho.",
    "Necesito una carta por el desmayo que tuve en mayo.",
    "The chest pain was acid, the ER said. I am doing well.",
    "He had crushing chest pain on Jan. 17; we need a release form.",
    "She passed out in March and has been well since.",
    "In 1996 she had two seizures, and she has been on the pills from then.",
    "My dog had a seizure so I have to move my appointment.",
]
NOT_OVER = [
    "I'm fine otherwise, only my chest hurts when I walk to the mailbox",
    "It's not urgent but my face is drooping on one side",
    "Estoy bien pero mi esposo tiene dolor de pecho y está sudando",
    "No es urgente pero no puedo respirar cuando me acuesto",
    "The chest pain went away but came back an hour ago",
    "I got a bill for 300 dollars and by the way my chest hurts",
    "My bill is wrong. My son is having a seizure right now",
    "Could you mail the record of my last visit. Also, I passed out twice.",
    "Necesito la cuenta del mes pasado, y también me duele mucho el pecho",
    "I had a stent last year and now my chest feels tight and heavy",
    "Last year it was my gallbladder, this time the pain is in my chest",
    "My dog had to watch me, I can't breathe",
    "Dad had been well. Then he got crushing chest pain",
    "She was symptom free until she got crushing chest pain",
    "Click here, says your newsletter. Dad can't breathe",
    "Thanks for the refill. I am doing well, but my chest hurts",
]
SUPPOSED = [
    "What should I do if my son has a seizure at school?",
    "If he gets stung and his throat starts to close, who do I call?",
    "If she were ever to choke, or faint, should we phone you?",
    "If his heart stops or he stops breathing, he wants comfort only.",
    "Suppose I passed out on the plane, does he give me the sugar?",
    "The leaflet says it can cause chest pain. With food or without?",
    "¿Qué debo hacer si me da dolor en el pecho?",
    "Chest pain? Numb arm? Order the new home monitor before Friday.",
]
NOT_SUPPOSED = [
    "If I lie flat I can't breathe",
    "If I move my chest hurts",
    "He cries if you touch him, and there is crushing pain in his chest",
    "I don't know if it is my heart but my chest hurts",
    "Let me know if I should come in, my chest hurts",
    "My chest hurts, what should I do if it gets worse?",
    "Your handout said to call about chest pain and I have chest pain",
    "What do I do if my son is having a seizure?",
    "Not sure whom to call, if I should come in or not, but I can't breathe",
    "¿Qué hago si mi hijo está convulsionando?",
    "Chest pain? Numb arm? Yes, I have chest pain",
]
HARMLESS = [
    "The dizziness and the crushing chest pain passed.",
    "I never had crushing chest pain in my life.",
    "I told you she swallowed a battery. She did not.",
    "Has the applicant ever attempted suicide? (Y/N)",
    'Section 4 of the form says "trouble breathing, blue lips" and needs a signature.',
    "Say his throat closed on the plane and he still couldn't breathe, do I use two pens?",
    "¿Qué hacer si Ana come maní y se le cierra la garganta?",
    "On June 3 her throat closed. She has been cleared and is back at practice.",
    "The portal kicks me out every time, me muero de los nervios.",
]
PLAIN_DANGER = [
    "He passed out an hour after the shot and is clammy and can't breathe",
    "My three year old swallowed bleach",
    "Ever since my fall yesterday I can't move my legs and I wet myself",
    "When I was shoveling this morning I got crushing chest pain and a numb arm",
    "He fell off the ladder, hit his head and is confused",
    "He choked on a grape and his lips are blue",
    "I took 30 of my blood pressure pills to kill myself",
    "Casi me desmayo y me duele mucho el pecho",
    "Her skin has gone blotchy, she is hard to wake and has a fever of 104",
    "She is covered in hives and her tongue is swelling",
    "After the vaccine his throat is closing and he has hives",
    "I can't get the nosebleed under control, I'm on Eliquis",
    "I have never had crushing pain in my chest like this",
    "I'm losing my mind, I want to kill myself",
    "I'm worried to death, my chest hurts and my arm is numb",
    "Do you have any openings, my chest hurts and I'm sweating",
    "He was discharged Tuesday and now he can't breathe",
    'I found a note from my son: "I want to kill myself"',
    "¿Qué hago si mi bebé no respira?",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_saying_is_silent(redflags: RedFlags, text: str) -> None:
    assert not redflags.fires(text)


@pytest.mark.parametrize("text", PLAIN_DANGER)
def test_a_calm_word_beside_it_silences_no_danger(redflags: RedFlags, text: str) -> None:
    assert redflags.fires(text)


@pytest.mark.parametrize("text", [*DENIED, *OVER, *SUPPOSED])
def test_a_mere_mention_is_silent(redflags: RedFlags, text: str) -> None:
    assert not redflags.fires(text)


@pytest.mark.parametrize("text", [*PRESENT, *NOT_OVER, *NOT_SUPPOSED])
def test_a_told_danger_fires(redflags: RedFlags, text: str) -> None:
    assert redflags.fires(text)


CALM = [
    "I was billed on May 3 for the day I passed out.",
    "Please send the chart about the seizure she had in June.",
    "Thank you, I feel fine.",
    "The newsletter was nice. Unsubscribe me from the newsletter.",
    "No fever, no cough.",
    "What if I get sick on the trip?",
]


@pytest.mark.parametrize("before", CALM)
@pytest.mark.parametrize("danger", ["Right now my chest hurts.", "Me duele el pecho y sudo frío."])
def test_calm_words_elsewhere_do_not_silence_a_danger(
    redflags: RedFlags, before: str, danger: str
) -> None:
    assert redflags.fires(f"{before} {danger}")
    assert redflags.fires(f"{danger} {before}")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Pain: no", ["Pain"]),
        ("Pain ..... N\nRash ..... Y", ["Pain"]),
        ("Pain: [x] yes [ ] no", []),
        ("Pain: [ ] yes [ ] no", []),
        ("[ ] pain\n[x] rash", ["pain"]),
        ("Pain: no relief", []),
        ("my chest hurts. No fever", []),
    ],
)
def test_only_a_plain_no_answers_a_form(text: str, labels: list[str]) -> None:
    assert [text[start:end].strip(" :.") for start, end in forms.denied(text)] == labels


@pytest.mark.parametrize(
    "piece",
    [
        "[ ] ", "(x", ".", "..no ", "chest pain: no ", "if my chest hurts ", "no me me ", "- ",
        "yes [ ] no [x] ", "chest pain? ", "my chest hurts and ", "bill for my chest pain, ",
    ],
)  # fmt: skip
def test_hostile_surroundings_end(redflags: RedFlags, piece: str) -> None:
    began = time.monotonic()
    redflags.fires(piece * (20_000 // len(piece)))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        "I want to kill myself tonight, allergies: none",
        "my baby is limp and won't wake up, meds: none, allergies: none",
        "chest is tight and I can't breathe well since last night, covid test: negative, thanks",
        "I have crushing chest pain down my left arm, should I come in? No, I don't have a car",
        "took the whole bottle of tylenol an hour ago, pain level = n/a",
        "crushing chest pain, can't breathe, please call [ ]",
        "Crushing chest pain, left arm numb. Everyone says I'm fine.",
    ],
)
def test_no_answer_to_another_question_erases_a_danger(redflags: RedFlags, text: str) -> None:
    assert redflags.fires(text)


@pytest.mark.parametrize("text", ["fever, cough, chest pain: no", "Chest pain: [ ] yes [x] no"])
def test_a_list_of_labels_answered_with_no_is_silent(redflags: RedFlags, text: str) -> None:
    assert not redflags.fires(text)
