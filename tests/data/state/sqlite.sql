BEGIN TRANSACTION;
CREATE TABLE alarms (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	name TEXT NOT NULL, 
	instrument TEXT NOT NULL, 
	began DATETIME NOT NULL, 
	opened DATETIME NOT NULL, 
	findings TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	worst TEXT NOT NULL, 
	highest_waiting INTEGER NOT NULL, 
	highest_visits INTEGER NOT NULL, 
	highest_capped BOOLEAN NOT NULL, 
	highest_wait BIGINT, 
	skipped TEXT NOT NULL, 
	held TEXT, 
	was_held BOOLEAN NOT NULL, 
	owner TEXT, 
	owner_name TEXT, 
	owned DATETIME, 
	asked DATETIME, 
	critical_since DATETIME, 
	told TEXT NOT NULL, 
	resolved DATETIME, 
	drawn DATETIME, 
	version INTEGER NOT NULL, 
	CONSTRAINT alarms_key PRIMARY KEY (id)
);
INSERT INTO "alarms" VALUES(11,'prod','backlog','lsstcam','2026-11-24 03:03:05.678901','2026-11-24 03:04:05.678901','[{"rule":"expiring","severity":"critical","since":"2026-11-24T03:04:06.678901+00:00"},{"rule":"backlog","severity":"warning","since":"2026-11-24T03:03:05.678901+00:00"}]','{"at":"2026-11-24T03:05:05.678901+00:00","waiting":1204,"visits":7,"capped":true,"wait":1860000001,"oldest_visit":"2026112300017 \u201codd\u201d","first_skipped":"2026-11-24T03:33:05.678901+00:00","arriving":4.25,"read":0.1,"read_last":"2026-11-24T03:01:05.678901+00:00","between_visits":37500000,"unconfirmed":3,"consumers":412,"lag_known":false,"answers_in":412,"kind":"","address":"","tries":0,"memory":0,"memory_limit":null}','critical',1300,8,1,1920000000,'[["2026112300017",172,"2026-11-24T03:05:05.678901+00:00"],["\u202618",1,"2026-11-24T04:04:05.678901+00:00"]]',NULL,1,'U0BEN','Ben “B.” 🔭','2026-11-24 03:06:05.678901','2026-11-24 06:04:05.678901','2026-11-24 03:04:06.678901','{"prompt":"2026-11-24T03:05:05.678901+00:00","phones":"2026-11-24T03:06:05.678901+00:00"}',NULL,'2026-11-24 03:06:05.678901',3);
INSERT INTO "alarms" VALUES(12,'prod','unreachable','','2026-11-24 03:04:05.678901','2026-11-24 03:05:05.678901','[{"rule":"unreachable","severity":"critical","since":"2026-11-24T03:04:05.678901+00:00"}]','{"at":"2026-11-24T03:05:05.678901+00:00","waiting":0,"visits":0,"capped":false,"wait":null,"oldest_visit":"","first_skipped":null,"arriving":null,"read":null,"read_last":null,"between_visits":null,"unconfirmed":0,"consumers":0,"lag_known":true,"answers_in":null,"kind":"refused","address":"prompt-redis.prod:6379","tries":12,"memory":5000000000,"memory_limit":6000000000}','critical',0,0,0,NULL,'[]','silence',1,NULL,NULL,NULL,NULL,NULL,'{}',NULL,NULL,1);
INSERT INTO "alarms" VALUES(13,'dev','pending','latiss','2026-11-24 03:04:05.678901','2026-11-24 03:05:05.678901','[{"rule":"pending","severity":"warning","since":"2026-11-24T03:04:05.678901+00:00"}]','{"at":"2026-11-24T03:05:05.678901+00:00","waiting":0,"visits":0,"capped":false,"wait":null,"oldest_visit":"","first_skipped":null,"arriving":null,"read":null,"read_last":null,"between_visits":null,"unconfirmed":12,"consumers":0,"lag_known":true,"answers_in":null,"kind":"","address":"","tries":0,"memory":0,"memory_limit":null}','warning',0,0,0,NULL,'[]',NULL,0,NULL,NULL,NULL,NULL,NULL,'{}','2026-11-24 03:06:05.678901','2026-11-24 03:06:05.678901',1);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	environment TEXT NOT NULL, 
	action TEXT NOT NULL, 
	person TEXT NOT NULL, 
	person_name TEXT NOT NULL, 
	result TEXT NOT NULL, 
	request INTEGER, 
	approvers TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	alone BOOLEAN NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	CONSTRAINT audit_key PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(2,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(3,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(4,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(5,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(6,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(7,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(8,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(9,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(10,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(11,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(12,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(13,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(14,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(15,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(16,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(17,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(18,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(19,'2026-11-24 03:05:05.678901','elsewhere','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
INSERT INTO "audit" VALUES(20,'2026-11-24 03:04:05.678901','prod','clear lsstcam “now”','U0ANA','Ana','done',1,'["Cay","Ben \u201cB.\u201d \ud83d\udd2d"]','stale','agreed by phone',1,'{"entries":"1,204","visits":"7"}','{"entries":"0","happened":"yes"}');
INSERT INTO "audit" VALUES(21,'2026-11-24 03:05:05.678901','prod','prune','','prompt-redis-bot','failed',NULL,'[]','','Redis is away',0,'{}','{}');
INSERT INTO "audit" VALUES(22,'2026-11-24 03:05:05.678901','dev','approve 1','U0BEN','Ben “B.” 🔭','refused',NULL,'[]','','',0,'{}','{}');
CREATE TABLE chores (
	name TEXT NOT NULL, 
	day DATE NOT NULL, 
	CONSTRAINT chores_key PRIMARY KEY (name, day)
);
INSERT INTO "chores" VALUES('prune','2026-11-24');
CREATE TABLE counters (
	name TEXT NOT NULL, 
	value INTEGER NOT NULL, 
	CONSTRAINT counters_key PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('ids',21);
CREATE TABLE deliveries (
	"trigger" TEXT NOT NULL, 
	came DATETIME NOT NULL, 
	times INTEGER NOT NULL, 
	CONSTRAINT deliveries_key PRIMARY KEY ("trigger")
);
INSERT INTO "deliveries" VALUES('trigger “1”','2026-11-24 03:04:05.678901',2);
CREATE TABLE leadership (
	id INTEGER NOT NULL, 
	holder TEXT, 
	until DATETIME, 
	CONSTRAINT leadership_key PRIMARY KEY (id)
);
INSERT INTO "leadership" VALUES(1,'pod-1-0f1e2d3c','2026-11-27 21:43:26.946000');
CREATE TABLE minutes (
	environment TEXT NOT NULL, 
	instrument TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	samples INTEGER NOT NULL, 
	reached INTEGER NOT NULL, 
	waiting INTEGER NOT NULL, 
	wait BIGINT, 
	unconfirmed INTEGER NOT NULL, 
	added BIGINT NOT NULL, 
	announced INTEGER NOT NULL, 
	CONSTRAINT minutes_key PRIMARY KEY (environment, instrument, at)
)
 WITHOUT ROWID

;
INSERT INTO "minutes" VALUES('prod','latiss','2026-11-24 03:04:00.000000',6,0,0,NULL,0,0,0);
INSERT INTO "minutes" VALUES('prod','lsstcam','2026-11-24 03:04:00.000000',6,5,172,12500000,2,9000000000,1);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	said TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	subject INTEGER, 
	"values" TEXT NOT NULL, 
	written DATETIME NOT NULL, 
	writer TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	claimed_by TEXT, 
	claimed_until DATETIME, 
	not_before DATETIME, 
	closed DATETIME, 
	why TEXT NOT NULL, lane TEXT DEFAULT 'talk' NOT NULL, channel TEXT, 
	CONSTRAINT outbox_key PRIMARY KEY (id)
);
INSERT INTO "outbox" VALUES(1,'outcome','prod',1,'{}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','3ff662af6570c6b1ae36ef40268c9ced',1,NULL,NULL,NULL,'2026-11-24 03:04:05.678901','','talk',NULL);
INSERT INTO "outbox" VALUES(2,'transition','prod',11,'{"turn":"opened","by":"Ben \u201cB.\u201d \ud83d\udd2d","at":"x"}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','de21866ef3c0595f17bb6bd6e2877e0f',1,NULL,NULL,'2026-11-24 03:05:05.678901',NULL,'','talk',NULL);
INSERT INTO "outbox" VALUES(3,'window','prod',18,'{"word":"started"}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','ee3622b1808fbe440eadb5d59a49eb30',0,NULL,NULL,NULL,NULL,'','talk','#rubin-ops');
INSERT INTO "outbox" VALUES(4,'summary','prod',NULL,'{"night":"2026-11-23"}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','1921d958f05b87c4bea47bcb6a7b1c8d',0,NULL,NULL,NULL,NULL,'','talk',NULL);
INSERT INTO "outbox" VALUES(5,'trigger','prod',11,'{"target":"prompt","step":"trigger","key":"prompt-redis-bot:prod:11:20261124T030405Z","environment":"prod","label":"PROD","instrument":"lsstcam","rule":"expiring","severity":"critical","summary":"1,204 entries wait \u2014 \u201c31 min\u201d","details":[["Visits","7"],["Longest wait","31 min"]],"link":"https://example.slack.com/archives/C1/p1","at":"2026-11-24T03:05:05.678901+00:00","incident":11}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','c117f5f91d26992e16af506e3dedcd93',1,NULL,NULL,NULL,'2026-11-24 03:04:05.678901','','page',NULL);
INSERT INTO "outbox" VALUES(6,'trigger','prod',11,'{"target":"phones","step":"trigger","key":"prompt-redis-bot:prod:11:20261124T030405Z","environment":"prod","label":"PROD","instrument":"lsstcam","rule":"expiring","severity":"critical","summary":"1,204 entries wait \u2014 \u201c31 min\u201d","details":[["Visits","7"],["Longest wait","31 min"]],"link":"https://example.slack.com/archives/C1/p1","at":"2026-11-24T03:05:05.678901+00:00","incident":11}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','821e8834ab170d2bdbfd37d428fab8bd',1,NULL,NULL,'2026-11-24 03:05:05.678901',NULL,'','page',NULL);
INSERT INTO "outbox" VALUES(7,'trigger','prod',NULL,'{"target":"prompt","step":"trigger","key":"by hand","environment":"prod","label":"PROD","instrument":"","rule":null,"severity":"critical","summary":"come","details":[],"link":"","at":"2026-11-24T03:04:05.678901+00:00","incident":0}','2026-11-24 03:04:05.678901','pod-1-0f1e2d3c','4edd3943b1052eff9be474fd863f43af',0,NULL,NULL,NULL,NULL,'','page',NULL);
CREATE TABLE positions (
	environment TEXT NOT NULL, 
	instrument TEXT NOT NULL, 
	entry TEXT NOT NULL, 
	seen DATETIME NOT NULL, 
	CONSTRAINT positions_key PRIMARY KEY (environment, instrument)
);
INSERT INTO "positions" VALUES('prod','lsstcam','1795498255163-18446744073709551615','2026-11-24 03:04:05.678901');
CREATE TABLE posts (
	id INTEGER NOT NULL, 
	subject INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	channel TEXT, 
	ts TEXT, 
	wanted INTEGER NOT NULL, 
	shown INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	claimed_by TEXT, 
	claimed_until DATETIME, 
	not_before DATETIME, kind TEXT DEFAULT 'request' NOT NULL, 
	CONSTRAINT posts_key PRIMARY KEY (id), 
	CONSTRAINT posts_one_subject UNIQUE (subject)
);
INSERT INTO "posts" VALUES(1,1,'prod','C0PROD','1795498255.000100',6,6,'cad873deff26e545942ecadc4f9a2b5d',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(2,2,'prod',NULL,NULL,4,0,'ae2c46075443735bce3284e50c0e4efc',1,NULL,NULL,'2026-11-24 03:04:05.678901','request');
INSERT INTO "posts" VALUES(3,3,'prod',NULL,NULL,3,0,'f916f3f3bf23bb78a6292b3b2cf4cb64',1,NULL,NULL,'2026-11-24 04:04:05.678901','request');
INSERT INTO "posts" VALUES(4,4,'prod',NULL,NULL,2,0,'949de19c3441085291aa06260c13c61d',1,'pod-1-0f1e2d3c','2026-11-24 03:05:05.678901',NULL,'request');
INSERT INTO "posts" VALUES(5,5,'prod',NULL,NULL,2,0,'28c81fed96fcf01c19cfdb8c35e3dbe1',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(6,6,'prod',NULL,NULL,2,0,'f7bf4d84fe031b4beda47a5f08906850',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(7,7,'prod',NULL,NULL,2,0,'c6cf4ad2fe3d2ef83b02de6d865df4b0',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(8,8,'prod',NULL,NULL,4,0,'0738007492d516c68d9fad7ab0a9e2aa',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(9,9,'prod',NULL,NULL,2,0,'54dffce4565ec86cae1b4e231d351df6',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(10,10,'prod',NULL,NULL,1,0,'4b29f9cc8996fbef91ac4021805e4945',0,NULL,NULL,NULL,'request');
INSERT INTO "posts" VALUES(11,11,'prod',NULL,NULL,4,0,'6eab51894cd16d750a58c61df023f959',0,NULL,NULL,NULL,'alarm');
INSERT INTO "posts" VALUES(12,13,'dev',NULL,NULL,2,0,'51ae0fd310c4025e07efd07149e21c40',0,NULL,NULL,NULL,'alarm');
INSERT INTO "posts" VALUES(13,18,'prod',NULL,NULL,3,0,'3253d53f607cf0962068ce9543459137',0,NULL,NULL,NULL,'window');
INSERT INTO "posts" VALUES(14,19,'prod',NULL,NULL,2,0,'d074160041ba97266a21ab9fca0f1e2d',0,NULL,NULL,NULL,'window');
INSERT INTO "posts" VALUES(15,20,'prod',NULL,NULL,2,0,'8e23d7820952fbfcc4578a655526a2bc',0,NULL,NULL,NULL,'window');
INSERT INTO "posts" VALUES(16,21,'prod',NULL,NULL,1,0,'f36362def18273d51b700471c6d5f86b',0,NULL,NULL,NULL,'window');
CREATE TABLE requests (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	command TEXT NOT NULL, 
	arguments TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	requester TEXT NOT NULL, 
	requester_name TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	asked DATETIME NOT NULL, 
	expires DATETIME NOT NULL, 
	needed INTEGER NOT NULL, 
	self_approval BOOLEAN NOT NULL, 
	taken_by TEXT NOT NULL, 
	state TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	ended DATETIME, 
	ended_by TEXT, 
	ended_by_name TEXT, 
	answer TEXT NOT NULL, 
	started DATETIME, 
	executor TEXT NOT NULL, 
	heartbeat DATETIME, 
	progress TEXT NOT NULL, 
	outcome TEXT, 
	happened TEXT, 
	CONSTRAINT requests_key PRIMARY KEY (id)
);
INSERT INTO "requests" VALUES(1,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD lsstcam","headline":"discard 1,204 waiting entries = 7 visits","facts":[["Entries","1,204"],["Visits","7"]],"streams":["instrument:lsstcam"],"bound":{"last":"1795498255163-2","added":"88123"},"asks":false,"warning":"No undo: \u201creally\u201d.\nNone.","listing":["visit 2026112300017 \u00b7 172","visit 2026112300018 \u00b7 172"],"confirmation":{"title":"Sure?","text":"It is gone then.","yes":"Yes","no":"No"},"outage":"Redis is restarting"}','00000000000000000000000000000001','2026-11-24 03:05:05.678901','2026-11-24 04:05:05.678901',2,0,'pod-0-taker','done',5,'2026-11-24 03:08:05.678901',NULL,NULL,'','2026-11-24 03:07:05.678901','pod-1-0f1e2d3c','2026-11-24 03:08:05.678901','["found 1,204","discarded"]','{"happened":"yes","headline":"1,204 entries = 7 visits discarded","facts":[["Waiting","1,204 \u2192 0"]],"failed":false,"offers":[["Look","status lsstcam"]],"aside":["visit 2026112300017"],"before":{"entries":"1,204"},"after":{"entries":"0"},"notes":["Workers go on by themselves."],"undo":"restore 1","well":false}','yes');
INSERT INTO "requests" VALUES(2,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000002','2026-11-24 03:06:05.678901','2026-11-24 04:06:05.678901',1,0,'pod-0-taker','failed',3,'2026-11-24 03:08:05.678901',NULL,NULL,'','2026-11-24 03:07:05.678901','pod-1-0f1e2d3c','2026-11-24 03:07:05.678901','[]','{"happened":"no","headline":"nothing was changed","facts":[],"failed":true,"offers":[],"aside":[],"before":{},"after":{},"notes":[],"undo":"","well":true}','no');
INSERT INTO "requests" VALUES(3,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000003','2026-11-24 03:07:05.678901','2026-11-24 04:07:05.678901',1,0,'pod-0-taker','interrupted',2,'2026-11-24 03:10:05.678901',NULL,NULL,'','2026-11-24 03:08:05.678901','pod-2-0f1e2d3c','2026-11-24 03:08:05.678901','[]','{"happened":"unknown","headline":"nobody knows","facts":[],"failed":false,"offers":[],"aside":[],"before":{},"after":{},"notes":[],"undo":"","well":true}','unknown');
INSERT INTO "requests" VALUES(4,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000004','2026-11-24 03:08:05.678901','2026-11-24 04:08:05.678901',1,0,'pod-0-taker','denied',1,'2026-11-24 03:09:05.678901','U0CAY','Cay','not tonight',NULL,'',NULL,'[]',NULL,NULL);
INSERT INTO "requests" VALUES(5,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000005','2026-11-24 03:09:05.678901','2026-11-24 04:09:05.678901',1,0,'pod-0-taker','withdrawn',1,'2026-11-24 03:10:05.678901','U0ANA','Ana','',NULL,'',NULL,'[]',NULL,NULL);
INSERT INTO "requests" VALUES(6,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000006','2026-11-24 03:10:05.678901','2026-11-24 04:10:05.678901',1,0,'pod-0-taker','expired',1,'2026-11-24 05:04:05.678901',NULL,NULL,'',NULL,'',NULL,'[]',NULL,NULL);
INSERT INTO "requests" VALUES(7,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000007','2026-11-24 03:11:05.678901','2026-11-24 04:11:05.678901',1,0,'pod-0-taker','approved',1,NULL,NULL,NULL,'','2026-11-24 03:12:05.678901','pod-1-0f1e2d3c','2026-11-24 03:12:05.678901','[]',NULL,NULL);
INSERT INTO "requests" VALUES(8,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','00000000000000000000000000000008','2026-11-24 03:12:05.678901','2026-11-24 04:12:05.678901',1,0,'pod-0-taker','running',3,NULL,NULL,NULL,'','2026-11-24 03:13:05.678901','pod-1-0f1e2d3c','2026-11-24 03:14:05.678901','["waits for the new pod"]',NULL,NULL);
INSERT INTO "requests" VALUES(9,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD lsstcam","headline":"discard 1,204 waiting entries = 7 visits","facts":[["Entries","1,204"],["Visits","7"]],"streams":["instrument:lsstcam"],"bound":{"last":"1795498255163-2","added":"88123"},"asks":false,"warning":"No undo: \u201creally\u201d.\nNone.","listing":["visit 2026112300017 \u00b7 172","visit 2026112300018 \u00b7 172"],"confirmation":{"title":"Sure?","text":"It is gone then.","yes":"Yes","no":"No"},"outage":"Redis is restarting"}','00000000000000000000000000000009','2026-11-24 03:13:05.678901','2026-11-24 04:13:05.678901',2,0,'pod-0-taker','open',1,NULL,NULL,NULL,'',NULL,'',NULL,'[]',NULL,NULL);
INSERT INTO "requests" VALUES(10,'prod','clear','lsstcam','stale since the
shutdown — “twice” 🔭','U0ANA','Ana','{"subject":"PROD latiss","headline":"read again from the beginning","facts":[],"streams":[],"bound":{},"asks":true,"warning":"","listing":[],"confirmation":null,"outage":""}','0000000000000000000000000000000a','2026-11-24 03:14:05.678901','2026-11-24 04:14:05.678901',1,1,'pod-0-taker','open',0,NULL,NULL,NULL,'',NULL,'',NULL,'[]',NULL,NULL);
CREATE TABLE samples (
	environment TEXT NOT NULL, 
	instrument TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	reached BOOLEAN NOT NULL, 
	there BOOLEAN, 
	waiting INTEGER NOT NULL, 
	visits INTEGER NOT NULL, 
	capped BOOLEAN NOT NULL, 
	wait BIGINT, 
	unconfirmed INTEGER NOT NULL, 
	consumers INTEGER NOT NULL, 
	length BIGINT NOT NULL, 
	added BIGINT NOT NULL, 
	last_delivered TEXT NOT NULL, 
	lag BIGINT, 
	announced INTEGER NOT NULL, 
	CONSTRAINT samples_key PRIMARY KEY (environment, instrument, at)
)
 WITHOUT ROWID

;
INSERT INTO "samples" VALUES('prod','latiss','2026-11-24 03:04:06.678901',0,NULL,0,0,0,NULL,0,0,0,0,'0-0',NULL,0);
INSERT INTO "samples" VALUES('prod','lsstcam','2026-11-24 03:04:05.678901',1,1,172,1,1,12500000,2,412,8000000000,9000000000,'1795498255163-18446744073709551615',172,1);
CREATE TABLE silences (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	person TEXT NOT NULL, 
	person_name TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	starts DATETIME NOT NULL, 
	ends DATETIME, 
	instrument TEXT NOT NULL, 
	rule TEXT, 
	incident INTEGER, 
	lifted DATETIME, 
	CONSTRAINT silences_key PRIMARY KEY (id)
);
INSERT INTO "silences" VALUES(14,'prod','U0BEN','Ben “B.” 🔭','known: “off”
🔭','2026-11-24 03:04:05.678901','2027-11-24 03:04:05.678901','lsstcam',NULL,NULL,NULL);
INSERT INTO "silences" VALUES(15,'prod','U0ANA','Ana','drill','2026-11-24 03:04:05.678901',NULL,'','unreachable',NULL,NULL);
INSERT INTO "silences" VALUES(16,'prod','U0ANA','Ana','this one','2026-11-24 03:04:05.678901',NULL,'',NULL,11,NULL);
INSERT INTO "silences" VALUES(17,'prod','U0ANA','Ana','slip','2026-11-24 03:04:05.678901','2026-11-24 04:04:05.678901','latiss',NULL,NULL,'2026-11-24 03:05:05.678901');
CREATE TABLE votes (
	request INTEGER NOT NULL, 
	person TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	alone BOOLEAN NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT votes_key PRIMARY KEY (request, person), 
	CONSTRAINT votes_request_of_requests FOREIGN KEY(request) REFERENCES requests (id) ON DELETE CASCADE
);
INSERT INTO "votes" VALUES(1,'U0CAY',0,'Cay','2026-11-24 03:06:05.678901',0,'agreed by phone');
INSERT INTO "votes" VALUES(1,'U0BEN',1,'Ben “B.” 🔭','2026-11-24 03:07:05.678901',0,'');
INSERT INTO "votes" VALUES(2,'U0BEN',0,'Ben “B.” 🔭','2026-11-24 03:07:05.678901',1,'nobody else is up');
INSERT INTO "votes" VALUES(3,'U0BEN',0,'Ben “B.” 🔭','2026-11-24 03:08:05.678901',0,'');
INSERT INTO "votes" VALUES(7,'U0BEN',0,'Ben “B.” 🔭','2026-11-24 03:12:05.678901',0,'');
INSERT INTO "votes" VALUES(8,'U0BEN',0,'Ben “B.” 🔭','2026-11-24 03:13:05.678901',0,'');
INSERT INTO "votes" VALUES(9,'U0BEN',0,'Ben “B.” 🔭','2026-11-24 03:14:05.678901',0,'');
CREATE TABLE windows (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	starts DATETIME NOT NULL, 
	ends DATETIME NOT NULL, 
	reason TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	owner_name TEXT NOT NULL, 
	announced DATETIME NOT NULL, 
	during_observing BOOLEAN NOT NULL, 
	stage TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	started DATETIME, 
	started_by TEXT, 
	started_by_name TEXT, 
	ended DATETIME, 
	ended_by TEXT, 
	ended_by_name TEXT, 
	closing TEXT NOT NULL, 
	said TEXT NOT NULL, 
	updates INTEGER NOT NULL, 
	CONSTRAINT windows_key PRIMARY KEY (id)
);
INSERT INTO "windows" VALUES(18,'prod','2026-11-24 03:04:05.678901','2026-11-24 04:04:05.678901','Redis “8.10” 🔭
upgrade','U0ANA','Ana','2026-11-24 03:04:05.678901',0,'ended',2,'2026-11-24 03:04:06.678901','U0BEN','Ben “B.” 🔭','2026-11-24 04:04:05.678901','U0CAY','Cay','all well','[["ending","2026-11-24T03:54:05.678901+00:00"]]',1);
INSERT INTO "windows" VALUES(19,'prod','2026-11-24 08:04:05.678901','2026-11-24 09:04:05.678901','Redis “8.10” 🔭
upgrade','U0ANA','Ana','2026-11-24 03:04:05.678901',0,'cancelled',1,NULL,NULL,NULL,'2026-11-24 03:04:05.678901','U0ANA','Ana','','[]',0);
INSERT INTO "windows" VALUES(20,'prod','2026-11-25 03:04:05.678901','2026-11-25 04:04:05.678901','Redis “8.10” 🔭
upgrade','U0ANA','Ana','2026-11-24 03:04:05.678901',1,'scheduled',1,NULL,NULL,NULL,NULL,NULL,NULL,'','[["hour before","2026-11-25T02:04:05.678901+00:00"],["minutes before","2026-11-25T02:54:05.678901+00:00"]]',0);
INSERT INTO "windows" VALUES(21,'prod','2026-11-26 03:04:05.678901','2026-11-26 04:04:05.678901','Redis “8.10” 🔭
upgrade','U0ANA','Ana','2026-11-24 03:04:05.678901',0,'scheduled',0,NULL,NULL,NULL,NULL,NULL,NULL,'','[]',0);
CREATE INDEX audit_by_environment ON audit (environment, id);
CREATE INDEX deliveries_by_came ON deliveries (came);
CREATE INDEX outbox_by_closed ON outbox (closed);
CREATE INDEX posts_behind ON posts (id) WHERE shown < wanted;
CREATE INDEX requests_by_environment ON requests (environment, id);
CREATE INDEX requests_by_state ON requests (state, environment);
CREATE INDEX outbox_waiting ON outbox (lane, id) WHERE closed IS NULL;
CREATE INDEX alarms_by_environment ON alarms (environment, id);
CREATE UNIQUE INDEX alarms_firing ON alarms (environment, name, instrument) WHERE resolved IS NULL;
CREATE INDEX silences_by_environment ON silences (environment, id);
CREATE INDEX samples_by_environment ON samples (environment, at);
CREATE INDEX minutes_by_environment ON minutes (environment, at);
CREATE INDEX windows_by_environment ON windows (environment, id);
COMMIT;
