PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
);
INSERT INTO meta VALUES('schema',X'37');
INSERT INTO meta VALUES('canary',X'f9056623b9858baa84dd01cba127b6fcc482544c9d62174e19ab4cd4c1949c86da376d3db377');
INSERT INTO meta VALUES('builtin',X'31');
CREATE TABLE domains (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	lockout_threshold BIGINT NOT NULL,
	lockout_minutes BIGINT NOT NULL
);
INSERT INTO domains VALUES('01a22914533d74839b37b7962f142168','local','local','',10,15);
INSERT INTO domains VALUES('01a229145efe7649a7ef62fb086e8b2f','example.com','example.com','',10,15);
INSERT INTO domains VALUES('01a2291462927096aeb4df259af7e0a6','kept','kept','',10,15);
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
INSERT INTO users VALUES('01a2291454b17aaca3e2c91bafb62c59','01a22914533d74839b37b7962f142168','admin','admin','','',X'f90566234ceac1c859772adfef6bdea8f66553eabb0e120afc1772c5c5afca2f29ecb5b8af70d8fafef08f5f027a9dfe9d6bd95fa6c49f7041b8d36d92e918d995324ced58e5c6304a5bbef884dfa3e71cbf5e20cd0f87eb61d0fb115c8e857c23472e19e81a7572b40c0121d5489e79a97b564556971b901b33c8cb24b4997202','','','','','','','','','','','','','ACTIVE','',0,0,1795985527753,'*');
INSERT INTO users VALUES('01a229145f907b5d880fabe0b99373d9','01a229145efe7649a7ef62fb086e8b2f','john.smith','john.smith','','',X'f9056623e1944e70d1e9ebfb11261d57d0b87a962be19fcf60200b86575deca0d378aeb9e00e3b54ceeeb756403f36b18a03833d53775dd9e33826e872307a5cde45f0b345a377a91e1bba1d3e0bb5ef55a88ea18065534229ce9d99943811dd993f2e565e6c0368b6071328d79d5f34e63b73ed053f8b64230433552c92fc993b','john.smith@example.com','john.smith@example.com','','','','','','','','','','','ACTIVE','',0,0,1795985530653,'');
INSERT INTO users VALUES('01a2291461bc7762b498e29cc2132e82','01a229145efe7649a7ef62fb086e8b2f','kiosk1','kiosk1','','',NULL,'','','','','','','','','','','','','ACTIVE','',0,0,0,'');
CREATE TABLE user_states (
	user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	fail_count BIGINT NOT NULL,
	last_login BIGINT NOT NULL
, locked_until BIGINT NOT NULL DEFAULT 0, refused_at BLOB, passcode BLOB, passcode_until BIGINT NOT NULL DEFAULT 0);
INSERT INTO user_states VALUES('01a2291454b17aaca3e2c91bafb62c59',0,1795985531996,0,NULL,NULL,0);
INSERT INTO user_states VALUES('01a229145f907b5d880fabe0b99373d9',7,1795985530888,0,X'000001a229146035000001a229146045000001a229146058000001a229146069000001a229146079000001a229146091000001a2291460a2',NULL,0);
INSERT INTO user_states VALUES('01a2291461bc7762b498e29cc2132e82',0,0,0,NULL,NULL,0);
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
INSERT INTO products VALUES('01a22914530c7d6797bf5244bbd1af21','MobileID','DN','MT','TOTP',6,30,'HmacSHA1','SOFT',2,10,60,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a22914530c7e1ab956cbb4da069b6d','SafeID time-based','DN','ST','TOTP',6,60,'HmacSHA1','HARDWARE',30,60,120,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a22914530c7e3493dbc30478d5c7a2','SafeID event-based','DN','SE','HOTP',6,0,'HmacSHA1','HARDWARE',10,50,200,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a22914530c7e49a81098913a5501df','SafeID time-based 30 s','DN','STE','TOTP',6,30,'HmacSHA1','HARDWARE',30,60,120,0,'AUTO',8,48,'');
INSERT INTO products VALUES('01a22914530c7e63b1cf7446f03e7cbb','Google Authenticator','GG','GT','TOTP',6,30,'HmacSHA1','SOFT',2,10,60,0,'AUTO',8,48,'');
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
);
INSERT INTO tokens VALUES('01a229145fb37880af33794ab76ab2ed','01a22914530c7e3493dbc30478d5c7a2','01a22914530c7e7783c338c22ac8551a','10000000','10000000','ACTIVE','',X'f9056623c26e104239532ddf30b2dec4089c192599ba5de91f63eea650a7c465384dbb3b097b4f2bd47ca37e0820ad48844576c3',0,0,0,1795985530803,1795985530803);
INSERT INTO tokens VALUES('01a229145fd776d3a808c3a20bca59a4','01a22914530c7e1ab956cbb4da069b6d','01a22914530c7e7783c338c22ac8551a','20000000','20000000','ACTIVE','',X'f90566231101c89797f8cfff2ad84cc98c83b8e4f56379d25f7ae11cd0ad1490fdf8739d4645ff10551f07e1d77e28c4fc1b7bcb',0,0,0,1795985530839,1795985530839);
INSERT INTO tokens VALUES('01a229145ff277bc9b14e836e717d805','01a22914530c7e63b1cf7446f03e7cbb','01a22914530c7e7783c338c22ac8551a','30000000','30000000','ACTIVE','',X'f90566235c614ee3a22954b1f0b1a55e995d3d4dba8adfd45822ec7cb1cee9141d9d53b864a087f5eeb8be53544b859a123ea064',0,0,0,1795985530866,1795985530866);
CREATE TABLE token_states (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	counter BIGINT NOT NULL,
	drift BIGINT NOT NULL,
	last_used BIGINT NOT NULL,
	resync_step BIGINT NOT NULL,
	resync_until BIGINT NOT NULL
);
INSERT INTO token_states VALUES('01a229145fb37880af33794ab76ab2ed',1,0,1795985530888,0,0);
INSERT INTO token_states VALUES('01a229145fd776d3a808c3a20bca59a4',0,0,0,0,0);
INSERT INTO token_states VALUES('01a229145ff277bc9b14e836e717d805',0,0,0,0,0);
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
INSERT INTO token_assignments VALUES('01a229145fb37cb78da9fbf5d090bb7a','01a229145fb37880af33794ab76ab2ed','01a229145f907b5d880fabe0b99373d9',1,0,1,'ACTIVE',0,0,0,X'f9056623c89990ab8e567386f08563c98ddea7f128c202feaf0638faa09d85502e7d1c29c0903259a6283667b21a9de0f44ec8404a58af29330d193b053f3b3b62a20479d0f6acba753ca63d12e6bcce',1795985530803,0,0,1795985530803,1795985530803,NULL,0,0);
INSERT INTO token_assignments VALUES('01a229145fd77862ae93ad3fdc829c70','01a229145fd776d3a808c3a20bca59a4','01a229145f907b5d880fabe0b99373d9',1,0,0,'ACTIVE',0,0,0,NULL,0,0,0,1795985530839,1795985530839,NULL,0,0);
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
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000001','7b9117b91994d76b',1,1795985527579,'serve','agent/create','agent 01a22914531a7f2ebeb8965a9d427fe7',0,'local',X'f905662324c518d1d27f80663ec5d31d1086777ec02c3be8e7dd08221e29868f2d8c1cd3');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000002','7b9117b91994d76b',2,1795985527613,'operator','domain/create','domain 01a22914533d74839b37b7962f142168',0,'local',X'f9056623eb33eaf9a7f70430368f97621afbe28d04e379d0da9cb15507915ef3302227ed');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000003','7b9117b91994d76b',3,1795985527753,'operator','user/create','user 01a2291454b17aaca3e2c91bafb62c59',0,'local',X'f9056623646565bf02c00c7ce4d8567350c93262f72f1eb1bcb2a20c723689a3180c4fc3');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000004','7b9117b91994d76b',4,1795985530621,'first','domain/create','domain 01a229145efe7649a7ef62fb086e8b2f',0,'127.0.0.1',X'f905662322845a0c5113bd7782ed3d992552d8d3aa34ff79b9e019e0aa91d1b15fb3afbf');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000005','7b9117b91994d76b',5,1795985530653,'first','user/create','user 01a229145f907b5d880fabe0b99373d9',0,'127.0.0.1',X'f90566233d804e82bafcb1ee265c7dcb61810f63a0fcc1c9439f1cf57201d3893f20f689');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000006','7b9117b91994d76b',6,1795985530803,'first','token/create','token 01a229145fb37880af33794ab76ab2ed',0,'127.0.0.1',X'f90566235f5e085c561156ce4838f135fc7e45b5186b5e560787c0b7adfee190fb34f6fc');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000007','7b9117b91994d76b',7,1795985530839,'first','token/create','token 01a229145fd776d3a808c3a20bca59a4',0,'127.0.0.1',X'f90566232b0d15991416e34e371f0cc11fe9c418841b299bd3c25f100811d123263e7c11');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000008','7b9117b91994d76b',8,1795985530866,'first','token/create','token 01a229145ff277bc9b14e836e717d805',0,'127.0.0.1',X'f9056623e0ac108c6a700bdfca2aed54101ab65dd11ba74273f01533922558b4ef38acb4');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000009','7b9117b91994d76b',9,1795985530888,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',0,'127.0.0.1',X'f90566234a3ed52c30b4b8d4c2af313fafc364b7c0f792cf8106bfcf9f4b8cc2e2d6511d');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000000a','7b9117b91994d76b',10,1795985530933,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f90566238272267123e0fa3c06700ffb2678d374892609256b6b730105e1a199acc44472');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000000b','7b9117b91994d76b',11,1795985530949,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f90566237cb052404b61a3789d3c432c458cf755c44c2d332d5a7087e77e0fcafe0e11a7');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000000c','7b9117b91994d76b',12,1795985530968,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f905662345c0f3ab9d25ca2c2e04a83b6c0bf6816b5e14472f3a4f46110628217d830f08');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000000d','7b9117b91994d76b',13,1795985530985,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f9056623b2978e789c878396c9a53532086e1038222eb4958b90f9c44ede0e7137be1a81');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000000e','7b9117b91994d76b',14,1795985531001,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f9056623d9c2b88ddf8ff4bbdcd2d381b40b34b52a511e4358502d8651e514597a0447d5');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000000f','7b9117b91994d76b',15,1795985531025,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f9056623041526853cf5f4f6269c27058c7afd7c03f66bb33a7b3ab753ea2215c04515dc');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000010','7b9117b91994d76b',16,1795985531042,'first','auth/verify','user 01a229145f907b5d880fabe0b99373d9',201,'127.0.0.1',X'f90566234c8eaedbc4405e870839ae145c2ee27d943b8176bc05c6ac9b831c985b5c6f5a');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000011','7b9117b91994d76b',17,1795985531091,'first','auth/verify','',201,'127.0.0.1',X'f90566231becf60d2d165a3dc0b9661df9903bde18ad3b80b8ef002a29e74ed63a998ebb');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000012','7b9117b91994d76b',18,1795985531138,'first','token/getDownloadUrl','token 01a229145ff277bc9b14e836e717d805',0,'127.0.0.1',X'f9056623d0c0df2eb063d3c707caf0f87f83094b31553f0e95af2d6d9cb12257de6f0afa');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000013','7b9117b91994d76b',19,1795985531159,'first','license/create','license 01a2291461177bb1bdb9df3e877b2b34',0,'127.0.0.1',X'f9056623fe0937cd10928f60cd6a7b4021b6983dbb77eb51ed38d26e0e6a1a044bf6e33b');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000014','7b9117b91994d76b',20,1795985531220,'first','group/create','group 01a2291461547713968d676b1761fea3',0,'127.0.0.1',X'f9056623c7d72172bbf88fcaa3a2f86006469323255b536f6485414a2c69a74871d31bb4');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000015','7b9117b91994d76b',21,1795985531260,'first','device/create','device 01a22914617c7821a1f94c6f52d16f06',0,'127.0.0.1',X'f9056623ed9111517c22cbd0f993ae9c9422ef0f86231ef5ec53c90c84e729a01605d5c8');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000016','7b9117b91994d76b',22,1795985531293,'first','installationCode/create','installation code 01a22914619d785b9b23efd38bc5f35f',0,'127.0.0.1',X'f905662368381c4242073c6415395d6153f57a6e906cf80c27431e78a04d3b3d8f24d78d');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000017','7b9117b91994d76b',23,1795985531323,'device','installationCode/redeem','installation code 01a22914619d785b9b23efd38bc5f35f device 01a2291461bd71639d2183025dd43558',0,'127.0.0.1',X'f90566237ac3f74adb6f142f6b3b6474ffb91fd578237bf0f09abc344d87e94051368969');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000018','7b9117b91994d76b',24,1795985531355,'first','agent/create','agent 01a2291461db7b38a27b496d2b539d3f',0,'127.0.0.1',X'f9056623698b39ca889ddf85c9e3bf41170bc81378f4db2441d2bce4e6597246e7284424');
INSERT INTO audit VALUES('7b9117b91994d76b0000000000000019','7b9117b91994d76b',25,1795985531537,'first','domain/create','domain 01a2291462927096aeb4df259af7e0a6',0,'127.0.0.1',X'f90566234eb9ddaddc1283f28a82d83f02ca2ed5d7814d4829308f38d95f6229c1061d12');
INSERT INTO audit VALUES('7b9117b91994d76b000000000000001a','7b9117b91994d76b',26,1795985531996,'admin@local','console/signIn','user 01a2291454b17aaca3e2c91bafb62c59',0,'127.0.0.1',X'f9056623dc4669d8ca5cfdcee42cb7e0c71b6fbfbde45bc0c06dfa5721eccb04b75e986d');
CREATE TABLE audit_marks (
	number BIGINT PRIMARY KEY,
	time BIGINT NOT NULL,
	kind TEXT NOT NULL,
	writer TEXT NOT NULL,
	heads TEXT NOT NULL,
	mac BLOB NOT NULL
);
INSERT INTO audit_marks VALUES(1,1795985527579,'begin','7b9117b91994d76b',replace('7b9117b91994d76b 0 1795985527579  at\n','\n',char(10)),X'f90566232c7f8e7b97a014891b6d938fa12b2119f9323b5a04a6456f95969aad19165851');
INSERT INTO audit_marks VALUES(2,1795985528002,'heads','',replace('7b9117b91994d76b 3 1795985527753 f9056623646565bf02c00c7ce4d8567350c93262f72f1eb1bcb2a20c723689a3180c4fc3 at\n','\n',char(10)),X'f9056623cd22f9ebfa9b4d511ce46edd8dc64e0e0a2c2ae2b6f1d6a0e30a7db418380df7');
INSERT INTO audit_marks VALUES(3,1795985531996,'end','',replace('7b9117b91994d76b 26 1795985531996 f9056623dc4669d8ca5cfdcee42cb7e0c71b6fbfbde45bc0c06dfa5721eccb04b75e986d end\n','\n',char(10)),X'f905662340dc709d49f3aae01116b7c13904b8c61833e3785a62d9d55cbcda44c8fb766b');
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
INSERT INTO client_tokens VALUES('9Yv3x2XCHu','01a22914617c7821a1f94c6f52d16f06',X'eb82eee416f8d87c01cb58742ddfcf2684c88ed374a33c6dd9f1db0d64cd98c6',X'f9056623210632868b54c7d40fb2f3e95b93763f399afc4b790c46d0577373d3ed0a432dc73b7dc6272fb42076f0c171ef0b29de29deca74dc15d8a9518e921fd9771b87c86b6fa97f8bdc36c40b65ffc39d','5kBv','ISSUED','',1795985531260,0,0);
INSERT INTO client_tokens VALUES('EqebygHd7m','01a2291461bd71639d2183025dd43558',X'c6abf0f30a57f535a77528dea8df5713dcc403e2a302cc2cf8aaa4ecc9a68fc8',X'f905662354d7b686af0672b38502496d0e234152fc46130e6c62125d254ff6bcc554bb32027450303cbd71745c5e9429476f92f5ef26045f1252a1e4b6f7b90cf91fd91adc76f858cdc97aad0948514c4688','UFxG','ISSUED','',1795985531323,0,0);
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
INSERT INTO installation_codes VALUES('01a22914619d785b9b23efd38bc5f35f','',X'f9056623fa57ebd4a621f90ef5a411947e2a5f48237b540ed25914591fe08a6f5707c732b86368b77c5a54',X'6bba90b63f34167890871f304e5ba64d472736e55435f2c2278ef7dba685f270',0,0,0,0,'CREATE_ACCOUNT_AND_DEVICE','kiosk','01a229145efe7649a7ef62fb086e8b2f',NULL,NULL,NULL,1,1795985531323,1,1,1795985531293,1795985531293);
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
INSERT INTO idempotency_keys VALUES('fe28a4f46e8b0552ce9c53986322a1f8ccc32f783bb50f6ae557cebbc110e766',X'43c6432f85607346f417abc082c255930ebff49dcbf43c6f6d771c7258b10b6c',X'f9056623601d57021b27ba406c8894a7aecdba654cbb1f84ee2ef13a0390a5d853549d88bdf58b781c8a3891f7de66f009beaa93db55f0175bca571458e8d96ab21dbe069f9d2f682448b48bb1ea5b1c857098cb5e79563d83dca9b72fb7',1796071931537);
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
COMMIT;
