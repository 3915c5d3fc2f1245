// Package store keeps the domain's rows in SQLite or PostgreSQL behind the interface Store; its contract is in the comments of
// Store, ReadTx and Tx. groupcommit.go commits SQLite's Updates in groups; retry.go runs PostgreSQL's again after a conflict or a lost
// connection, and finds out whether a COMMIT whose answer was lost took effect (resolve).
package store

import (
	"context"
	"io"
	"time"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// Store is an open database. It is safe for concurrent use. storetest.Run holds an implementation against what is said here
// of opening, transactions, rows, searches and look-ups; logins, scopes, long Updates and what operators run have tests of
// their own.
type Store interface {
	// View runs fn on one read-only snapshot and returns what fn returns. When ctx ends, a search under way ends with ctx's
	// error. fn may run more than once, where a connection is lost. Statements that follow a failed one fail like it.
	View(ctx context.Context, fn func(ReadTx) error) error

	// ViewOne is View for a single statement: without a snapshot, which that does not need and which would cost as much
	// again. Were there more, each would see what is committed when it begins.
	ViewOne(ctx context.Context, fn func(ReadTx) error) error

	// Update runs fn in one transaction, serializable against every other, and returns after the commit is durable. When
	// fn returns an error or panics, nothing of it remains. fn may run more than once, so it has no effect outside tx but
	// to assign its results; it does nothing slow (hashing, network), and it never calls Update or View. It may run on
	// another goroutine than its caller's.
	//
	// A statement that fails spoils the transaction, be it by Exists or InUse: those that follow fail with the same error, and
	// nothing of the Update remains. It returns fn's error or, where fn returns nil, the statement's. Not to find a row is no
	// failure, nor is an Invalid query.
	//
	// A panic of fn goes on in the caller; fn may also end its goroutine. Others are served all the same.
	//
	// An Update whose ctx ends while it waits for its turn is not run and returns ctx's error; once it runs it is carried
	// through, whoever hangs up: a refused credential must count. An Update that a database does not finish in a time made
	// for logins, a minute at most, is Unavailable.
	//
	// One that saves or deletes an agent or a domain, or calls SetCertificates, returns CallersKept later, however it ends.
	Update(ctx context.Context, fn func(Tx) error) error

	// UpdateLong is Update for what may take long, such as an import or a batch. Updates that ran before it are committed
	// before it begins; those behind it may have to wait until it has ended. It has a limit of its own (WithBulkTimeout),
	// after which it is TooLarge, and nothing of it remains.
	UpdateLong(ctx context.Context, fn func(Tx) error) error

	// Callers returns a number that is another one after each Update by which this Store has changed who may call: that saved
	// or deleted an agent or a domain, or called SetCertificates, also where it failed; -1 while one is under way. What other
	// processes change does not show in it.
	Callers() int64

	// Readers returns how many Views of this process can run at the same time; further ones wait.
	Readers() int

	// Waiting returns how many Updates of this process are under way or wait for their turn.
	Waiting() int64

	// Keys returns the keyring that seals the database.
	Keys() *keyring.Keyring

	// Alive returns nil when the database answers.
	Alive(ctx context.Context) error

	// Writable returns nil when the database takes changes: when one that was tried was carried out and none was Unavailable
	// since. Its error says why (Why) where the database's file was moved, or a newer tokensmith has migrated its schema; an
	// Update is then refused for the same reason. Otherwise it tries one, but not within a few seconds of one that was refused because the disk is full, or
	// fails, or the database is read-only, nor of its own last. Where nothing is refused it costs nothing.
	Writable(ctx context.Context) error

	// Guard watches, until ctx ends, whether a newer tokensmith migrates the schema. From then on Updates are Unavailable: this
	// one does not know what they would have to keep to.
	Guard(ctx context.Context)

	// Stats reads what is worth watching.
	Stats(ctx context.Context) (Stats, error)

	// Warnings returns what makes this process's database slower or weaker than it could be, one sentence each, for the
	// log at the start.
	Warnings() []string

	// MarkAudit writes down where every chain of the record stands and returns the head, which names that place:
	// VerifyAudit finds any row missing that was there. The head is also kept, sealed, in the key file's folder, at most once a
	// minute; so is the last one when the Store is closed.
	MarkAudit(ctx context.Context, now time.Time) (head string, err error)

	// KeptHead returns the head that is kept in the key file's folder; "" when none is. A snapshot that begins later has it.
	KeptHead() (head string, err error)

	// HeadNotKept returns why the head was not kept when it was to be last; nil when it was. An error of kind RecordBroken says
	// that the record lacks what is kept.
	HeadNotKept() error

	// VerifyAudit checks the record in a snapshot of its own; see ReadTx.VerifyAudit. An empty expect is the head that is kept,
	// "0" is none.
	VerifyAudit(ctx context.Context, expect string) (Verified, error)

	// PruneAudit removes what the record holds of before a moment, each chain up to its first row that is younger, and
	// leaves a mark, under the same key, from which the rest still verifies. A record that is broken is not pruned: that
	// would hide where. It returns the number of rows removed.
	//
	// It goes by parts, in a transaction each, and the record verifies behind every one. What is interrupted has removed
	// what it has removed; the next time does the rest. row goes to the record with the first part, unless it is nil.
	PruneAudit(ctx context.Context, before, now time.Time, row *model.Audit) (removed int64, err error)

	// Check looks whether the database is whole: its pages and references (SQLite), the chains of the record, and whether
	// sealed values open, and seeds fit their hashes, the first and last sample of each column or, with all, every one. Its error
	// names the first place that is not.
	Check(ctx context.Context, sample int, all bool) (Checked, error)

	// Backup writes a copy of an SQLite database, as one snapshot shows it, while others read and write; then it checks the
	// copy. The file is there only when it is whole and on the disk, and it must not exist before.
	Backup(ctx context.Context, file string) (Checked, error)

	// AfterRestore is for a database that was restored from an older state: it ends what may have been used since, and leaves row
	// in the record. Time-based tokens accept nothing of before now any more, also those that are made of a seed later, and want two
	// OTPs of a clock that may be ahead (model.Credential's Restored); event-based ones move on by advance, from 0 to a million, for
	// nobody knows how far they were. Passcodes, provisioning links, sessions of the console and pending resynchronisations end. It
	// is one transaction. No other process has the database open: it would not learn when that was.
	AfterRestore(ctx context.Context, now time.Time, advance int64, row *model.Audit) (Restored, error)

	// Dump writes the database, as one snapshot shows it, and returns the number of rows. Every database with the same rows
	// gives the same bytes.
	Dump(ctx context.Context, w io.Writer) (int64, error)

	// Load fills a new database from a dump, which it reads twice: first all of it is checked. The database must have been
	// opened with the dump's key file. One whose loading was interrupted is not opened again.
	Load(ctx context.Context, dump io.ReadSeeker) (int64, error)

	// Rotate gives the key file a new key and seals everything anew with it, a part in each transaction, while other
	// processes serve: they take notice of the key file by themselves. An interrupted rotation is carried on with the key
	// it began with. The old keys stay in the file, and open, until RetireKeys.
	Rotate(ctx context.Context, now time.Time) (Rotated, error)

	// RetireKeys takes the old keys out of the key file, and returns how many there were. What the record needs of them to
	// be checked stays. While anything is still sealed with one of them it refuses, and for an hour behind the rotation:
	// a call that began before may still store what it sealed with the old key then. restarted says that no such call is
	// under way, because every server was started since.
	RetireKeys(ctx context.Context, now time.Time, restarted bool) (retired int, err error)

	// Close waits for Views and Updates under way and closes the database; later ones are Unavailable. Twice does no harm.
	Close() error
}

// CallersKept is how long a process may go on with what it has read of who may call while Callers stays the same, and is not
// -1. An Update that takes something away from a caller returns after that time: then no process honours it any more.
const CallersKept = 100 * time.Millisecond

// ReadTx is a snapshot. It is bound to its View or Update and its context, and to one goroutine. What it returns is the
// caller's to keep and change. "Folded" names are as model.Fold makes them. "Oldest first" is by id, for ids grow with time.
// Maps hold what was found and nothing for the rest; they are never nil, but lists of nothing may be.
type ReadTx interface {
	// Limit narrows Find, Count, Logins, DomainsByName, DomainsCalled, UsersByLogin, UsersNamed and TokensBySerial to a scope until the end of
	// the transaction; nil lifts it. Nothing else is limited: ids come from Find.
	Limit(scope Scope)

	// Load reads the row that its key names into dst, a pointer to a type of the domain. None is NotFound, and leaves dst alone.
	Load(dst any, key string) error
	// Find returns the rows a query asks for. It ends with ctx's error when that ends. More than 500 conditions or 32,000
	// values are Invalid.
	//
	// A column that is NULL fits no comparison, also not Ne and NotIn. In with an empty list fits no row, NotIn every one. Text
	// compares by code point; false sorts before true. Without Sort the order is any.
	Find(q *Query) ([]Row, error)
	// Each is Find that hands fn each row as it comes, so that they are never all in memory. fn must not keep the row, nor
	// use the transaction; its error ends Each, and is returned.
	Each(q *Query, fn func(Row) error) error
	// Count returns how many rows fit a query's conditions; as Find.
	Count(q *Query) (int64, error)
	// Exists says whether a step leads anywhere from the row of an id.
	Exists(s Step, id any) (bool, error)
	// DeviceNamed says whether a device has a name, compared without case.
	DeviceNamed(name string) (bool, error)
	// Meta reads a value of the database's own; nil when there is none.
	Meta(name string) ([]byte, error)
	// Failed returns the failure that spoiled the transaction; nil when it is whole.
	Failed() error

	// AgentByCertificate returns the agent that has a public key's hash; nil when there is none.
	AgentByCertificate(hash string) (*model.Agent, error)
	// SessionByHash finds a session. None is NotFound.
	SessionByHash(hash []byte) (model.Session, error)
	// SignIns returns how a user's sign-ins to the console went, one an address.
	SignIns(userID string) ([]model.SignIns, error)
	// SignInsFrom returns how sign-ins from an address went, one a user. Those of no address are not found.
	SignInsFrom(address string) ([]model.SignIns, error)

	// Logins reads what deciding on a credential needs of the users that fit; of several, any two.
	Logins(user []Cond) ([]model.Login, error)
	// Login is Logins of the user with an id; without one it is ErrNone.
	Login(userID string) (model.Login, error)
	// Credentials returns a user's assignments with all that a check of an OTP needs, in the order in which they are tried:
	// by priority, the lowest first, then oldest first.
	Credentials(userID string) ([]model.Credential, error)

	// Address returns what is known of an address, whose failures are counted in a slot, and of a user there; userID may be none.
	Address(slot int64, userID, address string) (model.Address, error)
	// CountOutcomes counts the rows of the record since a time whose methods begin with a text and that have one of the outcomes, up
	// to most. outcomes is not empty; methods has no wildcard.
	CountOutcomes(methods string, since model.Time, outcomes []int64, most int64) (int64, error)

	// Domains returns all domains, by their names.
	Domains() ([]model.Domain, error)
	// Held returns how many users of each domain have tokens of each product, where there are any, and how many tokens, of
	// whatever product, one of them has at most.
	Held() ([]Held, error)
	// ShortSeeds counts the tokens whose seed has fewer bytes than so many. It reads all tokens.
	ShortSeeds(bytes int64) (int64, error)
	// DomainsByName returns the domains that have one of the names, by folded name.
	DomainsByName(folded []string) (map[string]model.Domain, error)
	// UsersByLogin returns a domain's users that have one of the login names, by folded login name.
	UsersByLogin(domainID string, folded []string) (map[string]model.User, error)
	// UsersHaving returns the users who have one of the login names, or one of the principal names, in whatever domain; each once.
	UsersHaving(logins, principals []string) ([]NamesOf, error)
	// DomainsCalled returns the domains that have one of the names as name, NetBIOS name or DNS name, by that name, folded; exactly as it
	// is given or, where none has it so, as it would be kept (see Naming).
	DomainsCalled(folded []string) (map[string]model.Domain, error)
	// UsersCalled returns whom each name may mean in the forms in which users are named (see model.UserName), by folded name. A name
	// without a domain in front means users of several domains, a principal name that two have neither, and one that is another's
	// login name that other. A name of before its rule is taken as in DomainsCalled.
	UsersCalled(folded []string) (map[string][]NamesOf, error)
	// SharedPrincipals returns those of the next users behind an id, so many, whose principal name is also another's principal or
	// login name: the name by the user's id; and the last id it looked at, "" when none is left.
	SharedPrincipals(after string, limit int) (names map[string]string, last string, err error)
	// FullAgents returns the agents that may do everything in every domain, and are not disabled.
	FullAgents() ([]model.Agent, error)
	// LimitedAgents returns the agents that are limited to domains, disabled ones too, oldest first.
	LimitedAgents() ([]model.Agent, error)
	// Administrators returns the users who have permissions.
	Administrators() ([]model.User, error)
	// PermissionsOf returns the permissions of users, given by id, and of those whom tokens, given by id, are assigned to: each
	// list once, and none that is empty.
	PermissionsOf(userIDs, tokenIDs []string) ([]model.List, error)
	// PermissionsOfProduct is PermissionsOf of all tokens of a product.
	PermissionsOfProduct(productID string) ([]model.List, error)
	// UsersNamed returns the ids of the users that each name means, by folded name: whom UsersCalled finds, of several the one in the
	// default domain; else those with that e-mail address. No name is empty or given twice.
	UsersNamed(folded []string) (map[string][]string, error)

	// ProductByCodes finds a product by manufacturer and product code. None is NotFound.
	ProductByCodes(manufacturer, code string) (model.Product, error)
	// Products returns all products, oldest first.
	Products() ([]model.Product, error)
	// RepositoryByName finds a repository by its name. None is NotFound.
	RepositoryByName(name string) (model.Repository, error)
	// TokensBySerial returns a product's tokens that have one of the serials, by serial.
	TokensBySerial(productID string, serials []string) (map[string]model.Token, error)
	// AssignmentsOfUser returns a user's assignments in the order in which they are tried; see Credentials.
	AssignmentsOfUser(userID string) ([]model.Assignment, error)
	// AssignmentsOfTokens returns the assignments of tokens, by token, oldest first.
	AssignmentsOfTokens(tokenIDs []string) (map[string][]model.Assignment, error)
	// AssignedOfProduct counts a user's assignments to tokens of a product.
	AssignedOfProduct(userID, productID string) (int64, error)
	// AccountOf returns the login name of a token's owner, or of the user of its oldest assignment, and the domain's name; ""
	// when it is assigned to nobody.
	AccountOf(tokenID string) (login, domain string, err error)
	// LinkByHash finds an unused provisioning link, also one that has expired. None is NotFound.
	LinkByHash(hash []byte) (model.DownloadLink, error)

	// DeviceNames returns the folded names of the devices whose folded names start with a text.
	DeviceNames(start string) ([]string, error)
	// DeviceGroupByName finds a group of devices by its folded name. None is NotFound.
	DeviceGroupByName(folded string) (model.DeviceGroup, error)
	// DeviceGroupNames returns the names of a device's groups, by their folded names; a list, though empty.
	DeviceGroupNames(deviceID string) ([]string, error)
	// Presented returns the client tokens with these public ids, with what decides on them, by id.
	Presented(ids []string) (map[string]model.Presented, error)

	// CodeByIndex finds an installation code by the HMAC of its normal form, under any of the keys there are. None is NotFound.
	CodeByIndex(indexes ...[]byte) (model.InstallationCode, error)
	// UseByNonce finds the use of an installation code that a nonce, given by its hash, was for; nil when there is none.
	UseByNonce(hash []byte) (*model.InstallationUse, error)
	// InstalledBy finds the use of an installation code that made a device; nil when it was none.
	InstalledBy(codeID, deviceID string) (*model.InstallationUse, error)
	// MadeAccount says whether an installation code made an account.
	MadeAccount(codeID, userID string) (bool, error)
	// AccountsMade counts the accounts that an installation code made after a time.
	AccountsMade(codeID string, since model.Time) (int64, error)
	// DeviceGroupsOfCode returns the ids of the groups that an installation code gives to devices, in order.
	DeviceGroupsOfCode(codeID string) ([]string, error)

	// TemplateByName finds a template of messages. None is NotFound.
	TemplateByName(name string) (model.Template, error)
	// Answered returns the answer kept for an idempotency key; nil when there is none that expires after now.
	Answered(id string, now model.Time) (*model.StoredReply, error)

	// VerifyAudit checks every row of the record and every mark: that none was changed, put in, taken out or moved by hand.
	// What was cut off the end, marks included, can only be missed by who knows a head of before: expect, unless it is
	// empty. An error of kind RecordBroken names the first place that does not fit; an expect that is no head is Invalid.
	VerifyAudit(expect string) (Verified, error)
}

// Tx is a transaction that also writes. Rows are pointers to types of the domain, and are copied. Ids and folded columns are
// the caller's to make, and so are a user's UserState and a token's TokenState, without which Logins and Credentials find
// neither. Methods that change a row by its id change nothing, and fail not, where it is not there, unless they say otherwise.
type Tx interface {
	ReadTx

	// Try runs fn inside the transaction and, when it returns an error or overlooks that of a statement, undoes what fn did
	// and nothing else, and returns it; the transaction goes on. A fault that is the whole transaction's (Unavailable, out
	// of time, an end of ctx) is not undone alone: Try returns it, and so do later statements and the Update. A panic is the
	// Update's. Tries may be nested.
	Try(fn func(Tx) error) error

	// Within gives the transaction so much time from now, searches in it included, where other Updates have to wait for it:
	// beyond it, it is TooLarge with refusal as its message, and nothing of it remains. PostgreSQL's run side by side, and get
	// no less time by it.
	Within(most time.Duration, refusal string)

	// Insert writes a new row. A new assignment makes an unused provisioning link of its token worthless: whoever holds that
	// was given it before. So does InsertMany.
	Insert(row any) error
	// InsertMany writes rows, a slice of a type of the domain, and returns how many were new. One that Exists, be it in the
	// slice, is skipped when skip is set and an error otherwise.
	InsertMany(rows any, skip bool) (int64, error)
	// Save writes all columns of an existing row. None is NotFound.
	Save(row any) error
	// Delete removes the row that row's key names, and what belongs to it. None is NotFound; one that others refer to is
	// InUse.
	Delete(row any) error
	// Relate makes these, and no others, what a relation leads to from a row: it deletes the rows of first.Table whose
	// first.To is id, and inserts one for each of the others with first.To and second.From.
	Relate(first, second Step, id string, others []string) error
	// PutMeta sets a value of the database's own. "schema", "canary", "loading", "tried", "restored", "seeds" and "key rotated" are
	// the store's.
	PutMeta(name string, value []byte) error
	// Audit appends a row to the record, in this transaction: it is there when the transaction commits, and not else. It
	// sets row's ID, Writer, Sequence and MAC.
	Audit(row *model.Audit) error

	// SetCertificates makes these the public keys of an agent, by their hashes. One that is another's is Exists. The agent's
	// own row is left as it is.
	SetCertificates(agentID string, hashes []string) error
	// AgentUsed notes when an agent last called; never an earlier time than before.
	AgentUsed(id string, now model.Time) error
	// SessionUsed notes when a session was last used; never an earlier time than before.
	SessionUsed(hash []byte, now model.Time) error
	// UnlockSignIns forgets a user's failed sign-ins to the console, and the locks that came of them.
	UnlockSignIns(userID string) error
	// DropSession ends a session.
	DropSession(hash []byte) error
	// DropSessionsOf ends a user's sessions.
	DropSessionsOf(userID string) error
	// DropSessions forgets sessions that were last used before a time.
	DropSessions(before model.Time) error

	// SaveChecked writes what a check made of a token's state: where an OTP was used up now, counter, drift and last use, and
	// an end of resynchronising; else where resynchronising stands. What it says of the seed, its group's tokens know as well.
	SaveChecked(c *model.Credential, used bool, now model.Time) error
	// SaveLogin writes what a credential made of the state of a user, who was read in this transaction.
	SaveLogin(s *model.UserState) error
	// SaveLastLogin writes the time of a login that changed nothing else of the state of a user.
	SaveLastLogin(userID string, at model.Time) error
	// CountUse counts a use of an assignment.
	CountUse(assignmentID string) error
	// Stranger records a refusal of somebody who is no user, in one of 64 rows, so that it costs what a user's does.
	Stranger(now model.Time) error
	// AddressFailed writes the failures that are counted in a slot.
	AddressFailed(slot int64, a *model.Address) error
	// AddressKnown notes that a user logged in from an address. It forgets that user's addresses of before model.AddressKnown, and
	// the oldest beyond 32.
	AddressKnown(userID, address string, now model.Time) error
	// SetPIN puts a new, sealed PIN in place, which need not be changed.
	SetPIN(assignmentID string, sealed []byte, now model.Time) error
	// SetPassword puts a new, sealed password in place.
	SetPassword(userID string, sealed []byte, mustChange bool, now model.Time) error
	// SetUserStatus changes a user's status.
	SetUserStatus(userID, status string) error
	// ClearFailures sets the count of failed credentials of everybody a token is assigned to to 0. It ends no lock.
	ClearFailures(tokenID string) error

	// TakeMarks is for tokens that were just inserted, with seeds that may have been used before, and whose states, beside them,
	// are not written yet. It makes those that have the same OTPs, by the seed and what their products say, a group with the others
	// that do, and returns their states as what was used before has them; those it is given stay as they are.
	TakeMarks(tokens []model.Token, states []model.TokenState) ([]model.TokenState, error)
	// RaiseMarks has all tokens of a group know what was used of their seed, and what it answered, and moves their counters up to
	// that; nil is no group.
	RaiseMarks(group *string, u model.SeedUse) error
	// RewindMarks takes the counters of a group's time-based tokens back, as was done with one of them (otp.Rewind), but for
	// those of which less is known; nil is no group.
	RewindMarks(group *string, u model.SeedUse) error
	// LeaveMark keeps what was used of the seed of a token that is about to be deleted, under an id of the caller's, unless there
	// are others of its group: these know, or learn here that something was used.
	LeaveMark(t *model.Token, id string, now model.Time) error
	// Touch sets a token's last update.
	Touch(tokenID string, now model.Time) error
	// DisownToken takes the owner's mark off a token's assignments, and sets their last update.
	DisownToken(tokenID string, now model.Time) error
	// PutLink puts a token's provisioning link in place of an older one.
	PutLink(l *model.DownloadLink) error
	// DropLink makes a token's unused provisioning link worthless.
	DropLink(tokenID string) error

	// TakeSeats takes n seats of a license, or none and says false: if it has as many left, and until the end of the second in
	// which it expires. No number of takers at once gets more seats than there are.
	TakeSeats(licenseID string, n int64, now model.Time) (bool, error)
	// FreeSeat gives a seat of a license back.
	FreeSeat(licenseID string) error
	// Seen notes that devices used their client tokens, given by public id: one that is not revoked is active.
	Seen(ids []string, now model.Time) error

	// UseCode counts a use of an installation code, if it is active or in grace (model.InstallationCode.State): no number of
	// users at once gets more uses than there are. It says whether it was counted.
	UseCode(id string, now model.Time) (bool, error)
	// NewUsername returns the next login name of a domain and prefix: the prefix and a number, from 1, that was never given
	// before and is not taken. It must not be called under a Scope.
	NewUsername(domainID, prefix string) (string, error)

	// PretendDelivery writes a delivery and takes it back, so that it costs what Insert of one does and leaves nothing.
	PretendDelivery(d *model.Delivery) error
	// ClaimDeliveries takes up to most queued deliveries of a channel whose next try is not after now, the longest due first,
	// and puts their next try to lease, so that no other process takes them before. It returns them as they were.
	ClaimDeliveries(channel string, now, lease model.Time, most int) ([]model.Delivery, error)

	// KeepAnswer keeps an answer, in place of any of the same key.
	KeepAnswer(a *model.StoredReply) error
	// DropAnswers removes up to most answers that expire at now or before, the first to expire first, and says how many there were.
	DropAnswers(now model.Time, most int) (int64, error)
}
