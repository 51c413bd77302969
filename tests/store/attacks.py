"""Statements by which somebody with a connection would send, resend, rewrite or hide something.

Each is written once and runs on both engines unless it says otherwise. `{queued}`, `{sent}`,
`{recalled}` are ids of replies, `{raw}` of a landed message, `{other}` of another approval.
"""

from dataclasses import dataclass

from triage.store.tables import approvals, proof_keys, replies


@dataclass(frozen=True)
class Attack:
    """One attempt: statements run in order in one transaction."""

    name: str
    statements: tuple[str, ...]


def copied(verb: str = "INSERT", source: str = "queued", **changed: str) -> str:
    """Return a statement that inserts a copy of a reply with some columns changed."""
    names = [column.name for column in replies.columns]
    values = [changed.get(name, name) for name in names]
    listed, selected = ", ".join(names), ", ".join(values)
    return (
        f"{verb} INTO replies ({listed}) SELECT {selected} FROM replies WHERE id = '{{{source}}}'"
    )


def approved(verb: str = "INSERT", source: str = "queued", **changed: str) -> str:
    """Return a statement that inserts a copy of a reply's approval with some columns changed."""
    names = [column.name for column in approvals.columns]
    values = [changed.get(name, name) for name in names]
    listed, selected = ", ".join(names), ", ".join(values)
    where = f"WHERE reply_id = '{{{source}}}'"
    return f"{verb} INTO approvals ({listed}) SELECT {selected} FROM approvals {where}"


def enrolled(**changed: str) -> str:
    """Return a statement that inserts a copy of a proof key with some columns changed."""
    names = [column.name for column in proof_keys.columns]
    listed, selected = ", ".join(names), ", ".join(changed.get(name, name) for name in names)
    return f"INSERT INTO proof_keys ({listed}) SELECT {selected} FROM proof_keys"


#: A fresh reply: no approval, and an index of its own so that only a guard can object.
FRESH = {"id": "'evil'", "message_id_index": "{blob}", "approval_id": "NULL"}


def attack(name: str, *statements: str) -> Attack:
    return Attack(name, statements)


#: The first chain of some other process than the one that is connected.
NOT_MINE = "chain = CASE WHEN CURRENT_USER = 'triage_web' THEN 'worker' ELSE 'web' END"
STOLEN_LINK = (
    "INSERT INTO audit (seq, clinic, at, actor, action, cases, detail, previous, digest, chain,"
    " number) SELECT seq + 9000, clinic, at, actor, action, cases, detail, audit_heads.digest,"
    " repeat('0', 64), audit_heads.chain, audit_heads.number + 1 FROM audit, audit_heads"
    f" WHERE seq = 1 AND audit_heads.{NOT_MINE}"
)


ATTACKS = [
    attack("insert queued without approval", copied(**FRESH)),
    attack("insert sending", copied(**FRESH, state="'sending'")),
    attack("insert sent", copied(**FRESH, state="'sent'")),
    attack(
        "insert a draft, queue it",
        copied(**FRESH, state="'draft'"),
        "UPDATE replies SET state = 'queued' WHERE id = 'evil'",
    ),
    attack(
        "insert a draft, send it",
        copied(**FRESH, state="'draft'"),
        "UPDATE replies SET state = 'sent' WHERE id = 'evil'",
    ),
    attack(
        "a draft borrows another reply's approval",
        copied(**FRESH, state="'draft'"),
        "UPDATE replies SET state = 'queued', approval_id = '{other}' WHERE id = 'evil'",
    ),
    attack("requeue recalled", "UPDATE replies SET state = 'queued' WHERE id = '{recalled}'"),
    attack("requeue sent", "UPDATE replies SET state = 'queued' WHERE id = '{sent}'"),
    attack("send sent again", "UPDATE replies SET state = 'sending' WHERE id = '{sent}'"),
    attack("sent back to draft", "UPDATE replies SET state = 'draft' WHERE id = '{sent}'"),
    attack("queued to sent at once", "UPDATE replies SET state = 'sent' WHERE id = '{queued}'"),
    attack("queued to draft", "UPDATE replies SET state = 'draft' WHERE id = '{queued}'"),
    attack("an unknown state", "UPDATE replies SET state = 'posted' WHERE id = '{queued}'"),
    attack("other words", "UPDATE replies SET body = {blob} WHERE id = '{queued}'"),
    attack("other recipient", "UPDATE replies SET recipient = {blob} WHERE id = '{queued}'"),
    attack("other digest", "UPDATE replies SET digest = 'ff' WHERE id = '{queued}'"),
    attack(
        "the words of another reply",
        "UPDATE replies SET body = (SELECT body FROM replies WHERE id = '{sent}')"
        " WHERE id = '{queued}'",
    ),
    attack("no approval", "UPDATE replies SET approval_id = NULL WHERE id = '{queued}'"),
    attack("another id", "UPDATE replies SET id = 'evil' WHERE id = '{queued}'"),
    attack("another clinic", "UPDATE replies SET clinic = 'evil' WHERE id = '{queued}'"),
    attack(
        "no undo window",
        "UPDATE replies SET not_before = '2001-01-01 00:00:00.000000' WHERE id = '{queued}'",
    ),
    attack("delete a reply", "DELETE FROM replies WHERE id = '{sent}'"),
    attack("approval of other words", "UPDATE approvals SET digest = 'ff'"),
    attack("approval by another", "UPDATE approvals SET approver = 'user-eve'"),
    attack("another proof", "UPDATE approvals SET proof = 'ff'"),
    attack("delete approvals", "DELETE FROM replies", "DELETE FROM approvals"),
    attack("approved by nobody", approved(id="'evil'", reply_id="'evil'", approver="'nobody'")),
    attack("approved by a machine", approved(id="'evil'", reply_id="'evil'", approver="'worker'")),
    attack(
        "approved by a stranger", approved(id="'evil'", reply_id="'evil'", approver="'user-eve'")
    ),
    attack("approve a sent reply anew", approved(source="sent", id="'evil'", digest="'ff'")),
    attack("edit the audit", "UPDATE audit SET actor = 'somebody else'"),
    attack("delete the audit", "DELETE FROM audit_cases", "DELETE FROM audit"),
    attack("cut the audit's tail", "DELETE FROM audit WHERE seq > 3"),
    attack(
        "insert into the audit",
        "INSERT INTO audit (seq, clinic, at, actor, action, cases, detail, previous, digest,"
        " chain, number) SELECT seq + 5000, clinic, at, actor, action, cases, detail, previous,"
        " digest, chain, number + 5000 FROM audit WHERE seq = 1",
    ),
    attack("turn the heads back", "UPDATE audit_heads SET number = 1"),
    attack("lose the heads", "DELETE FROM audit_heads"),
    attack("rename a chain", "UPDATE audit_heads SET chain = 'aside' WHERE number > 0"),
    attack(
        "begin a chain in its middle",
        "INSERT INTO audit_heads (chain, number, digest)"
        " SELECT 'web.0', number, digest FROM audit_heads WHERE number > 0",
    ),
    attack("hide from a case's history", "DELETE FROM audit_cases"),
    attack("rewrite a landed message", "UPDATE raw_messages SET content = {blob}"),
    attack("delete a landed message", "DELETE FROM raw_messages WHERE id = '{raw}'"),
    attack(
        "hide a landed message",
        "UPDATE raw_messages SET filed_at = received_at WHERE id = '{raw}'",
    ),
    attack("forget a landing", "DELETE FROM ledger"),
    attack("rewrite the ledger", "UPDATE ledger SET raw_id = '{raw}', fate = 'ignored'"),
    attack("rewrite what was read", "UPDATE messages SET body = {blob}"),
    attack("delete what was read", "DELETE FROM messages"),
    attack("rewrite a label", "UPDATE labels SET route = 'general'"),
    attack("another public key", "UPDATE proof_keys SET public = '04ff'"),
    attack("another certificate", "UPDATE proof_keys SET certificate = 'ff'"),
    attack("a key for ever", "UPDATE proof_keys SET until = '2999-01-01 00:00:00.000000'"),
    attack("a key of somebody else's", "UPDATE proof_keys SET user_id = 'user-eve'"),
    attack("forget a key", "DELETE FROM proof_keys"),
    attack("a key without a session", enrolled(id="'evil'", session_id="'none'")),
    attack("a key in somebody else's session", enrolled(id="'evil'", user_id="'user-eve'")),
    attack("the approver of another reply's", "UPDATE approvals SET key_id = 'ff'"),
    attack("approved with no key", approved(id="'evil'", reply_id="'evil'", key_id="NULL")),
    attack("approved with a made-up key", approved(id="'evil'", reply_id="'evil'", key_id="'ff'")),
    attack(
        "approved after the key ended",
        approved(id="'evil'", reply_id="'evil'", approved_at="'2999-01-01 00:00:00.000000'"),
    ),
]

SQLITE = [
    attack("replace a sent reply", copied("INSERT OR REPLACE", source="sent", state="'queued'")),
    attack("replace a queued reply", copied("REPLACE", body="{blob}")),
    attack("replace by its approval", copied("REPLACE", id="'evil'", message_id_index="{blob}")),
    attack(
        "replace by its message id",
        copied("REPLACE", id="'evil'", approval_id="NULL", state="'draft'"),
    ),
    attack(
        "update or replace",
        "UPDATE OR REPLACE replies SET id = '{sent}' WHERE id = '{queued}'",
    ),
    attack("replace an approval", approved("REPLACE", proof="'ff'")),
    attack(
        "replace with triggers turned off",
        "PRAGMA recursive_triggers = OFF",
        copied("REPLACE", id="'evil'", approval_id="NULL", state="'draft'"),
    ),
    attack("drop a guard", "DROP TRIGGER {guard}"),
    attack(
        "write the schema",
        "PRAGMA writable_schema = ON",
        "DELETE FROM sqlite_master WHERE type = 'trigger'",
    ),
    attack("rename the table", "ALTER TABLE replies RENAME TO replies_old"),
    attack("drop the table", "DROP TABLE replies"),
    attack(
        "a trigger that swallows",
        "CREATE TEMP TRIGGER swallow BEFORE INSERT ON main.audit BEGIN SELECT RAISE(IGNORE); END",
    ),
    attack(
        "upsert",
        copied() + " ON CONFLICT (id) DO UPDATE SET state = 'sent'",
    ),
    attack("attach", "ATTACH DATABASE ':memory:' AS elsewhere"),
    attack("synchronous off", "PRAGMA synchronous = OFF"),
    attack("foreign keys off", "PRAGMA foreign_keys = OFF"),
    attack("no journal", "PRAGMA journal_mode = OFF"),
    attack("another key", "PRAGMA rekey = 'evil'"),
    attack("another schema version", "PRAGMA schema_version = 1"),
    attack("no checks", "PRAGMA ignore_check_constraints = ON"),
    attack("trusting the schema", "PRAGMA trusted_schema = ON"),
    attack("load a library", "SELECT load_extension('evil.so')"),
    attack("export it all", "ATTACH '' AS out KEY ''", "SELECT sqlcipher_export('out')"),
    attack("a copy in the open", "VACUUM INTO '{guard}.db'"),
    attack(
        "a temporary table stands in",
        "CREATE TEMP TABLE approvals AS SELECT * FROM main.approvals",
        "UPDATE temp.approvals SET reply_id = 'evil', id = 'evil'",
    ),
    attack("a view stands in", "CREATE TEMP VIEW users AS SELECT 'nobody' AS id"),
    attack("a table of one's own", "CREATE TABLE evil (id TEXT)"),
    attack("drop an index", "DROP INDEX ix_replies_due"),
    attack("another column", "ALTER TABLE approvals ADD COLUMN evil TEXT"),
    attack(
        "a trigger that sends",
        "CREATE TRIGGER evil AFTER INSERT ON audit BEGIN UPDATE replies SET state = 'queued'; END",
    ),
]

POSTGRESQL = [
    attack("upsert", copied() + " ON CONFLICT (id) DO UPDATE SET state = 'sent'"),
    attack("disable a guard", "ALTER TABLE replies DISABLE TRIGGER {guard}"),
    attack("disable all", "ALTER TABLE replies DISABLE TRIGGER ALL"),
    attack("drop a guard", "DROP TRIGGER {guard} ON replies"),
    attack(
        "empty a guard",
        "CREATE OR REPLACE FUNCTION {guard}() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RETURN NEW; END$$",
    ),
    attack(
        "replica mode",
        "SET session_replication_role = replica",
        "UPDATE replies SET state = 'queued' WHERE id = '{sent}'",
    ),
    attack("truncate replies", "TRUNCATE replies CASCADE"),
    attack("truncate the audit", "TRUNCATE audit CASCADE"),
    attack("become the owner", "SET ROLE triage_owner", "DELETE FROM replies"),
    attack("become the administrator", "SET ROLE postgres"),
    attack("drop the table", "DROP TABLE replies CASCADE"),
    attack("rename the table", "ALTER TABLE replies RENAME TO replies_old"),
    attack(
        "a rule that swallows",
        "CREATE RULE swallow AS ON INSERT TO audit DO INSTEAD NOTHING",
    ),
    attack(
        "a temporary table stands in",
        "CREATE TEMP TABLE approvals AS SELECT * FROM public.approvals",
        "UPDATE pg_temp.approvals SET reply_id = 'evil', id = 'evil'",
        copied(**{**FRESH, "approval_id": "'evil'"}),
    ),
    attack("copy from a program", "COPY approvals FROM PROGRAM 'echo evil'"),
    attack("grant more", "GRANT ALL ON replies TO triage_web"),
    attack("copy from a file", "COPY replies FROM '/etc/hostname'"),
    attack("copy to a program", "COPY replies TO PROGRAM 'cat'"),
    attack("be the owner from now on", "SET SESSION AUTHORIZATION triage_owner"),
    attack("another owner", "ALTER TABLE replies OWNER TO CURRENT_USER"),
    attack("an administrator", "ALTER ROLE CURRENT_USER SUPERUSER"),
    attack("a role of one's own", "CREATE ROLE evil SUPERUSER"),
    attack("join the owner", "GRANT triage_owner TO CURRENT_USER"),
    attack(
        "turn guards off in the catalogue",
        "UPDATE pg_trigger SET tgenabled = 'D' WHERE NOT tgisinternal",
    ),
    attack("drop a guard's function", "DROP FUNCTION {guard} CASCADE"),
    attack("another search path", "ALTER FUNCTION {guard}() SET search_path = pg_temp"),
    attack(
        "in a block",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE replies DISABLE TRIGGER ALL'; END $$",
    ),
    attack(
        "as the definer",
        "CREATE FUNCTION public.evil() RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " $$DELETE FROM replies$$",
    ),
    attack("a language of one's own", "CREATE EXTENSION dblink"),
    attack("see every row", "ALTER TABLE replies DISABLE ROW LEVEL SECURITY"),
    attack("a policy of one's own", "CREATE POLICY evil ON replies USING (true)"),
    attack("no commit is safe", "ALTER SYSTEM SET fsync = off"),
    attack("write another process's chain", STOLEN_LINK),
    attack(
        "write and anchor another process's chain",
        STOLEN_LINK,
        f"UPDATE audit_heads SET number = number + 1, digest = repeat('0', 64) WHERE {NOT_MINE}",
    ),
    attack(
        "begin another process's chain",
        "INSERT INTO audit_heads (chain, number, digest) SELECT chain || '.9', 0, "
        f"repeat('0', 64) FROM audit_heads WHERE {NOT_MINE}",
    ),
    attack(
        "replica mode by a function",
        "SELECT set_config('session_replication_role', 'replica', true)",
    ),
    attack("be the sender", "SET ROLE triage_owner", "UPDATE replies SET state = 'sent'"),
    attack(
        "write in a block",
        "DO $$ BEGIN UPDATE replies SET state = 'sent' WHERE id = '{queued}'; END $$",
    ),
    attack(
        "merge",
        "MERGE INTO replies USING (SELECT '{queued}' AS id) AS wanted ON replies.id = wanted.id"
        " WHEN MATCHED THEN UPDATE SET state = 'sent'",
    ),
    attack("without row rights", "SET row_security = off", "UPDATE replies SET state = 'sent'"),
    attack("a two-phase commit", "PREPARE TRANSACTION 'evil'"),
    attack("read a file of the server", "SELECT pg_read_file('/etc/hostname')"),
    attack("a file as a large object", "SELECT lo_import('/etc/hostname')"),
    attack("a large object as a file", "SELECT lo_export(1, '/tmp/evil')"),
    attack(
        "stand in for a function",
        "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    ),
    attack("a search path for others", "ALTER ROLE triage_owner SET search_path = evil"),
    attack("a search path for all", "ALTER ROLE ALL SET search_path = evil"),
    attack(
        "a trigger on everything",
        "CREATE EVENT TRIGGER evil ON ddl_command_start EXECUTE FUNCTION {guard}()",
    ),
    attack(
        "stop the others",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'postgres' OR usename IS NULL",
    ),
    attack(
        "bytes of a reply that is not leaving",
        "INSERT INTO departures (id, clinic, case_id, reply_id, claimed_at, at, content)"
        " SELECT 'evil', clinic, case_id, id, coalesce(claimed_at, not_before), not_before, {blob}"
        " FROM replies WHERE id = '{queued}'",
    ),
    attack(
        "every key in the sender's hands",
        "ALTER TABLE triage_keys.wrapped_keys DISABLE ROW LEVEL SECURITY",
    ),
    attack("destroy keys", "UPDATE triage_keys.wrapped_keys SET wrapped = NULL"),
    attack("lose keys", "DELETE FROM triage_keys.wrapped_keys"),
]

#: Anybody with a connection may run these; they must come to nothing.
IDLE = [
    attack("wake others", "NOTIFY dbos_notifications_channel, 'evil'", "LISTEN evil"),
    attack("check later", "SET CONSTRAINTS ALL DEFERRED"),
    attack(
        "swallow the refusal",
        "DO $$ BEGIN UPDATE replies SET state = 'sent' WHERE id = '{queued}';"
        " EXCEPTION WHEN OTHERS THEN NULL; END $$",
    ),
    attack("a large object", "SELECT lo_from_bytes(0, 'evil')"),
    attack(
        "a schema of one's own before ours",
        "CREATE SCHEMA evil",
        "CREATE TABLE evil.approvals AS SELECT 'evil' AS id, '{queued}' AS reply_id",
        "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
        "SET LOCAL search_path = evil, pg_temp, public",
        copied(**{**FRESH, "approval_id": "'evil'"}).replace("replies", "public.replies"),
    ),
    attack(
        "as the definer, elsewhere",
        "CREATE SCHEMA evil2",
        "CREATE FUNCTION evil2.send() RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " $$UPDATE public.replies SET state = 'sent' WHERE id = '{queued}'$$",
        "SELECT evil2.send()",
    ),
]
