// Package store keeps the rows of the domain in SQLite or PostgreSQL, behind the interface Store. The comments of Store, ReadTx
// and Tx are the contract.
//
//   - A View is a read-only transaction. An Update is a read-write transaction.
//   - groupcommit.go: on SQLite, Updates that wait for the writing connection are committed together, in one transaction.
//   - sharedtx.go: on PostgreSQL, logins that come at the same time share a transaction.
//   - retry.go: on PostgreSQL, an Update runs again after a serialization conflict or a lost connection. If the reply to a COMMIT
//     was lost, it finds out whether the transaction took effect (resolve).
//   - The record is the audit log, the table audit. Its rows form hash chains: each row's MAC covers the MAC of the row before
//     it. A mark is a row of audit_marks. It states where every chain stands. A head names a mark, and with it the whole record up
//     to that mark (audit.go, auditmark.go).
//   - A seed mark is what remains of a deleted token: which OTPs of its seed were used (seedmark.go).
//   - Sealed values are encrypted with a key of the key file (package keyring).
package store

import (
	"context"
	"io"
	"time"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// Store is an open database. It is safe for concurrent use. storetest.Run tests the parts of this contract on opening,
// transactions, rows, searches and look-ups. Logins, scopes, long Updates and the operators' commands have tests of their own.
type Store interface {
	// View runs fn on one read-only snapshot and returns fn's error. When ctx ends, a running search ends with ctx's error. If
	// the connection is lost, fn may run again. After a statement has failed, all later statements fail with the same error.
	View(ctx context.Context, fn func(ReadTx) error) error

	// ViewOne is View without a snapshot. It is for a single statement, which does not need a snapshot; opening one would double
	// the cost. If fn runs several statements, each sees what is committed when that statement begins.
	ViewOne(ctx context.Context, fn func(ReadTx) error) error

	// Update runs fn in one transaction, serializable against all others. It returns after the commit is durable. If fn returns
	// an error or panics, the transaction is rolled back. fn may run more than once. Therefore its only effect outside tx is to
	// assign its results. fn must not do slow work (hashing, network), and must not call Update or View. It may run on a
	// goroutine other than the caller's.
	//
	// A statement that fails spoils the transaction. This includes errors of kind Exists and InUse. All later statements fail
	// with the same error, and the transaction is rolled back. Update then returns fn's error or, if fn returns nil, the
	// statement's error. A row that is not found and a query that is Invalid do not count as failures.
	//
	// A panic in fn continues in the caller. fn may also end its goroutine (runtime.Goexit). Other Updates are not affected.
	//
	// If ctx ends while an Update waits for its turn, the Update does not run and returns ctx's error. An Update that has begun
	// is completed even if ctx ends, because a refused credential must be counted even if the client disconnects. An Update that
	// the database does not finish in time, at most one minute after its turn has come, is Unavailable.
	//
	// An Update that saves or deletes an agent, a domain or a client of RADIUS, or what logs users on to an application (its realm,
	// its procedure and its steps), or calls SetCertificates, returns only after another MaxCallerAge, whether it succeeded or not.
	Update(ctx context.Context, fn func(Tx) error) error

	// UpdateShared is Update for an fn that returns no error after it has written something, unless a statement fails. SQLite then
	// needs no savepoint for it. If fn returns an error all the same, the Updates that share its transaction are rolled back too,
	// and are Unavailable.
	//
	// PostgreSQL runs several of them in one transaction with the isolation level REPEATABLE READ. So fn must change every row that
	// its decision depends on, if another transaction that runs at the same time may take that decision too: a token whose OTP it
	// accepts, a user whose failures it counts. Rows that only administrators change need no change.
	UpdateShared(ctx context.Context, fn func(Tx) error) error

	// UpdateLong is Update for work that may take long, such as an import or a batch. Updates that ran before it are committed
	// before it begins. Updates that come after it may have to wait until it ends. It has its own time limit (WithBulkTimeout).
	// An UpdateLong that exceeds the limit is TooLarge and is rolled back.
	UpdateLong(ctx context.Context, fn func(Tx) error) error

	// UpdateAlone is Update for what is done once for a database, such as adding what a new version brings. Of all processes that use
	// the database, one runs such an fn at a time. The next one sees what it did.
	UpdateAlone(ctx context.Context, fn func(Tx) error) error

	// CallerChanges returns a number that changes after each Update by which this Store has changed who may call the server. These are
	// Updates that save or delete an agent, a domain or a client of RADIUS, or what logs users on to an application, or call
	// SetCertificates, even if they fail. While such an Update runs, CallerChanges returns -1. Changes made by other processes do
	// not change the number.
	CallerChanges() int64

	// Readers returns how many Views of this process can run at the same time. Further Views wait.
	Readers() int

	// Waiting returns how many Updates of this process are running or waiting for their turn.
	Waiting() int64

	// Keys returns the keyring that seals the values of the database.
	Keys() *keyring.Keyring

	// Alive returns nil when the database answers.
	Alive(ctx context.Context) error

	// Writable returns nil if the database accepts changes: the last trial write succeeded, and no change was Unavailable since.
	// If the database file was moved, or if a newer tokensmith has migrated the schema, it returns an error that says so (Why).
	// Updates are then refused for the same reason. Otherwise Writable tries a small change and returns its error. It returns an
	// error without a try within a few seconds of its own last failed try, or of a change that was refused because the disk is
	// full or failing, or because the database is read-only. While no change is refused, Writable costs nothing.
	Writable(ctx context.Context) error

	// WatchSchema checks, until ctx ends, whether a newer tokensmith migrates the schema. From then on Updates are Unavailable, because
	// this version does not know the rules of the newer schema.
	WatchSchema(ctx context.Context)

	// Stats reads the figures that are worth monitoring.
	Stats(ctx context.Context) (Stats, error)

	// Warnings returns, for the log at start, what makes this process's database slower or weaker than it could be, in one
	// sentence each.
	Warnings() []string

	// MarkAudit adds a mark that states where every chain of the record stands, and returns the mark's head. With that head,
	// VerifyAudit finds any row that was there at that time and is missing now. The head is also kept, sealed, in the key file's
	// folder, at most once a minute. When the Store is closed, the last head is kept there too.
	MarkAudit(ctx context.Context, now time.Time) (head string, err error)

	// KeptHead returns the head that is kept in the key file's folder; "" if there is none. A snapshot that begins after this
	// call contains the head's mark.
	KeptHead() (head string, err error)

	// HeadNotKept returns why the last attempt to keep the head failed; nil if it succeeded. An error of kind RecordBroken says
	// that the record does not contain the head that is kept.
	HeadNotKept() error

	// VerifyAudit checks the record in a snapshot of its own; see ReadTx.VerifyAudit. If expect is empty, the kept head is
	// expected; "0" expects none.
	VerifyAudit(ctx context.Context, expect string) (Verified, error)

	// PruneAudit removes the rows of the record from before a moment. In each chain it stops at the first younger row. It leaves
	// a mark, signed with the same key, from which the remaining rows can still be verified. A broken record is not pruned,
	// because that would hide where it is broken. PruneAudit returns the number of removed rows.
	//
	// It works in parts, with one transaction for each part, and the record can be verified after each part. If PruneAudit is
	// interrupted, the parts that are done stay done, and the next call does the rest. Unless row is nil, it is added to the
	// record together with the first part.
	PruneAudit(ctx context.Context, before, now time.Time, row *model.Audit) (removed int64, err error)

	// Check examines whether the database is intact: its pages and foreign keys (SQLite only), the chains of the record, the
	// sealed values, and whether seeds match their hashes. Of each sealed column it opens the first and the last sample values
	// or, with all, every value. Its error names the first damaged place.
	Check(ctx context.Context, sample int, all bool) (Checked, error)

	// Recount counts anew what is counted by triggers (counts.go), and returns how many numbers were wrong.
	Recount(ctx context.Context) (wrong int64, err error)

	// KeepCounts remembers how many tokens, users and devices there are today, for 400 days, unless that was done today. Overview
	// compares with it.
	KeepCounts(ctx context.Context, now time.Time) error

	// Backup writes a copy of an SQLite database, as one snapshot shows it, while others read and write. Then it checks the copy.
	// The file appears only when it is complete and on the disk. The file must not exist before.
	Backup(ctx context.Context, file string) (Checked, error)

	// AfterRestore is for a database that was restored from an older state. It invalidates what may have been used since that
	// state, and adds row to the record. It is one transaction.
	//
	//   - Time-based tokens no longer accept OTPs from before now. The same holds for tokens made later from a seed that has a
	//    seed mark. A token whose clock may be ahead must enter two OTPs (Restored in model.Credential).
	//   - Event-based counters move forward by advance, from 0 to a million, because nobody knows how far they had moved.
	//   - Passcodes, emergency codes, provisioning links, console sessions, pending resynchronizations, and logons by RADIUS that were
	//    asked for more, end.
	//
	// No other process may have the database open, because it would not learn the time of the restore.
	AfterRestore(ctx context.Context, now time.Time, advance int64, row *model.Audit) (Restored, error)

	// Dump writes the database, as one snapshot shows it, and returns the number of rows. Databases with the same rows give the
	// same bytes.
	Dump(ctx context.Context, w io.Writer) (int64, error)

	// Load fills a new database from a dump. It reads the dump twice: first it checks all of it, then it inserts the rows. The
	// database must have been opened with the dump's key file. A database whose Load was interrupted cannot be opened again.
	Load(ctx context.Context, dump io.ReadSeeker) (int64, error)

	// Rotate adds a new key to the key file and seals all values again with it, in parts, with one transaction for each part.
	// Other processes may serve meanwhile; they notice the changed key file by themselves. An interrupted rotation continues with
	// the key it began with. The old keys stay in the file, and can still open values, until RetireKeys.
	Rotate(ctx context.Context, now time.Time) (Rotated, error)

	// RetireKeys removes the old keys from the key file and returns how many there were. The parts of them that are needed to
	// verify the record stay. It refuses while any value is still sealed with an old key. It also refuses within an hour after
	// the rotation began, because a call that began before may still store a value that it sealed with the old key. restarted
	// states that no such call can exist because every server was restarted since the rotation.
	RetireKeys(ctx context.Context, now time.Time, restarted bool) (retired int, err error)

	// Close waits for running Views and Updates and closes the database. Later ones are Unavailable. Closing twice is allowed.
	Close() error
}

// MaxCallerAge is how long a process may use what it has read about who may call, while CallerChanges stays the same and is not -1. An
// Update that takes a right away from a caller returns only after this time. Then no process grants that right any more.
const MaxCallerAge = 100 * time.Millisecond

// ReadTx is a read transaction. It is bound to its View or Update, to that call's context, and to one goroutine. The caller may
// keep and change what it returns. "Folded" names are names as returned by model.Fold. "Oldest first" means ordered by id,
// because ids grow with time. Maps contain only what was found. They are never nil, but an empty list may be nil.
type ReadTx interface {
	// SetScope restricts Find, Count, Logins, DomainsByName, DomainsCalled, UsersByLogin, UsersNamed and TokensBySerial to a scope
	// until the end of the transaction; nil removes the restriction. Nothing else is restricted: callers get ids from Find.
	SetScope(scope Scope)

	// Scope returns the scope that the transaction is restricted to; nil if it is not restricted.
	Scope() Scope

	// Load reads the row with that key into dst, a pointer to a type of the domain. If there is no such row, it returns NotFound
	// and leaves dst unchanged.
	Load(dst any, key string) error
	// Find returns the rows that match a query. When ctx ends, it returns ctx's error. A query with more than 500 conditions or
	// 32,000 values is Invalid.
	//
	// NULL matches no comparison, not even Ne or NotIn. In with an empty list matches no row; NotIn with an empty list matches
	// every row. Text is compared by code point. false sorts before true. Without Sort, the order is undefined.
	Find(q *Query) ([]Row, error)
	// Each is Find, but calls fn with each row as it is read, so that the rows are never all in memory. fn must not keep the row
	// and must not use the transaction. If fn returns an error, Each stops and returns it.
	Each(q *Query, fn func(Row) error) error
	// Count returns how many rows match a query's conditions. Its limits are those of Find.
	Count(q *Query) (int64, error)
	// Exists returns whether a step leads to any row from the row with that id.
	Exists(s Step, id any) (bool, error)
	// DeviceNamed returns whether a device has that name, compared without case.
	DeviceNamed(name string) (bool, error)
	// Meta returns a value of the table meta; nil if there is none.
	Meta(name string) ([]byte, error)
	// Failed returns the error that spoiled the transaction; nil if there was none.
	Failed() error

	// AgentByCertificate returns the agent that has the public key with that hash; nil if there is none.
	AgentByCertificate(hash string) (*model.Agent, error)
	// AgentsCalled returns the agents that have one of the folded names. A database may contain several agents of one folded name,
	// from before this was refused.
	AgentsCalled(folded []string) ([]model.Agent, error)
	// SessionByHash returns a session. If there is none, it returns NotFound.
	SessionByHash(hash []byte) (model.Session, error)
	// SessionsOf returns the sessions of a user, the latest first, 100 at most, also those that are not good any more.
	SessionsOf(userID string) ([]model.Session, error)
	// SignIns returns the counts of a user's sign-ins to the console, one for each address.
	SignIns(userID string) ([]model.SignIns, error)
	// SignInsFrom returns the counts of sign-ins from an address, one for each user. Sign-ins without an address are not found.
	SignInsFrom(address string) ([]model.SignIns, error)

	// Logins returns what is needed to check a credential of the users that match. If several match, it returns any two of them.
	Logins(user []Cond) ([]model.Login, error)
	// Login is Logins for the user with that id. If there is none, it returns ErrNone.
	Login(userID string) (model.Login, error)
	// Credentials returns a user's assignments with all that is needed to check an OTP. They are in the order in which they are
	// tried: lowest priority number first, then oldest first.
	Credentials(userID string) ([]model.Credential, error)

	// TempPasses returns a user's emergency codes, spent ones included, newest first.
	TempPasses(userID string) ([]model.TempPass, error)

	// Address returns what is known of a network address, and of a user at that address. Failures from the address are counted in
	// the given slot. userID may be empty.
	Address(slot int64, userID, address string) (model.Address, error)
	// CountOutcomes counts the rows of the record since a time whose methods begin with a text and that have one of the outcomes.
	// It stops counting at most. outcomes must not be empty, and methods must not contain a wildcard.
	CountOutcomes(methods string, since model.Time, outcomes []int64, most int64) (int64, error)

	// Domains returns all domains, ordered by name.
	Domains() ([]model.Domain, error)
	// TokenHoldings returns, for each domain and product, how many users of the domain have tokens of the product, and the largest number
	// of tokens, of any product, that one of these users has. Pairs without such users are left out.
	TokenHoldings() ([]TokenHoldings, error)
	// ShortSeeds counts the tokens whose seed is shorter than a number of bytes. It reads all tokens.
	ShortSeeds(bytes int64) (int64, error)
	// DomainsByName returns the domains that have one of the names, by folded name.
	DomainsByName(folded []string) (map[string]model.Domain, error)
	// UsersByLogin returns the users of a domain that have one of the login names, by folded login name.
	UsersByLogin(domainID string, folded []string) (map[string]model.User, error)
	// UsersHaving returns the users, of all domains, who have one of the login names or one of the principal names. Each user is
	// returned once.
	UsersHaving(logins, principals []string) ([]NamesOf, error)
	// DomainsCalled returns the domains that have one of the names as their name, NetBIOS name or DNS name, by that folded name.
	// A name is compared exactly as given. If no domain has it, the form in which it would be stored is compared (see Naming).
	DomainsCalled(folded []string) (map[string]model.Domain, error)
	// UsersCalled returns the users that each name may mean, by folded name, in any of the forms in which users are named (see
	// model.UserName). A name without a domain can mean users of several domains. A principal name that two users have means
	// neither of them. A name that is one user's principal name and another user's login name means the latter. A name that was
	// stored before the rule for names is compared as in DomainsCalled.
	UsersCalled(folded []string) (map[string][]NamesOf, error)
	// SharedPrincipals examines up to limit users with an id greater than after. It returns those whose principal name is also
	// another user's principal name or login name: the name, by the user's id. last is the last id that it examined; "" if there
	// are no more users.
	SharedPrincipals(after string, limit int) (names map[string]string, last string, err error)
	// FullAgents returns the agents that may do everything in every domain and are not disabled.
	FullAgents() ([]model.Agent, error)
	// LimitedAgents returns the agents that are limited to certain domains, including disabled ones, oldest first.
	LimitedAgents() ([]model.Agent, error)
	// InMoreGroups returns one of the users who are in more than that many groups of users; "" if none is.
	InMoreGroups(userIDs []string, most int64) (string, error)
	// Administrators returns the users who have permissions.
	Administrators() ([]model.User, error)
	// PermissionsOf returns the permission lists of the given users and of the users that the given tokens are assigned to. Each
	// distinct list is returned once; empty lists are left out.
	PermissionsOf(userIDs, tokenIDs []string) ([]model.List, error)
	// PermissionsOfProduct is PermissionsOf for all tokens of a product.
	PermissionsOfProduct(productID string) ([]model.List, error)
	// UsersNamed returns the ids of the users that each name means, by folded name. These are the users that UsersCalled returns;
	// if there are several, only the one in the default domain, if there is one. If there are none, these are the users with that
	// e-mail address. No name may be empty or given twice.
	UsersNamed(folded []string) (map[string][]string, error)

	// ProductByCodes returns the product with that manufacturer and product code. If there is none, it returns NotFound.
	ProductByCodes(manufacturer, code string) (model.Product, error)
	// Products returns all products, oldest first.
	Products() ([]model.Product, error)
	// RepositoryByName returns the repository with that name. If there is none, it returns NotFound.
	RepositoryByName(name string) (model.Repository, error)
	// TokensBySerial returns the tokens of a product that have one of the serial numbers, by serial number.
	TokensBySerial(productID string, serials []string) (map[string]model.Token, error)
	// AssignmentsOfUser returns a user's assignments in the order in which they are tried; see Credentials.
	AssignmentsOfUser(userID string) ([]model.Assignment, error)
	// AssignmentsOfTokens returns the assignments of the tokens, by token id, oldest first.
	AssignmentsOfTokens(tokenIDs []string) (map[string][]model.Assignment, error)
	// AssignedTo returns the number of assignments of each user, by user id. Users without assignments are left out.
	AssignedTo(userIDs []string) (map[string]int64, error)
	// AssignedOfProduct counts a user's assignments to tokens of a product.
	AssignedOfProduct(userID, productID string) (int64, error)
	// AccountOf returns the login name and the domain name of a token's owner. If the token has no owner, it returns those of the
	// user of the oldest assignment; if it has no assignment, "".
	AccountOf(tokenID string) (login, domain string, err error)
	// LinkByHash returns an unused provisioning link, even if it has expired. If there is none, it returns NotFound.
	LinkByHash(hash []byte) (model.DownloadLink, error)

	// DeviceNames returns the folded names of the devices whose folded names start with a text.
	DeviceNames(start string) ([]string, error)
	// DeviceGroupByName returns the device group with that folded name. If there is none, it returns NotFound.
	DeviceGroupByName(folded string) (model.DeviceGroup, error)
	// DeviceGroupNames returns the names of a device's groups, ordered by folded name. The list is never nil.
	DeviceGroupNames(deviceID string) ([]string, error)
	// Presented returns, by public id, the client tokens with these public ids and what is needed to decide on them.
	Presented(ids []string) (map[string]model.Presented, error)

	// CodeByIndex returns the installation code whose normal form has one of these HMACs, one for each key of the key file. If
	// there is none, it returns NotFound.
	CodeByIndex(indexes ...[]byte) (model.InstallationCode, error)
	// UseByNonce returns the use of an installation code that belongs to a nonce, given by its hash; nil if there is none.
	UseByNonce(hash []byte) (*model.InstallationUse, error)
	// InstalledBy returns the use of an installation code that created a device; nil if there is none.
	InstalledBy(codeID, deviceID string) (*model.InstallationUse, error)
	// MadeAccount returns whether an installation code created an account.
	MadeAccount(codeID, userID string) (bool, error)
	// AccountsMade counts the accounts that an installation code created after a time.
	AccountsMade(codeID string, since model.Time) (int64, error)
	// DeviceGroupsOfCode returns, in order, the ids of the groups that an installation code assigns to devices.
	DeviceGroupsOfCode(codeID string) ([]string, error)

	// TemplateByName returns a message template. If there is none, it returns NotFound.
	TemplateByName(name string) (model.Template, error)
	// FindReply returns the stored reply for an idempotency key; nil if there is none that expires after now.
	FindReply(id string, now model.Time) (*model.StoredReply, error)

	// RadiusClients returns the clients of RADIUS, oldest first. The disabled ones are among them, because they keep their addresses.
	RadiusClients() ([]model.RadiusClient, error)
	// RadiusNote returns the sealed content of a note that expires after now; nil if there is none.
	RadiusNote(id string, now model.Time) ([]byte, error)

	// History returns the newest rows of the record that name one of the objects, such as "token 0198c1f2...", the newest first and
	// limit at most, without accepted logins. With before, only rows before that place. An index serves it.
	History(objects []string, before AuditPlace, limit int) ([]model.Audit, error)

	// Overview counts what an administrator should look at: licenses and installation codes that end before soon are among it, and
	// the logins since a moment, as far as a limited part of the record tells of them.
	Overview(since, now, soon model.Time) (model.Overview, error)

	// VerifyAudit checks every row of the record and every mark: that none was changed, inserted, removed or moved by hand. Rows
	// and marks that were cut off the end can be detected only by a head from before: expect, unless it is empty. An error of
	// kind RecordBroken names the first place that does not match. An expect that is not a head is Invalid.
	VerifyAudit(expect string) (Verified, error)
}

// Tx is a read-write transaction. Rows are passed as pointers to types of the domain and are copied. The caller makes ids and
// folded columns. The caller also inserts a user's UserState and a token's TokenState; without them Logins and Credentials do not
// find the user or the token. A method that changes a row by its id does nothing, without an error, if there is no such row,
// unless its comment says otherwise.
type Tx interface {
	ReadTx

	// Try runs fn in a savepoint of the transaction. If fn returns an error, or ignores the error of a statement, Try undoes what
	// fn did, and only that, and returns the error. The transaction then continues. An error that concerns the whole transaction
	// (Unavailable, out of time, end of ctx) is not undone in this way: Try returns it, and so do all later statements and the
	// Update. A panic in fn ends the Update. Calls of Try may be nested.
	Try(fn func(Tx) error) error

	// TimeLimit limits the time of the transaction, counted from now and including its searches, if other Updates have to wait for
	// it. A transaction that takes longer is TooLarge, with refusal as its message, and is rolled back. The limit holds to the end
	// of the transaction, or until end is called; a limit that ends earlier stays in force. On PostgreSQL Updates run side by side,
	// so TimeLimit has no effect there.
	TimeLimit(most time.Duration, refusal string) (end func())

	// Insert inserts a new row. Inserting an assignment also deletes an unused provisioning link of its token, because the holder
	// of that link got it before this assignment existed. InsertMany does the same. Inserting, and deleting, an emergency code counts
	// those of its user anew (TempPasses of model.UserState); so does InsertMany.
	Insert(row any) error
	// InsertMany inserts rows, a slice of a type of the domain, and returns how many were new. A row that already exists, in the
	// table or in the slice, is skipped if skip is set, and is an error otherwise.
	InsertMany(rows any, skip bool) (int64, error)
	// Save writes all columns of an existing row. If there is none, it returns NotFound.
	Save(row any) error
	// Delete deletes the row with row's key and the rows that belong to it. If there is none, it returns NotFound. If other rows
	// refer to it, it returns InUse.
	Delete(row any) error
	// Relate makes others the complete list of rows that a relation leads to from the row with that id. It deletes the rows of
	// first.Table whose first.To is id. Then it inserts one row for each of others, with the columns first.To and second.From.
	Relate(first, second Step, id string, others []string) error
	// PutMeta sets a value of the table meta. The names "schema", "canary", "loading", "tried", "restored", "seeds" and "key
	// rotated" are reserved for package store.
	PutMeta(name string, value []byte) error
	// Audit appends a row to the record in this transaction, so the row exists if and only if the transaction commits. It sets
	// the row's ID, Writer, Sequence and MAC.
	Audit(row *model.Audit) error

	// LeaveGroup takes users out of a group of users. Those who are not in it stay as they are.
	LeaveGroup(groupID string, userIDs []string) error

	// SetCertificates replaces the public keys of an agent, given by their hashes. If a key belongs to another agent, it returns
	// Exists. The agent's own row does not change.
	SetCertificates(agentID string, hashes []string) error
	// AgentUsed records when an agent last called. It never sets an earlier time.
	AgentUsed(id string, now model.Time) error
	// SessionUsed records when a session was last used. It never sets an earlier time.
	SessionUsed(hash []byte, now model.Time) error
	// UnlockSignIns forgets a user's failed sign-ins to the console and removes the locks that they caused.
	UnlockSignIns(userID string) error
	// DropSession ends a session.
	DropSession(hash []byte) error
	// DropSessionsOf ends all sessions of a user.
	DropSessionsOf(userID string) error
	// DropSessions deletes sessions that were last used before a time.
	DropSessions(before model.Time) error

	// SaveChecked saves the state of a token after an OTP check. If an OTP was used now, it saves the counter, the drift and the
	// last use, and ends a resynchronization. Otherwise it saves the progress of a resynchronization. What the check learned
	// about the seed is also saved for the other tokens of the seed's group.
	SaveChecked(c *model.Credential, used bool, now model.Time) error
	// SaveLogin saves the state of a user after a credential check. The user must have been read in this transaction.
	SaveLogin(s *model.UserState) error
	// SaveLastLogin saves the time of a login that changed nothing else in the state of the user.
	SaveLastLogin(userID string, at model.Time) error
	// CountUse counts a use of an assignment.
	CountUse(assignmentID string) error
	// CountCode counts a use of an emergency code.
	CountCode(id string) error
	// RecordUnknownName records the refusal of a name that belongs to no user, in one of 64 rows, so that it costs the same as the refusal
	// of a user.
	RecordUnknownName(now model.Time) error
	// AddressFailed saves the failures that are counted in a slot.
	AddressFailed(slot int64, a *model.Address) error
	// AddressKnown records that a user logged in from an address. It deletes the user's addresses that were last used longer than
	// model.AddressKnown ago, and the oldest ones beyond 32.
	AddressKnown(userID, address string, now model.Time) error
	// SetPIN replaces a PIN with a new, sealed one, and clears the demand to change it.
	SetPIN(assignmentID string, sealed []byte, now model.Time) error
	// SetPassword replaces a password with a new, sealed one.
	SetPassword(userID string, sealed []byte, mustChange bool, now model.Time) error
	// SetUserStatus changes a user's status.
	SetUserStatus(userID, status string) error
	// ClearFailures sets the count of failed credentials to 0 for every user that a token is assigned to. It ends no lock, and
	// leaves alone who was locked by failures in a row: to such a user the tries at emergency codes are counted.
	ClearFailures(tokenID string) error

	// TakeMarks is for tokens that were just inserted and whose seeds may have been used before. Their states are passed beside
	// them and are not inserted yet. Tokens that make the same OTPs, according to their seeds and products, become one group,
	// together with existing tokens that do. TakeMarks returns the states, changed to include what was used before. The states
	// passed to it do not change. If a group would have more than model.MaxSeedTokens tokens, TakeMarks returns an Invalid error.
	TakeMarks(tokens []model.Token, states []model.TokenState) ([]model.TokenState, error)
	// RaiseMarks stores in all tokens of a group which OTPs of their seed were used, and what their seed answered, and moves
	// their counters up accordingly. A nil group means that there is no group.
	RaiseMarks(group *string, u model.SeedUse) error
	// RewindMarks moves the counters of a group's time-based tokens back, as was done with one of them (otp.Rewind), except for
	// tokens of which less is known. A nil group means that there is no group.
	RewindMarks(group *string, u model.SeedUse) error
	// LeaveMark keeps what was used of the seed of a token that is about to be deleted, as a seed mark with the given id. If
	// other tokens of its group exist, it makes no seed mark: these tokens know already, or learn here, what was used.
	LeaveMark(t *model.Token, id string, now model.Time) error
	// Touch sets the time of a token's last update.
	Touch(tokenID string, now model.Time) error
	// DisownToken removes the owner flag from a token's assignments and sets the time of their last update.
	DisownToken(tokenID string, now model.Time) error
	// PutLink saves a token's provisioning link, replacing an older one.
	PutLink(l *model.DownloadLink) error
	// DropLink deletes a token's unused provisioning link.
	DropLink(tokenID string) error

	// TakeSeats takes n seats of a license and returns true. If fewer seats are left, or the license has expired, it takes none
	// and returns false. A license is valid until the end of the second in which it expires. Concurrent calls never take more
	// seats than there are.
	TakeSeats(licenseID string, n int64, now model.Time) (bool, error)
	// FreeSeat returns one seat to a license.
	FreeSeat(licenseID string) error
	// Seen records that devices used their client tokens, given by public id. A token that is not revoked becomes active.
	Seen(ids []string, now model.Time) error

	// UseCode counts a use of an installation code if the code is active or in grace (model.InstallationCode.State). It returns
	// whether the use was counted. Concurrent calls never count more uses than the code has.
	UseCode(id string, now model.Time) (bool, error)
	// NewUsername returns the next login name of a domain and prefix: the prefix and a number, starting at 1, that was never
	// given before and is not taken. It must not be called while a Scope is set.
	NewUsername(domainID, prefix string) (string, error)

	// PretendDelivery inserts a delivery and deletes it again. It costs the same as inserting a real one, and leaves nothing.
	PretendDelivery(d *model.Delivery) error
	// ClaimDeliveries claims up to most queued deliveries of a channel whose next try is not after now, longest due first. It
	// sets their next try to lease, so that no other process claims them before that time. It returns the deliveries as they were
	// before.
	ClaimDeliveries(channel string, now, lease model.Time, most int) ([]model.Delivery, error)

	// RadiusAsked adds to what is known about a client of RADIUS: counts, and the last use and reason unless they are empty.
	RadiusAsked(s *model.RadiusClientState) error
	// PutRadiusNote saves a note, replacing one with the same id.
	PutRadiusNote(n *model.RadiusNote) error
	// TakeRadiusNote is RadiusNote, and deletes the note. Of concurrent calls, one at most gets it.
	TakeRadiusNote(id string, now model.Time) ([]byte, error)
	// DropRadiusNotes deletes up to most notes that expire at now or before, earliest first, and returns how many it deleted.
	DropRadiusNotes(now model.Time, most int) (int64, error)
	// DropTempPasses deletes up to most emergency codes that expired before a time, and returns how many it deleted. Those that never
	// expire stay, used up or not: nobody knows when they were used last.
	DropTempPasses(before model.Time, most int) (int64, error)

	// StoreReply saves a stored reply, replacing one with the same key.
	StoreReply(a *model.StoredReply) error
	// DropReplies deletes up to most stored replies that expire at now or before, earliest expiry first, and returns how many it
	// deleted.
	DropReplies(now model.Time, most int) (int64, error)
}
