SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.alarms (
    id integer NOT NULL,
    environment text NOT NULL,
    name text NOT NULL,
    instrument text NOT NULL,
    began timestamp with time zone NOT NULL,
    opened timestamp with time zone NOT NULL,
    findings text NOT NULL,
    figures text NOT NULL,
    worst text NOT NULL,
    highest_waiting integer NOT NULL,
    highest_visits integer NOT NULL,
    highest_capped boolean NOT NULL,
    highest_wait bigint,
    skipped text NOT NULL,
    held text,
    was_held boolean NOT NULL,
    owner text,
    owner_name text,
    owned timestamp with time zone,
    asked timestamp with time zone,
    critical_since timestamp with time zone,
    told text NOT NULL,
    resolved timestamp with time zone,
    drawn timestamp with time zone,
    version integer NOT NULL
);

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.audit (
    id integer NOT NULL,
    at timestamp with time zone NOT NULL,
    environment text NOT NULL,
    action text NOT NULL,
    person text NOT NULL,
    person_name text NOT NULL,
    result text NOT NULL,
    request integer,
    approvers text NOT NULL,
    reason text NOT NULL,
    answer text NOT NULL,
    alone boolean NOT NULL,
    before text NOT NULL,
    after text NOT NULL
);

CREATE SEQUENCE public.audit_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_id_seq OWNED BY public.audit.id;

CREATE TABLE public.chores (
    name text NOT NULL,
    day date NOT NULL
);

CREATE TABLE public.counters (
    name text NOT NULL,
    value integer NOT NULL
);

CREATE TABLE public.deliveries (
    trigger text NOT NULL,
    came timestamp with time zone NOT NULL,
    times integer NOT NULL
);

CREATE TABLE public.leadership (
    id integer NOT NULL,
    holder text,
    until timestamp with time zone
);

CREATE TABLE public.minutes (
    environment text NOT NULL,
    instrument text NOT NULL,
    at timestamp with time zone NOT NULL,
    samples integer NOT NULL,
    reached integer NOT NULL,
    waiting integer NOT NULL,
    wait bigint,
    unconfirmed integer NOT NULL,
    added bigint NOT NULL,
    announced integer NOT NULL
);

CREATE TABLE public.outbox (
    id integer NOT NULL,
    said text NOT NULL,
    environment text NOT NULL,
    subject integer,
    "values" text NOT NULL,
    written timestamp with time zone NOT NULL,
    writer text NOT NULL,
    key text NOT NULL,
    attempts integer NOT NULL,
    claimed_by text,
    claimed_until timestamp with time zone,
    not_before timestamp with time zone,
    closed timestamp with time zone,
    why text NOT NULL,
    lane text DEFAULT 'talk'::text NOT NULL,
    channel text
);

CREATE SEQUENCE public.outbox_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.outbox_id_seq OWNED BY public.outbox.id;

CREATE TABLE public.positions (
    environment text NOT NULL,
    instrument text NOT NULL,
    entry text NOT NULL,
    seen timestamp with time zone NOT NULL
);

CREATE TABLE public.posts (
    id integer NOT NULL,
    subject integer NOT NULL,
    environment text NOT NULL,
    channel text,
    ts text,
    wanted integer NOT NULL,
    shown integer NOT NULL,
    key text NOT NULL,
    attempts integer NOT NULL,
    claimed_by text,
    claimed_until timestamp with time zone,
    not_before timestamp with time zone,
    kind text DEFAULT 'request'::text NOT NULL
);

CREATE SEQUENCE public.posts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.posts_id_seq OWNED BY public.posts.id;

CREATE TABLE public.requests (
    id integer NOT NULL,
    environment text NOT NULL,
    command text NOT NULL,
    arguments text NOT NULL,
    reason text NOT NULL,
    requester text NOT NULL,
    requester_name text NOT NULL,
    plan text NOT NULL,
    key text NOT NULL,
    asked timestamp with time zone NOT NULL,
    expires timestamp with time zone NOT NULL,
    needed integer NOT NULL,
    self_approval boolean NOT NULL,
    taken_by text NOT NULL,
    state text NOT NULL,
    version integer NOT NULL,
    ended timestamp with time zone,
    ended_by text,
    ended_by_name text,
    answer text NOT NULL,
    started timestamp with time zone,
    executor text NOT NULL,
    heartbeat timestamp with time zone,
    progress text NOT NULL,
    outcome text,
    happened text
);

CREATE TABLE public.samples (
    environment text NOT NULL,
    instrument text NOT NULL,
    at timestamp with time zone NOT NULL,
    reached boolean NOT NULL,
    there boolean,
    waiting integer NOT NULL,
    visits integer NOT NULL,
    capped boolean NOT NULL,
    wait bigint,
    unconfirmed integer NOT NULL,
    consumers integer NOT NULL,
    length bigint NOT NULL,
    added bigint NOT NULL,
    last_delivered text NOT NULL,
    lag bigint,
    announced integer NOT NULL
);

CREATE TABLE public.silences (
    id integer NOT NULL,
    environment text NOT NULL,
    person text NOT NULL,
    person_name text NOT NULL,
    reason text NOT NULL,
    starts timestamp with time zone NOT NULL,
    ends timestamp with time zone,
    instrument text NOT NULL,
    rule text,
    incident integer,
    lifted timestamp with time zone
);

CREATE TABLE public.votes (
    request integer NOT NULL,
    person text NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    at timestamp with time zone NOT NULL,
    alone boolean NOT NULL,
    reason text NOT NULL
);

CREATE TABLE public.windows (
    id integer NOT NULL,
    environment text NOT NULL,
    starts timestamp with time zone NOT NULL,
    ends timestamp with time zone NOT NULL,
    reason text NOT NULL,
    owner text NOT NULL,
    owner_name text NOT NULL,
    announced timestamp with time zone NOT NULL,
    during_observing boolean NOT NULL,
    stage text NOT NULL,
    version integer NOT NULL,
    started timestamp with time zone,
    started_by text,
    started_by_name text,
    ended timestamp with time zone,
    ended_by text,
    ended_by_name text,
    closing text NOT NULL,
    said text NOT NULL,
    updates integer NOT NULL
);

ALTER TABLE ONLY public.audit ALTER COLUMN id SET DEFAULT nextval('public.audit_id_seq'::regclass);

ALTER TABLE ONLY public.outbox ALTER COLUMN id SET DEFAULT nextval('public.outbox_id_seq'::regclass);

ALTER TABLE ONLY public.posts ALTER COLUMN id SET DEFAULT nextval('public.posts_id_seq'::regclass);

INSERT INTO public.alarms VALUES (11, 'prod', 'backlog', 'lsstcam', '2026-11-24 03:03:05.678901+00', '2026-11-24 03:04:05.678901+00', '[{"rule":"expiring","severity":"critical","since":"2026-11-24T03:04:06.678901+00:00"},{"rule":"backlog","severity":"warning","since":"2026-11-24T03:03:05.678901+00:00"}]', '{"at":"2026-11-24T03:05:05.678901+00:00","waiting":1204,"visits":7,"capped":true,"wait":1860000001,"oldest_visit":"2026112300017 \u201codd\u201d","first_skipped":"2026-11-24T03:33:05.678901+00:00","arriving":4.25,"read":0.1,"read_last":"2026-11-24T03:01:05.678901+00:00","between_visits":37500000,"unconfirmed":3,"consumers":412,"lag_known":false,"answers_in":412,"kind":"","address":"","tries":0,"memory":0,"memory_limit":null}', 'critical', 1300, 8, true, 1920000000, '[["2026112300017",172,"2026-11-24T03:05:05.678901+00:00"],["\u202618",1,"2026-11-24T04:04:05.678901+00:00"]]', NULL, true, 'U0BEN', 'Ben “B.” 🔭', '2026-11-24 03:06:05.678901+00', '2026-11-24 06:04:05.678901+00', '2026-11-24 03:04:06.678901+00', '{"prompt":"2026-11-24T03:05:05.678901+00:00","phones":"2026-11-24T03:06:05.678901+00:00"}', NULL, '2026-11-24 03:06:05.678901+00', 3);
INSERT INTO public.alarms VALUES (12, 'prod', 'unreachable', '', '2026-11-24 03:04:05.678901+00', '2026-11-24 03:05:05.678901+00', '[{"rule":"unreachable","severity":"critical","since":"2026-11-24T03:04:05.678901+00:00"}]', '{"at":"2026-11-24T03:05:05.678901+00:00","waiting":0,"visits":0,"capped":false,"wait":null,"oldest_visit":"","first_skipped":null,"arriving":null,"read":null,"read_last":null,"between_visits":null,"unconfirmed":0,"consumers":0,"lag_known":true,"answers_in":null,"kind":"refused","address":"prompt-redis.prod:6379","tries":12,"memory":5000000000,"memory_limit":6000000000}', 'critical', 0, 0, false, NULL, '[]', 'silence', true, NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, 1);
INSERT INTO public.alarms VALUES (13, 'dev', 'pending', 'latiss', '2026-11-24 03:04:05.678901+00', '2026-11-24 03:05:05.678901+00', '[{"rule":"pending","severity":"warning","since":"2026-11-24T03:04:05.678901+00:00"}]', '{"at":"2026-11-24T03:05:05.678901+00:00","waiting":0,"visits":0,"capped":false,"wait":null,"oldest_visit":"","first_skipped":null,"arriving":null,"read":null,"read_last":null,"between_visits":null,"unconfirmed":12,"consumers":0,"lag_known":true,"answers_in":null,"kind":"","address":"","tries":0,"memory":0,"memory_limit":null}', 'warning', 0, 0, false, NULL, '[]', NULL, false, NULL, NULL, NULL, NULL, NULL, '{}', '2026-11-24 03:06:05.678901+00', '2026-11-24 03:06:05.678901+00', 1);

INSERT INTO public.alembic_version VALUES ('0003');

INSERT INTO public.audit VALUES (1, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (2, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (3, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (4, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (5, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (6, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (7, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (8, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (9, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (10, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (11, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (12, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (13, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (14, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (15, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (16, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (17, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (18, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (19, '2026-11-24 03:05:05.678901+00', 'elsewhere', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');
INSERT INTO public.audit VALUES (20, '2026-11-24 03:04:05.678901+00', 'prod', 'clear lsstcam “now”', 'U0ANA', 'Ana', 'done', 1, '["Cay","Ben \u201cB.\u201d \ud83d\udd2d"]', 'stale', 'agreed by phone', true, '{"entries":"1,204","visits":"7"}', '{"entries":"0","happened":"yes"}');
INSERT INTO public.audit VALUES (21, '2026-11-24 03:05:05.678901+00', 'prod', 'prune', '', 'prompt-redis-bot', 'failed', NULL, '[]', '', 'Redis is away', false, '{}', '{}');
INSERT INTO public.audit VALUES (22, '2026-11-24 03:05:05.678901+00', 'dev', 'approve 1', 'U0BEN', 'Ben “B.” 🔭', 'refused', NULL, '[]', '', '', false, '{}', '{}');

INSERT INTO public.chores VALUES ('prune', '2026-11-24');

INSERT INTO public.counters VALUES ('ids', 21);

INSERT INTO public.deliveries VALUES ('trigger “1”', '2026-11-24 03:04:05.678901+00', 2);

INSERT INTO public.leadership VALUES (1, 'pod-1-0f1e2d3c', '2026-11-27 21:43:30.109473+00');

INSERT INTO public.minutes VALUES ('prod', 'lsstcam', '2026-11-24 03:04:00+00', 6, 5, 172, 12500000, 2, 9000000000, 1);
INSERT INTO public.minutes VALUES ('prod', 'latiss', '2026-11-24 03:04:00+00', 6, 0, 0, NULL, 0, 0, 0);

INSERT INTO public.outbox VALUES (3, 'window', 'prod', 18, '{"word":"started"}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', '9ae8ce9f7c15b5498b2898837432abb8', 0, NULL, NULL, NULL, NULL, '', 'talk', '#rubin-ops');
INSERT INTO public.outbox VALUES (4, 'summary', 'prod', NULL, '{"night":"2026-11-23"}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', 'c7d02768b050c919788723018fe17f28', 0, NULL, NULL, NULL, NULL, '', 'talk', NULL);
INSERT INTO public.outbox VALUES (7, 'trigger', 'prod', NULL, '{"target":"prompt","step":"trigger","key":"by hand","environment":"prod","label":"PROD","instrument":"","rule":null,"severity":"critical","summary":"come","details":[],"link":"","at":"2026-11-24T03:04:05.678901+00:00","incident":0}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', 'f165e51ec59b9ded218689f73feba32d', 0, NULL, NULL, NULL, NULL, '', 'page', NULL);
INSERT INTO public.outbox VALUES (1, 'outcome', 'prod', 1, '{}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', 'fd44e7027a3b94137800c321d10a7a7c', 1, NULL, NULL, NULL, '2026-11-24 03:04:05.678901+00', '', 'talk', NULL);
INSERT INTO public.outbox VALUES (2, 'transition', 'prod', 11, '{"turn":"opened","by":"Ben \u201cB.\u201d \ud83d\udd2d","at":"x"}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', '7bb93d0107b9d1d544ffee51c7fc0d0f', 1, NULL, NULL, '2026-11-24 03:05:05.678901+00', NULL, '', 'talk', NULL);
INSERT INTO public.outbox VALUES (5, 'trigger', 'prod', 11, '{"target":"prompt","step":"trigger","key":"prompt-redis-bot:prod:11:20261124T030405Z","environment":"prod","label":"PROD","instrument":"lsstcam","rule":"expiring","severity":"critical","summary":"1,204 entries wait \u2014 \u201c31 min\u201d","details":[["Visits","7"],["Longest wait","31 min"]],"link":"https://example.slack.com/archives/C1/p1","at":"2026-11-24T03:05:05.678901+00:00","incident":11}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', 'acc60b6ce6f011ff6c538ce49c3799fe', 1, NULL, NULL, NULL, '2026-11-24 03:04:05.678901+00', '', 'page', NULL);
INSERT INTO public.outbox VALUES (6, 'trigger', 'prod', 11, '{"target":"phones","step":"trigger","key":"prompt-redis-bot:prod:11:20261124T030405Z","environment":"prod","label":"PROD","instrument":"lsstcam","rule":"expiring","severity":"critical","summary":"1,204 entries wait \u2014 \u201c31 min\u201d","details":[["Visits","7"],["Longest wait","31 min"]],"link":"https://example.slack.com/archives/C1/p1","at":"2026-11-24T03:05:05.678901+00:00","incident":11}', '2026-11-24 03:04:05.678901+00', 'pod-1-0f1e2d3c', 'c88abe96a0d12dd1bb8a3ec9371d34f7', 1, NULL, NULL, '2026-11-24 03:05:05.678901+00', NULL, '', 'page', NULL);

INSERT INTO public.positions VALUES ('prod', 'lsstcam', '1795498255163-18446744073709551615', '2026-11-24 03:04:05.678901+00');

INSERT INTO public.posts VALUES (5, 5, 'prod', NULL, NULL, 2, 0, '03b231ef5e5b8572ccb9fa17a45b9c3f', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (6, 6, 'prod', NULL, NULL, 2, 0, 'f45c8dd9f27e0bd918e01466ffee49f8', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (7, 7, 'prod', NULL, NULL, 2, 0, '769b187d7132c1b896c07de5a3d4923c', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (8, 8, 'prod', NULL, NULL, 4, 0, '1f026c801eb26b06948668509d7f0862', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (9, 9, 'prod', NULL, NULL, 2, 0, '43bacee84673fa76dc35f6ed6bcf0c3b', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (10, 10, 'prod', NULL, NULL, 1, 0, '1c804c73f81f5280da3ac9b8798a992f', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (11, 11, 'prod', NULL, NULL, 4, 0, 'ca2e24a6e950d9b3894471e7f0757cf3', 0, NULL, NULL, NULL, 'alarm');
INSERT INTO public.posts VALUES (12, 13, 'dev', NULL, NULL, 2, 0, '8f9d582ac23626dfefc9462b8b06e44e', 0, NULL, NULL, NULL, 'alarm');
INSERT INTO public.posts VALUES (13, 18, 'prod', NULL, NULL, 3, 0, '3e218f42f10141ee14ba4b0d6329ef05', 0, NULL, NULL, NULL, 'window');
INSERT INTO public.posts VALUES (14, 19, 'prod', NULL, NULL, 2, 0, 'a4f3fc077d2138930f9ec02449e5c7d5', 0, NULL, NULL, NULL, 'window');
INSERT INTO public.posts VALUES (15, 20, 'prod', NULL, NULL, 2, 0, '37cafa1275fa4dc1e9c757c43f01b7e6', 0, NULL, NULL, NULL, 'window');
INSERT INTO public.posts VALUES (16, 21, 'prod', NULL, NULL, 1, 0, 'ddc459d499c3257e81447e62964b423d', 0, NULL, NULL, NULL, 'window');
INSERT INTO public.posts VALUES (1, 1, 'prod', 'C0PROD', '1795498255.000100', 6, 6, '1b00756346ee93521386829258853448', 0, NULL, NULL, NULL, 'request');
INSERT INTO public.posts VALUES (2, 2, 'prod', NULL, NULL, 4, 0, '621c534d0309b58d99f82aa132af57dc', 1, NULL, NULL, '2026-11-24 03:04:05.678901+00', 'request');
INSERT INTO public.posts VALUES (3, 3, 'prod', NULL, NULL, 3, 0, '0a564a154d9d0063c1dc2434300529fb', 1, NULL, NULL, '2026-11-24 04:04:05.678901+00', 'request');
INSERT INTO public.posts VALUES (4, 4, 'prod', NULL, NULL, 2, 0, '64ca6c688b49f89a69ee585bb51f68f2', 1, 'pod-1-0f1e2d3c', '2026-11-24 03:05:05.678901+00', NULL, 'request');

INSERT INTO public.requests VALUES (4, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000004', '2026-11-24 03:08:05.678901+00', '2026-11-24 04:08:05.678901+00', 1, false, 'pod-0-taker', 'denied', 1, '2026-11-24 03:09:05.678901+00', 'U0CAY', 'Cay', 'not tonight', NULL, '', NULL, '[]', NULL, NULL);
INSERT INTO public.requests VALUES (1, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD lsstcam","headline":"discard 1,204 waiting entries = 7 visits","facts":[["Entries","1,204"],["Visits","7"]],"streams":["instrument:lsstcam"],"bound":{"last":"1795498255163-2","added":"88123"},"asks":false,"warning":"No undo: \u201creally\u201d.\nNone.","listing":["visit 2026112300017 \u00b7 172","visit 2026112300018 \u00b7 172"],"confirmation":{"title":"Sure?","text":"It is gone then.","yes":"Yes","no":"No"},"outage":"Redis is restarting"}', '00000000000000000000000000000001', '2026-11-24 03:05:05.678901+00', '2026-11-24 04:05:05.678901+00', 2, false, 'pod-0-taker', 'done', 5, '2026-11-24 03:08:05.678901+00', NULL, NULL, '', '2026-11-24 03:07:05.678901+00', 'pod-1-0f1e2d3c', '2026-11-24 03:08:05.678901+00', '["found 1,204","discarded"]', '{"happened":"yes","headline":"1,204 entries = 7 visits discarded","facts":[["Waiting","1,204 \u2192 0"]],"failed":false,"offers":[["Look","status lsstcam"]],"aside":["visit 2026112300017"],"before":{"entries":"1,204"},"after":{"entries":"0"},"notes":["Workers go on by themselves."],"undo":"restore 1","well":false}', 'yes');
INSERT INTO public.requests VALUES (5, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000005', '2026-11-24 03:09:05.678901+00', '2026-11-24 04:09:05.678901+00', 1, false, 'pod-0-taker', 'withdrawn', 1, '2026-11-24 03:10:05.678901+00', 'U0ANA', 'Ana', '', NULL, '', NULL, '[]', NULL, NULL);
INSERT INTO public.requests VALUES (2, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000002', '2026-11-24 03:06:05.678901+00', '2026-11-24 04:06:05.678901+00', 1, false, 'pod-0-taker', 'failed', 3, '2026-11-24 03:08:05.678901+00', NULL, NULL, '', '2026-11-24 03:07:05.678901+00', 'pod-1-0f1e2d3c', '2026-11-24 03:07:05.678901+00', '[]', '{"happened":"no","headline":"nothing was changed","facts":[],"failed":true,"offers":[],"aside":[],"before":{},"after":{},"notes":[],"undo":"","well":true}', 'no');
INSERT INTO public.requests VALUES (3, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000003', '2026-11-24 03:07:05.678901+00', '2026-11-24 04:07:05.678901+00', 1, false, 'pod-0-taker', 'interrupted', 2, '2026-11-24 03:10:05.678901+00', NULL, NULL, '', '2026-11-24 03:08:05.678901+00', 'pod-2-0f1e2d3c', '2026-11-24 03:08:05.678901+00', '[]', '{"happened":"unknown","headline":"nobody knows","facts":[],"failed":false,"offers":[],"aside":[],"before":{},"after":{},"notes":[],"undo":"","well":true}', 'unknown');
INSERT INTO public.requests VALUES (6, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000006', '2026-11-24 03:10:05.678901+00', '2026-11-24 04:10:05.678901+00', 1, false, 'pod-0-taker', 'expired', 1, '2026-11-24 05:04:05.678901+00', NULL, NULL, '', NULL, '', NULL, '[]', NULL, NULL);
INSERT INTO public.requests VALUES (7, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000007', '2026-11-24 03:11:05.678901+00', '2026-11-24 04:11:05.678901+00', 1, false, 'pod-0-taker', 'approved', 1, NULL, NULL, NULL, '', '2026-11-24 03:12:05.678901+00', 'pod-1-0f1e2d3c', '2026-11-24 03:12:05.678901+00', '[]', NULL, NULL);
INSERT INTO public.requests VALUES (9, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD lsstcam","headline":"discard 1,204 waiting entries = 7 visits","facts":[["Entries","1,204"],["Visits","7"]],"streams":["instrument:lsstcam"],"bound":{"last":"1795498255163-2","added":"88123"},"asks":false,"warning":"No undo: \u201creally\u201d.\nNone.","listing":["visit 2026112300017 \u00b7 172","visit 2026112300018 \u00b7 172"],"confirmation":{"title":"Sure?","text":"It is gone then.","yes":"Yes","no":"No"},"outage":"Redis is restarting"}', '00000000000000000000000000000009', '2026-11-24 03:13:05.678901+00', '2026-11-24 04:13:05.678901+00', 2, false, 'pod-0-taker', 'open', 1, NULL, NULL, NULL, '', NULL, '', NULL, '[]', NULL, NULL);
INSERT INTO public.requests VALUES (8, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '00000000000000000000000000000008', '2026-11-24 03:12:05.678901+00', '2026-11-24 04:12:05.678901+00', 1, false, 'pod-0-taker', 'running', 3, NULL, NULL, NULL, '', '2026-11-24 03:13:05.678901+00', 'pod-1-0f1e2d3c', '2026-11-24 03:14:05.678901+00', '["waits for the new pod"]', NULL, NULL);
INSERT INTO public.requests VALUES (10, 'prod', 'clear', 'lsstcam', 'stale since the
shutdown — “twice” 🔭', 'U0ANA', 'Ana', '{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}', '0000000000000000000000000000000a', '2026-11-24 03:14:05.678901+00', '2026-11-24 04:14:05.678901+00', 1, true, 'pod-0-taker', 'open', 0, NULL, NULL, NULL, '', NULL, '', NULL, '[]', NULL, NULL);

INSERT INTO public.samples VALUES ('prod', 'lsstcam', '2026-11-24 03:04:05.678901+00', true, true, 172, 1, true, 12500000, 2, 412, 8000000000, 9000000000, '1795498255163-18446744073709551615', 172, 1);
INSERT INTO public.samples VALUES ('prod', 'latiss', '2026-11-24 03:04:06.678901+00', false, NULL, 0, 0, false, NULL, 0, 0, 0, 0, '0-0', NULL, 0);

INSERT INTO public.silences VALUES (14, 'prod', 'U0BEN', 'Ben “B.” 🔭', 'known: “off”
🔭', '2026-11-24 03:04:05.678901+00', '2027-11-24 03:04:05.678901+00', 'lsstcam', NULL, NULL, NULL);
INSERT INTO public.silences VALUES (15, 'prod', 'U0ANA', 'Ana', 'drill', '2026-11-24 03:04:05.678901+00', NULL, '', 'unreachable', NULL, NULL);
INSERT INTO public.silences VALUES (16, 'prod', 'U0ANA', 'Ana', 'this one', '2026-11-24 03:04:05.678901+00', NULL, '', NULL, 11, NULL);
INSERT INTO public.silences VALUES (17, 'prod', 'U0ANA', 'Ana', 'slip', '2026-11-24 03:04:05.678901+00', '2026-11-24 04:04:05.678901+00', 'latiss', NULL, NULL, '2026-11-24 03:05:05.678901+00');

INSERT INTO public.votes VALUES (1, 'U0CAY', 0, 'Cay', '2026-11-24 03:06:05.678901+00', false, 'agreed by phone');
INSERT INTO public.votes VALUES (1, 'U0BEN', 1, 'Ben “B.” 🔭', '2026-11-24 03:07:05.678901+00', false, '');
INSERT INTO public.votes VALUES (2, 'U0BEN', 0, 'Ben “B.” 🔭', '2026-11-24 03:07:05.678901+00', true, 'nobody else is up');
INSERT INTO public.votes VALUES (3, 'U0BEN', 0, 'Ben “B.” 🔭', '2026-11-24 03:08:05.678901+00', false, '');
INSERT INTO public.votes VALUES (7, 'U0BEN', 0, 'Ben “B.” 🔭', '2026-11-24 03:12:05.678901+00', false, '');
INSERT INTO public.votes VALUES (8, 'U0BEN', 0, 'Ben “B.” 🔭', '2026-11-24 03:13:05.678901+00', false, '');
INSERT INTO public.votes VALUES (9, 'U0BEN', 0, 'Ben “B.” 🔭', '2026-11-24 03:14:05.678901+00', false, '');

INSERT INTO public.windows VALUES (18, 'prod', '2026-11-24 03:04:05.678901+00', '2026-11-24 04:04:05.678901+00', 'Redis “8.10” 🔭
upgrade', 'U0ANA', 'Ana', '2026-11-24 03:04:05.678901+00', false, 'ended', 2, '2026-11-24 03:04:06.678901+00', 'U0BEN', 'Ben “B.” 🔭', '2026-11-24 04:04:05.678901+00', 'U0CAY', 'Cay', 'all well', '[["ending","2026-11-24T03:54:05.678901+00:00"]]', 1);
INSERT INTO public.windows VALUES (19, 'prod', '2026-11-24 08:04:05.678901+00', '2026-11-24 09:04:05.678901+00', 'Redis “8.10” 🔭
upgrade', 'U0ANA', 'Ana', '2026-11-24 03:04:05.678901+00', false, 'cancelled', 1, NULL, NULL, NULL, '2026-11-24 03:04:05.678901+00', 'U0ANA', 'Ana', '', '[]', 0);
INSERT INTO public.windows VALUES (20, 'prod', '2026-11-25 03:04:05.678901+00', '2026-11-25 04:04:05.678901+00', 'Redis “8.10” 🔭
upgrade', 'U0ANA', 'Ana', '2026-11-24 03:04:05.678901+00', true, 'scheduled', 1, NULL, NULL, NULL, NULL, NULL, NULL, '', '[["hour before","2026-11-25T02:04:05.678901+00:00"],["minutes before","2026-11-25T02:54:05.678901+00:00"]]', 0);
INSERT INTO public.windows VALUES (21, 'prod', '2026-11-26 03:04:05.678901+00', '2026-11-26 04:04:05.678901+00', 'Redis “8.10” 🔭
upgrade', 'U0ANA', 'Ana', '2026-11-24 03:04:05.678901+00', false, 'scheduled', 0, NULL, NULL, NULL, NULL, NULL, NULL, '', '[]', 0);

SELECT pg_catalog.setval('public.audit_id_seq', 22, true);

SELECT pg_catalog.setval('public.outbox_id_seq', 7, true);

SELECT pg_catalog.setval('public.posts_id_seq', 16, true);

ALTER TABLE ONLY public.alarms
    ADD CONSTRAINT alarms_key PRIMARY KEY (id);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_key PRIMARY KEY (id);

ALTER TABLE ONLY public.chores
    ADD CONSTRAINT chores_key PRIMARY KEY (name, day);

ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_key PRIMARY KEY (name);

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_key PRIMARY KEY (trigger);

ALTER TABLE ONLY public.leadership
    ADD CONSTRAINT leadership_key PRIMARY KEY (id);

ALTER TABLE ONLY public.minutes
    ADD CONSTRAINT minutes_key PRIMARY KEY (environment, instrument, at);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_key PRIMARY KEY (id);

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_key PRIMARY KEY (environment, instrument);

ALTER TABLE ONLY public.posts
    ADD CONSTRAINT posts_key PRIMARY KEY (id);

ALTER TABLE ONLY public.posts
    ADD CONSTRAINT posts_one_subject UNIQUE (subject);

ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_key PRIMARY KEY (id);

ALTER TABLE ONLY public.samples
    ADD CONSTRAINT samples_key PRIMARY KEY (environment, instrument, at);

ALTER TABLE ONLY public.silences
    ADD CONSTRAINT silences_key PRIMARY KEY (id);

ALTER TABLE ONLY public.votes
    ADD CONSTRAINT votes_key PRIMARY KEY (request, person);

ALTER TABLE ONLY public.windows
    ADD CONSTRAINT windows_key PRIMARY KEY (id);

CREATE INDEX alarms_by_environment ON public.alarms USING btree (environment, id);

CREATE UNIQUE INDEX alarms_firing ON public.alarms USING btree (environment, name, instrument) WHERE (resolved IS NULL);

CREATE INDEX audit_by_environment ON public.audit USING btree (environment, id);

CREATE INDEX deliveries_by_came ON public.deliveries USING btree (came);

CREATE INDEX minutes_by_environment ON public.minutes USING btree (environment, at);

CREATE INDEX outbox_by_closed ON public.outbox USING btree (closed);

CREATE INDEX outbox_waiting ON public.outbox USING btree (lane, id) WHERE (closed IS NULL);

CREATE INDEX posts_behind ON public.posts USING btree (id) WHERE (shown < wanted);

CREATE INDEX requests_by_environment ON public.requests USING btree (environment, id);

CREATE INDEX requests_by_state ON public.requests USING btree (state, environment);

CREATE INDEX samples_by_environment ON public.samples USING btree (environment, at);

CREATE INDEX silences_by_environment ON public.silences USING btree (environment, id);

CREATE INDEX windows_by_environment ON public.windows USING btree (environment, id);

ALTER TABLE ONLY public.votes
    ADD CONSTRAINT votes_request_of_requests FOREIGN KEY (request) REFERENCES public.requests(id) ON DELETE CASCADE;
