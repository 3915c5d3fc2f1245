PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
);
INSERT INTO meta VALUES('schema',X'33');
INSERT INTO meta VALUES('canary',X'6a6a6aa57c48b37bd5509070fdb86cf6a48d9d0d8220fb7883230a4b441135e46d2a059f070e');
INSERT INTO meta VALUES('builtin',X'31');
CREATE TABLE domains (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	lockout_threshold BIGINT NOT NULL,
	lockout_minutes BIGINT NOT NULL
);
INSERT INTO domains VALUES('01a214a45bc970569a165a7053eac0ad','example.com','example.com','',10,15);
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
INSERT INTO users VALUES('01a214a45c497d1ca9ce283877fa5ad9','01a214a45bc970569a165a7053eac0ad','john.smith','john.smith','','',X'6a6a6aa5b6a75837bd516be3655914185961bf6a9ed371f0cb051be1fefeaa1a440ad0892c3f2548c1264b827665687118d09fe8dfd124ab4d770ab8caa9ea2df72f6172d950fb8bf2133b179664d992126db8c0c8c365c7e8a564bb25e6738466e040e8a60da7e1225522421019a2a033ab0f5970207b4bf793b602c43d9bc4b0','john@mail.example','john@mail.example','','','','','','','','','','','ACTIVE','',0,0,1795642645474,'');
CREATE TABLE user_states (
	user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	fail_count BIGINT NOT NULL,
	last_login BIGINT NOT NULL
, locked_until BIGINT NOT NULL DEFAULT 0, refused_at BLOB, passcode BLOB, passcode_until BIGINT NOT NULL DEFAULT 0);
INSERT INTO user_states VALUES('01a214a45c497d1ca9ce283877fa5ad9',1,1795642645832,0,X'000001a214a45d6c',NULL,0);
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
	functions TEXT NOT NULL,
	UNIQUE (manufacturer_code, product_code)
);
INSERT INTO products VALUES('01a214a45b9f7ae2bb0746a15610b798','MobileID','DN','MT','TOTP',6,30,'HmacSHA1','SOFT',2,10,60,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a214a45b9f7b878172eb3e7dde8520','SafeID time-based','DN','ST','TOTP',6,60,'HmacSHA1','HARDWARE',30,60,120,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a214a45b9f7ba2922143e0cb912301','SafeID event-based','DN','SE','HOTP',6,0,'HmacSHA1','HARDWARE',10,50,200,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a214a45b9f7bb8baeb1a686783abca','SafeID time-based 30 s','DN','STE','TOTP',6,30,'HmacSHA1','HARDWARE',30,60,120,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a214a45b9f7beaa2bb81698c81d4d3','Google Authenticator','GG','GT','TOTP',6,30,'HmacSHA1','SOFT',2,10,60,0,'AUTO',8,48,'');
CREATE TABLE repositories (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	parent_id TEXT REFERENCES repositories (id)
);
INSERT INTO repositories VALUES('01a214a45b9f7c499d9e9adaa7c677ba','default','',NULL);
INSERT INTO repositories VALUES('01a214a45c6a7639b002518ccb0be46b','second','','01a214a45b9f7c499d9e9adaa7c677ba');
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
);
INSERT INTO tokens VALUES('01a214a45cb27456ad369080f410a957','01a214a45b9f7ba2922143e0cb912301','01a214a45b9f7c499d9e9adaa7c677ba','10000000','10000000','ACTIVE','',X'6a6a6aa5a063e4974d22d0340499057c41d9c3c343011fbe067812aa42c3d994d5fea5b54b7eaf329316b559a40020a89fc43594',0,0,0,1795642645682,1795642645682);
INSERT INTO tokens VALUES('01a214a45cd970858d97f7005d1634d0','01a214a45b9f7beaa2bb81698c81d4d3','01a214a45b9f7c499d9e9adaa7c677ba','20000000','20000000','ACTIVE','',X'6a6a6aa5700091dd74778d8cff9301fb1bb5c95efe24a32774cc6dcf09a83037ab392e4cf8ccb974c324490ae4bdf22ee7717ad3',0,0,0,1795642645720,1795642645720);
CREATE TABLE token_states (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	counter BIGINT NOT NULL,
	drift BIGINT NOT NULL,
	last_used BIGINT NOT NULL,
	resync_step BIGINT NOT NULL,
	resync_until BIGINT NOT NULL
);
INSERT INTO token_states VALUES('01a214a45cb27456ad369080f410a957',1,0,1795642645832,0,0);
INSERT INTO token_states VALUES('01a214a45cd970858d97f7005d1634d0',0,0,0,0,0);
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
INSERT INTO token_assignments VALUES('01a214a45cb277f6895616c91e3ac83e','01a214a45cb27456ad369080f410a957','01a214a45c497d1ca9ce283877fa5ad9',1,0,1,'ACTIVE',0,0,0,X'6a6a6aa52722bdb1a43f0b0c8888d19e69affbc3ad3a912e50cda6cb4f5b5491dbb5e09386fc4fde57f089e9b31bd2e1d4d2d2a61c4d38bea00302b43331f917db94c1101ec99e67fc243a53af20c8f5',1795642645682,0,0,1795642645682,1795642645682,NULL,0,0);
INSERT INTO token_assignments VALUES('01a214a45cd979fc9594961517189ddf','01a214a45cd970858d97f7005d1634d0','01a214a45c497d1ca9ce283877fa5ad9',1,0,0,'INACTIVE',0,0,0,NULL,0,0,0,1795642645720,1795642645768,NULL,0,0);
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
INSERT INTO agents VALUES('01a214a45ba27e78b85ca75b90ed96dc','made',X'cf7c36b5efb1a0caaff54fd860f42bcaa859be3a5292082984dc8f9bef42c832','token/*,auth/verify','','','','ACTIVE',1795642645410,0,1,NULL,0,0);
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
INSERT INTO audit VALUES('84ee25bc54caf6010000000000000001','84ee25bc54caf601',1,1795642645410,'operator','agent/create','agent 01a214a45ba27e78b85ca75b90ed96dc',0,'local',X'6a6a6aa5b163dbef2fae0400252a043ed2b047a257dcd795b9152faa5c90277ec2d29e5b');
INSERT INTO audit VALUES('e4c6269a0c2709ae0000000000000001','e4c6269a0c2709ae',1,1795642645448,'operator','domain/create','domain 01a214a45bc970569a165a7053eac0ad',0,'local',X'6a6a6aa5ee110395fce13f4cc0ac0138aee33735407fc69902a3d01dec1725282cc1f930');
INSERT INTO audit VALUES('901f4f597125ceb70000000000000001','901f4f597125ceb7',1,1795642645474,'operator','user/create','user 01a214a45c497d1ca9ce283877fa5ad9',0,'local',X'6a6a6aa5947f47f8666a3ee5d992efe360da1a59beae6541405f1bb5caa35efb824eddbc');
INSERT INTO audit VALUES('62bb5c562ecebe550000000000000001','62bb5c562ecebe55',1,1795642645610,'operator','repository/create','repository 01a214a45c6a7639b002518ccb0be46b',0,'local',X'6a6a6aa50625a8446fb67a1fc1860ab83130f32ba5fb007a845d1798256742e8bf01509c');
INSERT INTO audit VALUES('cba6af2254109f4f0000000000000001','cba6af2254109f4f',1,1795642645682,'operator','token/create','token 01a214a45cb27456ad369080f410a957',0,'local',X'6a6a6aa5e6af9d85bfa96c66ba4e565664b67e8cfd2e5fa2d1680b55049cc0883b6f3dbb');
INSERT INTO audit VALUES('97aef092c8f71f7c0000000000000001','97aef092c8f71f7c',1,1795642645720,'operator','token/create','token 01a214a45cd970858d97f7005d1634d0',0,'local',X'6a6a6aa5360a8ab54b7abafa17c93ae9e9c4c6cf38ccec231b026f2fc3952a1ad881a240');
INSERT INTO audit VALUES('e869b0d70ec140c50000000000000001','e869b0d70ec140c5',1,1795642645746,'operator','token/getDownloadUrl','token 01a214a45cd970858d97f7005d1634d0',0,'local',X'6a6a6aa569b4ec6c65cd375aa334961dc07932e1d917dbe3a2a8d6687fc4b416f83c2356');
INSERT INTO audit VALUES('299b5eb4e29c135d0000000000000001','299b5eb4e29c135d',1,1795642645768,'operator','tokenAssignment/set','token assignment 01a214a45cd979fc9594961517189ddf',0,'local',X'6a6a6aa50c371d8aa1590e21040634ce9aebac39ecaa8d3bd49f3492ecd2cdd8b4f93a45');
INSERT INTO audit VALUES('2f9e5653374e45a50000000000000001','2f9e5653374e45a5',1,1795642645832,'operator','auth/verify','user 01a214a45c497d1ca9ce283877fa5ad9',0,'local',X'6a6a6aa5a82e90f8fb4b9c82cbd4083a54e90d05a83358f2efe21ed87e3c1527dcfcf8e7');
INSERT INTO audit VALUES('687ec36f5bcf46b80000000000000001','687ec36f5bcf46b8',1,1795642645868,'operator','auth/verify','user 01a214a45c497d1ca9ce283877fa5ad9',201,'local',X'6a6a6aa53ad9827cb5eda1b42a284afe22f604e81a87d4c23271252936687128b19c9e48');
CREATE TABLE audit_marks (
	number BIGINT PRIMARY KEY,
	time BIGINT NOT NULL,
	kind TEXT NOT NULL,
	writer TEXT NOT NULL,
	heads TEXT NOT NULL,
	mac BLOB NOT NULL
);
INSERT INTO audit_marks VALUES(1,1795642645410,'begin','84ee25bc54caf601',replace('84ee25bc54caf601 0 1795642645410  at\n','\n',char(10)),X'6a6a6aa57001a3af506f58e144482867e94f8c8829d65c66dc834665a6e8f42eae005d8d');
INSERT INTO audit_marks VALUES(2,1795642645410,'end','',replace('84ee25bc54caf601 1 1795642645410 6a6a6aa5b163dbef2fae0400252a043ed2b047a257dcd795b9152faa5c90277ec2d29e5b end\n','\n',char(10)),X'6a6a6aa53ae08fc674038b09255b97c99f286519e8456de8a20bec0f790a9d82afe641d5');
INSERT INTO audit_marks VALUES(3,1795642645448,'begin','e4c6269a0c2709ae',replace('e4c6269a0c2709ae 0 1795642645448  at\n','\n',char(10)),X'6a6a6aa52bef79001f5a2bae18c37b068865ee480fe2a63bac5deb4be10a8753a8c2f127');
INSERT INTO audit_marks VALUES(4,1795642645448,'end','',replace('e4c6269a0c2709ae 1 1795642645448 6a6a6aa5ee110395fce13f4cc0ac0138aee33735407fc69902a3d01dec1725282cc1f930 end\n','\n',char(10)),X'6a6a6aa53cc0d120b1b664f8f6750841fb384433994f9d15db5552c7ecb0431c14ac143b');
INSERT INTO audit_marks VALUES(5,1795642645474,'begin','901f4f597125ceb7',replace('901f4f597125ceb7 0 1795642645474  at\n','\n',char(10)),X'6a6a6aa5709b01e0437000b8518c0e64b7b7d1cc3405ce384a689057274e6676ed0bb87b');
INSERT INTO audit_marks VALUES(6,1795642645474,'end','',replace('901f4f597125ceb7 1 1795642645474 6a6a6aa5947f47f8666a3ee5d992efe360da1a59beae6541405f1bb5caa35efb824eddbc end\n','\n',char(10)),X'6a6a6aa5702141d889eb710775f4bed1932e7ef5c8add2ac5169f51ba31d10c39087c851');
INSERT INTO audit_marks VALUES(7,1795642645610,'begin','62bb5c562ecebe55',replace('62bb5c562ecebe55 0 1795642645610  at\n','\n',char(10)),X'6a6a6aa53f84fe7f64e785590e4efa87664dc1e1d54ecbd5b65b7c8f017f6222681fc106');
INSERT INTO audit_marks VALUES(8,1795642645610,'end','',replace('62bb5c562ecebe55 1 1795642645610 6a6a6aa50625a8446fb67a1fc1860ab83130f32ba5fb007a845d1798256742e8bf01509c end\n','\n',char(10)),X'6a6a6aa55ac64e84337c03b062d4e417dbac96c63b43b799809dafcd1fdc0ff1ade2d6a7');
INSERT INTO audit_marks VALUES(9,1795642645682,'begin','cba6af2254109f4f',replace('cba6af2254109f4f 0 1795642645682  at\n','\n',char(10)),X'6a6a6aa5eb46e0637c643ce560b29eca7a04730d5d23eee1aec62450afa108bc8a3605e6');
INSERT INTO audit_marks VALUES(10,1795642645682,'end','',replace('cba6af2254109f4f 1 1795642645682 6a6a6aa5e6af9d85bfa96c66ba4e565664b67e8cfd2e5fa2d1680b55049cc0883b6f3dbb end\n','\n',char(10)),X'6a6a6aa551aca6de2d49978bb146a4cfdf69a942f248d43afa31955fdd5cdf9c8b04ba3d');
INSERT INTO audit_marks VALUES(11,1795642645720,'begin','97aef092c8f71f7c',replace('97aef092c8f71f7c 0 1795642645720  at\n','\n',char(10)),X'6a6a6aa5129c00e1be1713fe9e16771d370c652c86ae19dbb8c773ece734b8a75a361668');
INSERT INTO audit_marks VALUES(12,1795642645720,'end','',replace('97aef092c8f71f7c 1 1795642645720 6a6a6aa5360a8ab54b7abafa17c93ae9e9c4c6cf38ccec231b026f2fc3952a1ad881a240 end\n','\n',char(10)),X'6a6a6aa5179164d0f4d77172b578e7e54596fc2efdf63f4d243124b80c1027fa1385a338');
INSERT INTO audit_marks VALUES(13,1795642645746,'begin','e869b0d70ec140c5',replace('e869b0d70ec140c5 0 1795642645746  at\n','\n',char(10)),X'6a6a6aa572422516a4598f8a761649a8337bbd4bc6ea6f2bdb3ad8e5de5b92333cd70d02');
INSERT INTO audit_marks VALUES(14,1795642645746,'end','',replace('e869b0d70ec140c5 1 1795642645746 6a6a6aa569b4ec6c65cd375aa334961dc07932e1d917dbe3a2a8d6687fc4b416f83c2356 end\n','\n',char(10)),X'6a6a6aa5b53dd5a83498bf168923901db9ca2e28fd1a7940fdc93b54aa4ed320720f5967');
INSERT INTO audit_marks VALUES(15,1795642645768,'begin','299b5eb4e29c135d',replace('299b5eb4e29c135d 0 1795642645768  at\n','\n',char(10)),X'6a6a6aa501789849a803f6af761bbf6dd9686cf9027fe15e64cdef1f0d3f604e2a4b92e5');
INSERT INTO audit_marks VALUES(16,1795642645768,'end','',replace('299b5eb4e29c135d 1 1795642645768 6a6a6aa50c371d8aa1590e21040634ce9aebac39ecaa8d3bd49f3492ecd2cdd8b4f93a45 end\n','\n',char(10)),X'6a6a6aa5d15536a3729034a2135e2f3cacebf125c31883167b0c9aaff5e578210d22c374');
INSERT INTO audit_marks VALUES(17,1795642645832,'begin','2f9e5653374e45a5',replace('2f9e5653374e45a5 0 1795642645832  at\n','\n',char(10)),X'6a6a6aa5bb765130bcd906e81098ba3ac5bfd6f15fe08005c993f5c1fae887d24f0da33d');
INSERT INTO audit_marks VALUES(18,1795642645832,'end','',replace('2f9e5653374e45a5 1 1795642645832 6a6a6aa5a82e90f8fb4b9c82cbd4083a54e90d05a83358f2efe21ed87e3c1527dcfcf8e7 end\n','\n',char(10)),X'6a6a6aa560531bee88f442e9d8122a19d09ecb03975887e05abfeef5c3c5dedb01284567');
INSERT INTO audit_marks VALUES(19,1795642645868,'begin','687ec36f5bcf46b8',replace('687ec36f5bcf46b8 0 1795642645868  at\n','\n',char(10)),X'6a6a6aa55a040eb1775e974cf0e4eb3ef0a4ef2c3d203ef936a0cbe112b504823fcbc8cb');
INSERT INTO audit_marks VALUES(20,1795642645868,'end','',replace('687ec36f5bcf46b8 1 1795642645868 6a6a6aa53ad9827cb5eda1b42a284afe22f604e81a87d4c23271252936687128b19c9e48 end\n','\n',char(10)),X'6a6a6aa5813af8dddb1cbc4f59026f8b9d29c5cbdf332a1bd500ce1dc2e1a456628147e3');
CREATE TABLE agent_certificates (
	hash TEXT PRIMARY KEY,
	agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE
);
CREATE TABLE download_links (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	hash BLOB NOT NULL UNIQUE,
	expires BIGINT NOT NULL
);
INSERT INTO download_links VALUES('01a214a45cd970858d97f7005d1634d0',X'5aed3fec446c1989d473b3af4c51f47438bba638a2c4e0f00d0cb5eaca3afc6c',1795815445746);
CREATE TABLE templates (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	subject TEXT NOT NULL,
	text TEXT NOT NULL
);
INSERT INTO templates VALUES('01a214a45b9f7c00bae6b849a0a3567b','activationCode','Your activation code',replace('Your activation code for token {serial} is {code}\nIt can be used until {expires}.\n','\n',char(10)));
INSERT INTO templates VALUES('01a214a45b9f7c2c8719ff045c38ad06','downloadUrl','Your one-time password token',replace('Open this link and scan the code it shows with your authenticator app:\n{url}\nIt can be used once, until {expires}.\n','\n',char(10)));
INSERT INTO templates VALUES('01a214a45b9f7c3a9a202764b3440d55','passcode','Your one-time passcode',replace('Your one-time passcode is {code}\nIt can be used once, until {expires}.\n','\n',char(10)));
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
COMMIT;
