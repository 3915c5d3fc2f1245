PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
);
INSERT INTO meta VALUES('schema',X'3130');
INSERT INTO meta VALUES('canary',X'1509f5bb299495262a135fbf98e3e8aeb111fccec784a3c6552e991212e3ed894785f919f5d1');
INSERT INTO meta VALUES('builtin',X'31');
INSERT INTO meta VALUES('key rotated',X'31373935393933333538303536');
CREATE TABLE domains (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	lockout_threshold BIGINT NOT NULL,
	lockout_minutes BIGINT NOT NULL
, max_failures BIGINT NOT NULL DEFAULT 100, passcode_channels TEXT NOT NULL DEFAULT 'SMTP,SMS');
INSERT INTO domains VALUES('01a22914533d74839b37b7962f142168','local','local','',10,15,100,'SMTP,SMS');
INSERT INTO domains VALUES('01a229145efe7649a7ef62fb086e8b2f','example.com','example.com','',10,15,100,'SMTP,SMS');
INSERT INTO domains VALUES('01a2291462927096aeb4df259af7e0a6','kept','kept','',10,15,100,'SMTP,SMS');
CREATE TABLE users (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL REFERENCES domains (id),
	login_name TEXT NOT NULL,
	login_name_folded TEXT NOT NULL,
	first_name TEXT NOT NULL,
	last_name TEXT NOT NULL,
	password BLOB,
	email TEXT NOT NULL,
	email_folded TEXT NOT NULL,
	mobile TEXT NOT NULL,
	telephone TEXT NOT NULL,
	twitter TEXT NOT NULL,
	canonical_name TEXT NOT NULL,
	user_principal_name TEXT NOT NULL,
	personal_email TEXT NOT NULL,
	personal_telephone TEXT NOT NULL,
	personal_twitter TEXT NOT NULL,
	personal_mobile TEXT NOT NULL,
	user_locale TEXT NOT NULL,
	status TEXT NOT NULL,
	description TEXT NOT NULL,
	must_change_password BOOLEAN NOT NULL,
	password_never_expires BOOLEAN NOT NULL,
	last_change_password BIGINT NOT NULL,
	permissions TEXT NOT NULL,
	UNIQUE (domain_id, login_name_folded)
);
INSERT INTO users VALUES('01a2291454b17aaca3e2c91bafb62c59','01a22914533d74839b37b7962f142168','admin','admin','','',X'1509f5bbd97f73bf9fefd5ee088f273544b6006056c65746b3651f2f7127cbf636d1939c39a1dd4238b867b7509d6903b1a3ace73b435b4cb51fe73c0970af94ace43ff9ff3ac2f6678a934f1bcf9097c47416b457b6bfb34f3cef152235fa2b9e90c7bdcb6a14d002ac54efd2dc3609329eebefd9562baac3463f59bae260820a','','','','','','','','','','','','','ACTIVE','',0,0,1795985527753,'*');
INSERT INTO users VALUES('01a229145f907b5d880fabe0b99373d9','01a229145efe7649a7ef62fb086e8b2f','john.smith','john.smith','','',X'1509f5bb764a9a8d7ed683c9e366667e5944af07c422db704eb4699ec2e82f4ecba028f19c7a86f795ae7c038619efa2590d1e48eb527929f32ffadca9b44ccfbaf3c90f5cd086e366c75d6175c67e2ab2b913e9dca00ef4437f3b9f028182b2da10bec34328fc5abf0da704bd78333a6af90a7a2a7af01701f6c5aa94cdf899ae','john.smith@example.com','john.smith@example.com','','','','','','','','','','','ACTIVE','',0,0,1795985530653,'');
INSERT INTO users VALUES('01a2291461bc7762b498e29cc2132e82','01a229145efe7649a7ef62fb086e8b2f','kiosk1','kiosk1','','',NULL,'','','','','','','','','','','','','ACTIVE','',0,0,0,'');
INSERT INTO users VALUES('01a2298bc6867108904283204dbc2316','01a229145efe7649a7ef62fb086e8b2f','odd','odd','','',NULL,'','','','','','','','','','','','','ACTIVE','',0,0,0,'');
INSERT INTO users VALUES('01a22990002872d594deb04a08e436f7','01a229145efe7649a7ef62fb086e8b2f','later','later','','',NULL,'','','','','','','','','','','','','ACTIVE','',0,0,0,'');
CREATE TABLE user_states (
	user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	fail_count BIGINT NOT NULL,
	last_login BIGINT NOT NULL
, locked_until BIGINT NOT NULL DEFAULT 0, refused_at BLOB, passcode BLOB, passcode_until BIGINT NOT NULL DEFAULT 0, tries BIGINT NOT NULL DEFAULT 0, calm_at BIGINT NOT NULL DEFAULT 0, guessed_until BIGINT NOT NULL DEFAULT 0, passcodes_at BLOB);
INSERT INTO user_states VALUES('01a2291454b17aaca3e2c91bafb62c59',0,1795985531996,0,NULL,NULL,0,0,0,0,NULL);
INSERT INTO user_states VALUES('01a229145f907b5d880fabe0b99373d9',7,1795985530888,0,X'000001a229146035000001a229146045000001a229146058000001a229146069000001a229146079000001a229146091000001a2291460a2',NULL,0,7,0,0,NULL);
INSERT INTO user_states VALUES('01a2291461bc7762b498e29cc2132e82',0,0,0,NULL,NULL,0,0,0,0,NULL);
INSERT INTO user_states VALUES('01a2298bc6867108904283204dbc2316',1,1795993356455,0,X'000001a2298bc8e5',NULL,0,1,0,1796027642231,NULL);
INSERT INTO user_states VALUES('01a22990002872d594deb04a08e436f7',0,0,0,NULL,NULL,0,0,0,0,NULL);
CREATE TABLE products (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	manufacturer_code TEXT NOT NULL,
	product_code TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	digits BIGINT NOT NULL,
	period BIGINT NOT NULL,
	crypto TEXT NOT NULL,
	kind TEXT NOT NULL,
	auto_window BIGINT NOT NULL,
	check_window BIGINT NOT NULL,
	manual_window BIGINT NOT NULL,
	max_tokens_per_user BIGINT NOT NULL,
	activation TEXT NOT NULL,
	activation_code_length BIGINT NOT NULL,
	activation_code_hours BIGINT NOT NULL,
	functions TEXT NOT NULL, narrow_window BIGINT NOT NULL DEFAULT 2,
	UNIQUE (manufacturer_code, product_code)
);
INSERT INTO products VALUES('01a22914530c7d6797bf5244bbd1af21','MobileID','DN','MT','TOTP',6,30,'HmacSHA1','SOFT',2,10,60,0,'AUTO',8,48,'',2);
INSERT INTO products VALUES('01a22914530c7e1ab956cbb4da069b6d','SafeID time-based','DN','ST','TOTP',6,60,'HmacSHA1','HARDWARE',30,60,120,0,'AUTO',8,48,'',2);
INSERT INTO products VALUES('01a22914530c7e3493dbc30478d5c7a2','SafeID event-based','DN','SE','HOTP',6,0,'HmacSHA1','HARDWARE',10,50,200,0,'AUTO',8,48,'',2);
INSERT INTO products VALUES('01a22914530c7e49a81098913a5501df','SafeID time-based 30 s','DN','STE','TOTP',6,30,'HmacSHA1','HARDWARE',30,60,120,0,'AUTO',8,48,'',2);
INSERT INTO products VALUES('01a22914530c7e63b1cf7446f03e7cbb','Google Authenticator','GG','GT','TOTP',6,30,'HmacSHA1','SOFT',2,10,60,0,'AUTO',8,48,'',2);
CREATE TABLE repositories (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	parent_id TEXT REFERENCES repositories (id)
);
INSERT INTO repositories VALUES('01a22914530c7e7783c338c22ac8551a','default','',NULL);
CREATE TABLE tokens (
	id TEXT PRIMARY KEY,
	product_id TEXT NOT NULL REFERENCES products (id),
	repository_id TEXT NOT NULL REFERENCES repositories (id),
	serial TEXT NOT NULL,
	identifier TEXT NOT NULL,
	status TEXT NOT NULL,
	description TEXT NOT NULL,
	seed BLOB NOT NULL,
	confined BOOLEAN NOT NULL,
	downloads BIGINT NOT NULL,
	last_download BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
, seed_index BLOB, seed_group TEXT);
INSERT INTO tokens VALUES('01a229145fb37880af33794ab76ab2ed','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','10000000','10000000','ACTIVE','',X'1509f5bb31f5ebb489de4088a9c238ba9487409d5bd8a7927181caf733609e0336978743431a6baad29c2d9039812b407ab9f082',0,0,0,1795985530803,1795985530803,X'cdec0f9fcb3dff72b661d79624e17b1d',NULL);
INSERT INTO tokens VALUES('01a229145fd776d3a808c3a20bca59a4','01a22914530c7e1ab956cbb4da069b6d','01a22914530c7e7783c338c22ac8551a','20000000','20000000','ACTIVE','',X'1509f5bb19574553d41413c5d6b92701fd35114f1b462470b8981b63cb98067208ba57f521604f2d4c6d818f9aedb5a807d381aa',0,0,0,1795985530839,1795985530839,X'd466d13c6b0954c57249de16122ed924',NULL);
INSERT INTO tokens VALUES('01a229145ff277bc9b14e836e717d805','01a22914530c7e63b1cf7446f03e7cbb','01a22914530c7e7783c338c22ac8551a','30000000','30000000','ACTIVE','',X'1509f5bbbfde49aef0a5e430f74148fcadca132d6cbdce05d5ab2bbdae7bcbd82d2d1a577dad7d4fe45aeac777adc5bb2ba925d8',0,0,0,1795985530866,1795985530866,X'd6ba378c28078d6f6b113576e0ee38d4',NULL);
INSERT INTO tokens VALUES('01a2298bc6a77ab7ab24cddc558c84a2','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','40000001','40000001','ACTIVE','',X'1509f5bb99d0c6f3824cf677a17d99728a4f810d70a99dfb62542d4a73eb0e39a0418108aa7aaf19f37363772f7921400f0a33d1',0,0,0,1795993355943,1795993355943,X'cdc223dd77eb9bb5fc8f288261847ce8',NULL);
INSERT INTO tokens VALUES('01a2298bc6cc720594d922b45a5fc594','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','40000002','40000002','ACTIVE','',X'1509f5bb78bc57dd8ad9318a0b5a1602e64e52778d0b863f24dd30dde8692f3f7f46816c1ef9e2acbd8e492351a234fba8cf0815b5',0,0,0,1795993355980,1795993355980,X'3be23551d49e26818d21ff0ce07b999a',NULL);
INSERT INTO tokens VALUES('01a2298bc7f876469e3bc09069825326','01a22914530c7e1ab956cbb4da069b6d','01a22914530c7e7783c338c22ac8551a','40000005','40000005','ACTIVE','',X'1509f5bb709428396766ef35d7ef9cbdb21c5b75d2a5875ab29206f1e014e0167081b3ef48db154efbc19a8bc849f49d3323422c',0,0,0,1795993356280,1795993356353,X'ef03676a7476695dca3fac240ec1d828',NULL);
INSERT INTO tokens VALUES('01a2298bc86677a6aacdbc403a49400f','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','40000006','40000006','ACTIVE','',X'1509f5bb17a0aa6b8cf841faa37da00e60ca5f9dc60cce39da1f6ef2793207854a17ab881668282a6ced1a4a920eaccdf7ab9a1ff17c1cbed36ff22f8de266b9f93baea7af54c94af62b0c4f57c298b09dbcb1504ee2bb18d05e9c16a5044180430e292d08bf',0,0,0,1795993356390,1795993356390,X'ccdf96f2662225da8b246e1f79149577',NULL);
INSERT INTO tokens VALUES('01a2298bc8867a4487adb9a498bff114','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','40000007','40000007','ACTIVE','',X'1509f5bbd36614bc170ebb2feb296ddf0e1782a50fc8483e5bd23da75d8592b07cffb00cd4402b33fc29f500bb216ce08868a156',0,0,0,1795993356422,1795993356422,X'70b1f7e7c17d4764eaa6417096939a9b',NULL);
INSERT INTO tokens VALUES('01a2298bc8c7762db06dfd16850d356e','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','40000008','40000008','ACTIVE','',X'1509f5bbb516ede751e50d4d35267de8f4369619721902abe94606ce6a46de5dc5ce48b0bb001f7741a4e50858841c9cc44addb0',0,0,0,1795993356487,1795993356487,X'946eec696be371b5f92c91f0be304845',NULL);
CREATE TABLE token_states (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	counter BIGINT NOT NULL,
	drift BIGINT NOT NULL,
	last_used BIGINT NOT NULL,
	resync_step BIGINT NOT NULL,
	resync_until BIGINT NOT NULL
, synced_at BIGINT NOT NULL DEFAULT 0, asked BLOB, previous BIGINT NOT NULL DEFAULT 0, spent BIGINT NOT NULL DEFAULT 0);
INSERT INTO token_states VALUES('01a229145fb37880af33794ab76ab2ed',1,0,1795985530888,0,0,1795985530888,NULL,0,0);
INSERT INTO token_states VALUES('01a229145fd776d3a808c3a20bca59a4',0,0,0,0,0,0,NULL,0,0);
INSERT INTO token_states VALUES('01a229145ff277bc9b14e836e717d805',0,0,0,0,0,0,NULL,0,0);
INSERT INTO token_states VALUES('01a2298bc6a77ab7ab24cddc558c84a2',4,0,1795993356017,0,0,1795993356017,NULL,0,0);
INSERT INTO token_states VALUES('01a2298bc6cc720594d922b45a5fc594',0,0,0,0,0,0,NULL,0,0);
INSERT INTO token_states VALUES('01a2298bc7f876469e3bc09069825326',29933222,0,0,0,0,0,NULL,0,29933243);
INSERT INTO token_states VALUES('01a2298bc86677a6aacdbc403a49400f',3,0,1795993356455,0,0,1795993356455,NULL,0,0);
INSERT INTO token_states VALUES('01a2298bc8867a4487adb9a498bff114',0,0,0,0,0,0,NULL,0,0);
INSERT INTO token_states VALUES('01a2298bc8c7762db06dfd16850d356e',0,0,0,20,1795993956517,0,X'0000000000000014',0,0);
CREATE TABLE token_assignments (
	id TEXT PRIMARY KEY,
	token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
	user_id TEXT NOT NULL REFERENCES users (id),
	is_owner BOOLEAN NOT NULL,
	usage_limit BIGINT NOT NULL,
	usage_count BIGINT NOT NULL,
	status TEXT NOT NULL,
	starts BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	priority BIGINT NOT NULL,
	pin BLOB,
	last_change_pin BIGINT NOT NULL,
	must_change_pin BOOLEAN NOT NULL,
	pin_never_expires BOOLEAN NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL, activation BLOB, activation_until BIGINT NOT NULL DEFAULT 0, activation_tries BIGINT NOT NULL DEFAULT 0,
	UNIQUE (token_id, user_id)
);
INSERT INTO token_assignments VALUES('01a229145fb37cb78da9fbf5d090bb7a','01a229145fb37880af33794ab76ab2ed','01a229145f907b5d880fabe0b99373d9',1,0,1,'ACTIVE',0,0,0,X'1509f5bb2374b7542f7ae5c4943b01c01f4692b6bdad7227c845e412bbd44e59ead12f4215e6120bddb92b02cff70b0aba14ae5c991970a966f4f3271bab9f9360a24e080ef962c357bfe749c5809a8e',1795985530803,0,0,1795985530803,1795985530803,NULL,0,0);
INSERT INTO token_assignments VALUES('01a229145fd77862ae93ad3fdc829c70','01a229145fd776d3a808c3a20bca59a4','01a229145f907b5d880fabe0b99373d9',1,0,0,'ACTIVE',0,0,0,NULL,0,0,0,1795985530839,1795985530839,NULL,0,0);
INSERT INTO token_assignments VALUES('01a2298bc6a871b4a5e425dd4cd30a4f','01a2298bc6a77ab7ab24cddc558c84a2','01a2298bc6867108904283204dbc2316',1,0,1,'ACTIVE',0,0,0,NULL,0,0,0,1795993355943,1795993355943,NULL,0,0);
INSERT INTO token_assignments VALUES('01a2298bc6cc7795b9b9ac401ceaaf84','01a2298bc6cc720594d922b45a5fc594','01a2298bc6867108904283204dbc2316',1,0,0,'ACTIVE',0,0,0,NULL,0,0,0,1795993355980,1795993355980,NULL,0,0);
INSERT INTO token_assignments VALUES('01a2298bc7f87c0bb8e6d485d9817199','01a2298bc7f876469e3bc09069825326','01a2298bc6867108904283204dbc2316',1,0,0,'ACTIVE',0,0,0,NULL,0,0,0,1795993356280,1795993356280,NULL,0,0);
INSERT INTO token_assignments VALUES('01a2298bc8667d5098e6df6732ef4eb2','01a2298bc86677a6aacdbc403a49400f','01a2298bc6867108904283204dbc2316',1,0,1,'ACTIVE',0,0,0,NULL,0,0,0,1795993356390,1795993356390,NULL,0,0);
INSERT INTO token_assignments VALUES('01a2298bc8867f35bde82ef6b41e0fad','01a2298bc8867a4487adb9a498bff114','01a2298bc6867108904283204dbc2316',1,0,0,'ACTIVE',0,0,0,NULL,0,0,0,1795993356422,1795993356422,NULL,0,0);
INSERT INTO token_assignments VALUES('01a2298bc8c77b949694073bdf65a27e','01a2298bc8c7762db06dfd16850d356e','01a2298bc6867108904283204dbc2316',1,0,0,'ACTIVE',0,0,0,NULL,0,0,0,1795993356487,1795993356487,NULL,0,0);
CREATE TABLE agents (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	secret_hash BLOB NOT NULL,
	permissions TEXT NOT NULL,
	domains TEXT NOT NULL,
	addresses TEXT NOT NULL,
	certificates TEXT NOT NULL,
	status TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	last_used BIGINT NOT NULL
, generation BIGINT NOT NULL DEFAULT 1, old_secret_hash BLOB, old_secret_until BIGINT NOT NULL DEFAULT 0, rate_limit BIGINT NOT NULL DEFAULT 0);
INSERT INTO agents VALUES('01a22914531a7f2ebeb8965a9d427fe7','first',X'b045d53c45836422e95954974e6c32a09e6de1c812788f48b3cd03b60a76739b','*','','','','ACTIVE',1795985527579,1795985530621,1,NULL,0,0);
INSERT INTO agents VALUES('01a2291461db7b38a27b496d2b539d3f','limited',X'92b7763d108084d7a83033cd7352e473615fa6addeff34ea34c971ff25493463','auth/verify','example.com','','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','ACTIVE',1795985531355,0,1,NULL,0,0);
CREATE TABLE audit (
	id TEXT PRIMARY KEY,
	writer TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	time BIGINT NOT NULL,
	agent TEXT NOT NULL,
	method TEXT NOT NULL,
	object TEXT NOT NULL,
	outcome BIGINT NOT NULL,
	remote TEXT NOT NULL,
	mac BLOB NOT NULL
);
INSERT INTO audit VALUES('61d5d9bbb707ef2a0000000000000001','61d5d9bbb707ef2a',1,1795993442806,'operator','audit/prune','rows of before 2026-11-29T23:03:01Z',0,'local',X'1509f5bb8e901ec5a33e046439bbf5101d6405ee0e84e840af9624e11676ddfbf1c10b7f');
INSERT INTO audit VALUES('e16643f3c892b5760000000000000001','e16643f3c892b576',1,1795993632808,'operator','user/create','user 01a22990002872d594deb04a08e436f7',0,'local',X'1509f5bb149761aad8d175bd925d51cebf66141c99b5d2ec90aea392ee179ce1e365e821');
CREATE TABLE audit_marks (
	number BIGINT PRIMARY KEY,
	time BIGINT NOT NULL,
	kind TEXT NOT NULL,
	writer TEXT NOT NULL,
	heads TEXT NOT NULL,
	mac BLOB NOT NULL
);
INSERT INTO audit_marks VALUES(46,1795993442806,'checkpoint','',replace('61d5d9bbb707ef2a 0 1795993442806 1509f5bb89eb2e5b19c0a6d7bcf3c84a8d8afb66fb330d8a2fcc5db04f9aada9ae9a9320 from\n61d5d9bbb707ef2a 1 1795993442806 1509f5bb8e901ec5a33e046439bbf5101d6405ee0e84e840af9624e11676ddfbf1c10b7f at\n','\n',char(10)),X'1509f5bbe2bd70d0742d7cd7afbe1cfc940c93ff412c15b747dde57e64a5f03fd4e60e41');
INSERT INTO audit_marks VALUES(47,1795993442806,'end','',replace('61d5d9bbb707ef2a 1 1795993442806 1509f5bb8e901ec5a33e046439bbf5101d6405ee0e84e840af9624e11676ddfbf1c10b7f end\n','\n',char(10)),X'1509f5bb3d0cc7008c1671bab3155ace8dd95a04f199cc4b983bea182bf6b8780aeb3ea5');
INSERT INTO audit_marks VALUES(48,1795993632808,'begin','e16643f3c892b576',replace('e16643f3c892b576 0 1795993632808  at\n','\n',char(10)),X'1509f5bb778c21b0f67d59d3a01a452057c1cfa2f2d9a466101044fb39e9a166d5de055e');
INSERT INTO audit_marks VALUES(49,1795993632808,'end','',replace('e16643f3c892b576 1 1795993632808 1509f5bb149761aad8d175bd925d51cebf66141c99b5d2ec90aea392ee179ce1e365e821 end\n','\n',char(10)),X'1509f5bb9a9eaaaf640c0aff7076d3d7ac8b8621a4833df9df7912490571520a25572b57');
CREATE TABLE agent_certificates (
	hash TEXT PRIMARY KEY,
	agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE
);
INSERT INTO agent_certificates VALUES('0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','01a2291461db7b38a27b496d2b539d3f');
CREATE TABLE download_links (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	hash BLOB NOT NULL UNIQUE,
	expires BIGINT NOT NULL
);
INSERT INTO download_links VALUES('01a229145ff277bc9b14e836e717d805',X'cae95a325e5997b888badb0afdd6eab6b61761b8ef645b8aa32fb55d4e8d3967',1796158331138);
CREATE TABLE templates (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	subject TEXT NOT NULL,
	text TEXT NOT NULL
);
INSERT INTO templates VALUES('01a22914530c7c6ab03e6c26d04dcf6d','activationCode','Your activation code',replace('Your activation code for token {serial} is {code}\nIt can be used until {expires}.\n','\n',char(10)));
INSERT INTO templates VALUES('01a22914530c7cd7a9e5e823f84f5fff','downloadUrl','Your one-time password token',replace('Open this link and scan the code it shows with your authenticator app:\n{url}\nIt can be used once, until {expires}.\n','\n',char(10)));
INSERT INTO templates VALUES('01a22914530c7cf4885736ecfb3aa7c9','passcode','Your one-time passcode',replace('Your one-time passcode is {code}\nIt can be used once, until {expires}.\n','\n',char(10)));
INSERT INTO templates VALUES('01a22914530c7d2e95c8c7403f650daf','installationCode','Your installation code',replace('Your installation code is {code}\nEnter it in the client app of your device, or open this link there:\n{url}\nIt can be used until {expires}.\n','\n',char(10)));
CREATE TABLE deliveries (
	id TEXT PRIMARY KEY,
	channel TEXT NOT NULL,
	template TEXT NOT NULL,
	recipient TEXT NOT NULL,
	status TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	reason TEXT NOT NULL,
	body BLOB,
	next_try BIGINT NOT NULL,
	good_until BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
);
CREATE TABLE strangers (
	slot BIGINT PRIMARY KEY,
	refused_at BIGINT NOT NULL
);
INSERT INTO strangers VALUES(19,1795985531091);
CREATE TABLE licenses (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL,
	description TEXT NOT NULL,
	seats BIGINT NOT NULL,
	-- Kept beside the devices that take them, so that one statement takes a seat if there is one.
	seats_used BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
INSERT INTO licenses VALUES('01a2291461177bb1bdb9df3e877b2b34','l','l','',5,1,0);
CREATE TABLE device_groups (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	parent_id TEXT REFERENCES device_groups (id)
);
INSERT INTO device_groups VALUES('01a2291461547713968d676b1761fea3','root','root','',NULL);
CREATE TABLE devices (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	platform TEXT NOT NULL,
	status TEXT NOT NULL,
	user_id TEXT REFERENCES users (id),
	license_id TEXT REFERENCES licenses (id),
	hardware_id TEXT NOT NULL,
	-- Its client token, also one that ended. client_tokens refers to devices, so this does not refer back.
	token_id TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL,
	last_seen BIGINT NOT NULL
);
INSERT INTO devices VALUES('01a22914617c7821a1f94c6f52d16f06','dev','dev','','','ACTIVE',NULL,'01a2291461177bb1bdb9df3e877b2b34','','9Yv3x2XCHu',1795985531260,1795985531260,0);
INSERT INTO devices VALUES('01a2291461bd71639d2183025dd43558','kiosk','kiosk','','','ACTIVE','01a2291461bc7762b498e29cc2132e82',NULL,'','EqebygHd7m',1795985531323,1795985531323,0);
CREATE TABLE group_members (
	device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
	group_id TEXT NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (device_id, group_id)
);
INSERT INTO group_members VALUES('01a22914617c7821a1f94c6f52d16f06','01a2291461547713968d676b1761fea3');
INSERT INTO group_members VALUES('01a2291461bd71639d2183025dd43558','01a2291461547713968d676b1761fea3');
CREATE TABLE client_tokens (
	id TEXT PRIMARY KEY,
	device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
	hash BLOB NOT NULL,
	sealed BLOB,
	hint TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	first_used BIGINT NOT NULL,
	last_used BIGINT NOT NULL
);
INSERT INTO client_tokens VALUES('9Yv3x2XCHu','01a22914617c7821a1f94c6f52d16f06',X'eb82eee416f8d87c01cb58742ddfcf2684c88ed374a33c6dd9f1db0d64cd98c6',X'1509f5bbf5ea48777a7d4fed3a493d8ef5dc4606eaaac29ecc4bf1083cc1f3fe97e67e6d1f0d797b692d823129e50d15ddffbdab638db7755f96b1ad3436966db01a3b92711d67a6d3191ba3f4b42678efe2','5kBv','ISSUED','',1795985531260,0,0);
INSERT INTO client_tokens VALUES('EqebygHd7m','01a2291461bd71639d2183025dd43558',X'c6abf0f30a57f535a77528dea8df5713dcc403e2a302cc2cf8aaa4ecc9a68fc8',X'1509f5bbed3cfc5eee8928c543e1ebf510e14b08ec0d611a34f8a19378c5767bdff4e2e76a2fa7db225401b3114e722a94d7e04d6de12072c19c5dfd4ee5e8cb2b9125ab846c23cb110fbebeba7c625f4fbc','UFxG','ISSUED','',1795985531323,0,0);
CREATE TABLE installation_codes (
	id TEXT PRIMARY KEY,
	description TEXT NOT NULL,
	code BLOB NOT NULL,
	code_index BLOB NOT NULL UNIQUE,
	expires BIGINT NOT NULL,
	usage_limit BIGINT NOT NULL,
	usage_limit_delay BIGINT NOT NULL,
	limit_reached BIGINT NOT NULL,
	action TEXT NOT NULL,
	username_prefix TEXT NOT NULL,
	domain_id TEXT REFERENCES domains (id),
	user_id TEXT REFERENCES users (id),
	device_id TEXT REFERENCES devices (id) ON DELETE SET NULL,
	license_id TEXT REFERENCES licenses (id),
	times_used BIGINT NOT NULL,
	last_used BIGINT NOT NULL,
	enabled BOOLEAN NOT NULL,
	generation BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
);
INSERT INTO installation_codes VALUES('01a22914619d785b9b23efd38bc5f35f','',X'1509f5bbc6059153791518496860c56add362efd5150f0eb2b8fcac6471ef5850878bbf79817a43d2fcc9b',X'b1c0a0c67b8a2d3f185631c0acf1dc6785b20a5edea9a81c09288c81d5f14b12',0,0,0,0,'CREATE_ACCOUNT_AND_DEVICE','kiosk','01a229145efe7649a7ef62fb086e8b2f',NULL,NULL,NULL,1,1795985531323,1,1,1795985531293,1795985531293);
CREATE TABLE installation_code_groups (
	code_id TEXT NOT NULL REFERENCES installation_codes (id) ON DELETE CASCADE,
	group_id TEXT NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (code_id, group_id)
);
INSERT INTO installation_code_groups VALUES('01a22914619d785b9b23efd38bc5f35f','01a2291461547713968d676b1761fea3');
CREATE TABLE installation_uses (
	id TEXT PRIMARY KEY,
	code_id TEXT NOT NULL REFERENCES installation_codes (id) ON DELETE CASCADE,
	generation BIGINT NOT NULL,
	time BIGINT NOT NULL,
	device_id TEXT NOT NULL,
	user_id TEXT,
	new_user BOOLEAN NOT NULL,
	token_id TEXT NOT NULL,
	nonce_hash BLOB NOT NULL UNIQUE,
	hardware_id TEXT NOT NULL
);
INSERT INTO installation_uses VALUES('01a2291461bd72d48701515f9a99ad6b','01a22914619d785b9b23efd38bc5f35f',1,1795985531323,'01a2291461bd71639d2183025dd43558','01a2291461bc7762b498e29cc2132e82',1,'EqebygHd7m',X'049f3cf633316271c9a4a2635cc899972c654ffef18760b5f5a20f4b16aded2f','');
CREATE TABLE username_numbers (
	domain_id TEXT NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
	prefix TEXT NOT NULL,
	last BIGINT NOT NULL,
	PRIMARY KEY (domain_id, prefix)
);
INSERT INTO username_numbers VALUES('01a229145efe7649a7ef62fb086e8b2f','kiosk',1);
CREATE TABLE sessions (
	hash BLOB PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	password_changed BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_used BIGINT NOT NULL
);
INSERT INTO sessions VALUES(X'faebf11bdd50f97cd1e26798a60cc4f4e26f6374c8bf29571fe192cbc1c15b47','01a2291454b17aaca3e2c91bafb62c59',1795985527753,1795985531996,1795985531996);
CREATE TABLE idempotency_keys (
	id TEXT PRIMARY KEY,
	request BLOB NOT NULL,
	reply BLOB NOT NULL,
	expires BIGINT NOT NULL
);
INSERT INTO idempotency_keys VALUES('fe28a4f46e8b0552ce9c53986322a1f8ccc32f783bb50f6ae557cebbc110e766',X'43c6432f85607346f417abc082c255930ebff49dcbf43c6f6d771c7258b10b6c',X'1509f5bbf9e0226eb4a585fe764b541ed6bb85ed9bf6d321d76f7334cd69699bd8bc13cb0f8cd023c21f0d862267703a3cb96d6571d2dc633ffbcbe55b8ec0e223d9a3154b837f96a7273b93d31e5ee15f58e0ab9149c3911481e47fa171',1796071931537);
CREATE TABLE guess_addresses (
	slot BIGINT PRIMARY KEY,
	day BIGINT NOT NULL,
	failures BIGINT NOT NULL
);
CREATE TABLE user_addresses (
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	address TEXT NOT NULL,
	last_success BIGINT NOT NULL,
	PRIMARY KEY (user_id, address)
);
CREATE TABLE seed_marks (
	id TEXT PRIMARY KEY,
	digest BLOB NOT NULL,
	seed_index BLOB NOT NULL,
	algorithm TEXT NOT NULL,
	period BIGINT NOT NULL,
	crypto TEXT NOT NULL,
	counter BIGINT NOT NULL,
	until BIGINT NOT NULL
);
INSERT INTO seed_marks VALUES('01a2298bc7627992956b1b83af0255f0',X'1509f5bbb9aa36191087b915b431b6bce776cd731dcd6d22c3d07caa24a1cacf2a3ea072ccce5efd7b66938250c54cead5369b8fa2b96cf2f09d8ee770c11d2e',X'913d4c599eafde090be23f8dc1fc5322','HOTP',0,'HmacSHA1',6,0);
INSERT INTO seed_marks VALUES('01a2298bc7d470a78256adfa3b2365a2',X'1509f5bb9aadeee177c4e907273d056e5345df8703be30526af78d19e9872615c5f76ac4aeca1ed84f24e3c0c96ebdf6355d2255e7950e1bec4ec6b9376a3e75',X'2be1f502008e550e1a59b5a65d555edf','HOTP',0,'HmacSHA1',6,0);
CREATE TABLE sign_ins (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	address TEXT NOT NULL,
	fail_count BIGINT NOT NULL,
	locks BIGINT NOT NULL,
	locked_until BIGINT NOT NULL,
	last_failure BIGINT NOT NULL,
	last_success BIGINT NOT NULL,
	UNIQUE (user_id, address)
);
CREATE INDEX users_login_name ON users (login_name_folded, id);
CREATE INDEX users_email ON users (email_folded, id);
CREATE INDEX repositories_parent ON repositories (parent_id, id);
CREATE UNIQUE INDEX tokens_serial ON tokens (serial, product_id);
CREATE INDEX tokens_product ON tokens (product_id, id);
CREATE INDEX tokens_repository ON tokens (repository_id, id);
CREATE INDEX tokens_status ON tokens (status, id);
CREATE INDEX token_assignments_user ON token_assignments (user_id, token_id);
CREATE UNIQUE INDEX token_assignments_owner ON token_assignments (token_id) WHERE is_owner;
CREATE INDEX audit_time ON audit (time, id);
CREATE INDEX agent_certificates_agent ON agent_certificates (agent_id);
CREATE INDEX deliveries_due ON deliveries (status, channel, next_try);
CREATE INDEX licenses_name ON licenses (name_folded, id);
CREATE INDEX device_groups_parent ON device_groups (parent_id, id);
CREATE INDEX devices_user ON devices (user_id, id);
CREATE INDEX devices_license ON devices (license_id, id);
CREATE INDEX devices_last_seen ON devices (last_seen, id);
CREATE INDEX group_members_group ON group_members (group_id, device_id);
CREATE INDEX client_tokens_device ON client_tokens (device_id, id);
CREATE INDEX installation_codes_domain ON installation_codes (domain_id, id);
CREATE INDEX installation_codes_user ON installation_codes (user_id, id);
CREATE INDEX installation_codes_device ON installation_codes (device_id, id);
CREATE INDEX installation_codes_license ON installation_codes (license_id, id);
CREATE INDEX installation_code_groups_group ON installation_code_groups (group_id, code_id);
CREATE INDEX installation_uses_code ON installation_uses (code_id, time, id);
CREATE INDEX installation_uses_user ON installation_uses (user_id, code_id);
CREATE INDEX installation_uses_device ON installation_uses (device_id, code_id);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_last_used ON sessions (last_used);
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires, id);
CREATE INDEX tokens_seed ON tokens (seed_index);
CREATE INDEX tokens_seed_group ON tokens (seed_group) WHERE seed_group IS NOT NULL;
CREATE INDEX seed_marks_seed ON seed_marks (seed_index);
CREATE INDEX seed_marks_until ON seed_marks (until);
CREATE INDEX users_administrators ON users (permissions) WHERE permissions > '';
CREATE INDEX sign_ins_address ON sign_ins (address) WHERE address > '';
COMMIT;
