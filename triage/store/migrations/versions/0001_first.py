"""The first shape: every table of the store."""

from triage.store.migrations.first import mail, people, replies

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    people.trail()
    people.people()
    people.patients()
    mail.landing()
    mail.cases()
    mail.messages()
    mail.parts()
    mail.judgements()
    replies.drafts()
    replies.replies()
    replies.labels()
