package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store"
	"tokensmith/store/storetest"
	"tokensmith/store/storetest/faulty"
)

// remembering is a database on SQLite whose memory of logins must never be wrong.
type remembering struct {
	t    *testing.T
	url  string
	key  string
	mine store.Store
	made int
}

func newRemembering(t *testing.T, bytes int) *remembering {
	t.Helper()
	r := &remembering{t: t, url: storetest.SQLite(t), key: filepath.Join(t.TempDir(), "key")}
	r.mine = r.open(store.WithMemory(bytes), store.WithMemoryChecked(func(wrong string) { t.Error(wrong) }))
	return r
}

func (r *remembering) open(options ...store.Option) store.Store {
	r.t.Helper()
	s, err := store.Open(r.t.Context(), r.url, r.key, options...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return s
}

// people are the users u and v. Each has a token; v has u's token as well if they share it.
type people struct {
	domain     model.Domain
	u, v       model.User
	product    model.Product
	repository model.Repository
	tokens     [2]model.Token
	all        []model.Assignment
}

func (r *remembering) people(share bool) *people {
	r.t.Helper()
	r.made++
	id := func(what string) string { return fmt.Sprintf("%s-%d", what, r.made) }
	p := &people{domain: model.Domain{ID: id("domain"), Name: id("d"), NameFolded: id("d"), LockoutThreshold: 5},
		product:    model.Product{ID: id("product"), ManufacturerCode: "M", ProductCode: id("P"), Algorithm: "TOTP", Digits: 6, Period: 30},
		repository: model.Repository{ID: id("repository"), Name: id("r")}}
	rows := []any{&p.domain, &p.product, &p.repository}
	for i, u := range []*model.User{&p.u, &p.v} {
		name := id([]string{"u", "v"}[i])
		*u = model.User{ID: name, DomainID: p.domain.ID, LoginName: name, LoginNameFolded: name, Status: model.Active}
		tok := &p.tokens[i]
		*tok = model.Token{ID: id([]string{"s", "t"}[i]), ProductID: p.product.ID, RepositoryID: p.repository.ID, Serial: name, Status: model.Active, Seed: []byte("sealed")}
		rows = append(rows, u, &model.UserState{UserID: u.ID}, tok, &model.TokenState{TokenID: tok.ID})
		p.all = append(p.all, model.Assignment{ID: id([]string{"a", "b"}[i]), TokenID: tok.ID, UserID: u.ID, Status: model.Active})
	}
	if share {
		p.all = append(p.all, model.Assignment{ID: id("c"), TokenID: p.tokens[0].ID, UserID: p.v.ID, Status: model.Active})
	}
	for i := range p.all {
		rows = append(rows, &p.all[i])
	}
	r.update(r.mine, func(tx store.Tx) error {
		for _, row := range rows {
			if err := tx.Insert(row); err != nil {
				return err
			}
		}
		return nil
	})
	return p
}

func (r *remembering) update(s store.Store, fn func(store.Tx) error) {
	r.t.Helper()
	if err := s.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

// named finds a user as a login does: by the login name and the name of the domain, both folded.
func named(d *model.Domain, u *model.User) []store.Cond {
	return []store.Cond{{Path: []store.Step{store.ToDomain}, Column: "name_folded", Op: store.Eq, Value: d.NameFolded},
		{Column: "login_name_folded", Op: store.Calls, Value: u.LoginNameFolded}}
}

// seen is what logins read.
type seen struct {
	Logins      [][]model.Login
	Credentials [][]model.Credential
}

func (p *people) read(tx store.ReadTx) (s seen, err error) {
	for _, u := range []*model.User{&p.u, &p.v} {
		logins, err := tx.Logins(named(&p.domain, u))
		if err != nil {
			return s, err
		}
		byID, err := tx.Login(u.ID)
		if err == nil {
			logins = append(logins, byID)
		} else if !errors.Is(err, store.ErrNone) {
			return s, err
		}
		creds, err := tx.Credentials(u.ID)
		if err != nil {
			return s, err
		}
		s.Logins, s.Credentials = append(s.Logins, logins), append(s.Credentials, creds)
	}
	return s, nil
}

// logs is a login that reads, and writes nothing but a row of the record.
func (r *remembering) logs(p *people) seen {
	r.t.Helper()
	var got, want seen
	err := r.mine.UpdateShared(r.t.Context(), func(tx store.Tx) (err error) {
		if got, err = p.read(tx); err == nil {
			err = tx.Audit(&model.Audit{Time: 1, Method: "reads"})
		}
		return err
	})
	if err == nil {
		err = r.mine.View(r.t.Context(), func(tx store.ReadTx) (err error) {
			want, err = p.read(tx)
			return err
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(model.Credential{}), cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		r.t.Errorf("logins read something else than is there (-there +read):\n%s", diff)
	}
	return got
}

// warm has both users remembered, or the one who logged in last if they share a token.
func (r *remembering) warm(p *people) seen {
	r.t.Helper()
	r.logs(p)
	if n, _ := store.Remembered(r.mine); n != 4-len(p.all) {
		r.t.Fatalf("%d users are remembered, not %d", n, 4-len(p.all))
	}
	return r.logs(p)
}

// forgotten empties the memory, as another process's change does.
func (r *remembering) forgotten(other store.Store) {
	r.update(other, func(tx store.Tx) error { return tx.PutMeta("other", fmt.Append(nil, r.made)) })
	r.mine.UpdateShared(r.t.Context(), func(tx store.Tx) error { _, err := tx.Credentials("nobody"); return err })
	if n, _ := store.Remembered(r.mine); n != 0 {
		r.t.Fatalf("%d users are remembered after another process changed something", n)
	}
}

// keyColumns are those by which rows refer to each other. They never change alone.
var keyColumns = []string{"id", "user_id", "token_id", "domain_id", "product_id", "unit_id", "identity_source_id", "repository_id", "seed_group", "is_default"}

// Whatever column of what logins read changes, by a statement or by saving the row, in this process or in another: the next login
// reads what is there.
func TestMemoryForgetsEachColumn(t *testing.T) {
	t.Parallel()
	r := newRemembering(t, store.DefaultMemory)
	other := r.open()
	rows := map[string]func(p *people) (row any, key string){
		"users":             func(p *people) (any, string) { return &model.User{}, p.u.ID },
		"user_states":       func(p *people) (any, string) { return &model.UserState{}, p.u.ID },
		"domains":           func(p *people) (any, string) { return &model.Domain{}, p.domain.ID },
		"tokens":            func(p *people) (any, string) { return &model.Token{}, p.tokens[0].ID },
		"token_states":      func(p *people) (any, string) { return &model.TokenState{}, p.tokens[0].ID },
		"token_assignments": func(p *people) (any, string) { return &model.Assignment{}, p.all[0].ID },
		"products":          func(p *people) (any, string) { return &model.Product{}, p.product.ID },
	}
	tried := map[string]bool{}
	store.LoginReads(func(table, column string) {
		if tried[table+"."+column] || slices.Contains(keyColumns, column) {
			return
		}
		tried[table+"."+column] = true
		find := rows[table]
		if find == nil {
			t.Fatalf("logins read %s.%s, which this test does not know", table, column)
		}
		statement := fmt.Sprintf("UPDATE %s SET %s = CASE typeof(%[2]s) WHEN 'integer' THEN 1 - %[2]s WHEN 'text' THEN %[2]s || 'x' ELSE x'01' END WHERE %s = ?",
			table, column, map[bool]string{true: "user_id", false: "id"}[table == "user_states"])
		if table == "token_states" {
			statement = strings.Replace(statement, "WHERE id", "WHERE token_id", 1)
		}
		for how, change := range map[string]func(p *people){
			"statement": func(p *people) {
				_, key := find(p)
				r.update(r.mine, func(tx store.Tx) error { _, err := store.Exec(tx, statement, key); return err })
			},
			"another process": func(p *people) {
				_, key := find(p)
				r.update(other, func(tx store.Tx) error { _, err := store.Exec(tx, statement, key); return err })
			},
			"save": func(p *people) {
				row, key := find(p)
				r.update(r.mine, func(tx store.Tx) error {
					if err := tx.Load(row, key); err != nil {
						return err
					}
					alter(reflect.ValueOf(row).Elem(), column)
					return tx.Save(row)
				})
			},
		} {
			p := r.people(r.made%2 == 0)
			r.forgotten(other)
			before := r.warm(p)
			change(p)
			if after := r.logs(p); reflect.DeepEqual(before, after) && !slices.Contains(unread, table+"."+column) {
				t.Errorf("%s.%s, %s: nothing changed", table, column, how)
			}
		}
	})
	if len(tried) < 40 {
		t.Errorf("only %d columns were tried", len(tried))
	}
}

// unread are columns by which a user may be found, but is not in this test.
var unread []string

func init() {
	store.Kept(func(table string, columns []string, _ string) {
		if table != "users" && table != "domains" {
			return
		}
		for _, column := range columns {
			unread = append(unread, table+"."+column)
		}
	})
	read := []string{"users.login_name_folded", "users.status", "users.password", "users.must_change_password", "domains.name_folded",
		"domains.lockout_threshold", "domains.lockout_minutes", "domains.max_failures"}
	unread = slices.DeleteFunc(unread, func(name string) bool { return slices.Contains(read, name) })
}

// alter changes the field of a column.
func alter(row reflect.Value, column string) {
	for _, f := range store.Fields(row.Type()) {
		if f.Column != column {
			continue
		}
		switch v := row.FieldByIndex(f.Index); v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Slice:
			v.SetBytes([]byte("altered"))
		default:
			panic("no other value of " + column)
		}
		return
	}
	panic("no column " + column)
}

// Whichever method of Tx changes something, the next login reads what is there, and so it does if the change is undone.
func TestMemoryForgetsByEachMethod(t *testing.T) {
	t.Parallel()
	r := newRemembering(t, store.DefaultMemory)
	other := r.open()
	methods := map[string]func(tx store.Tx, p *people) error{
		"Insert": func(tx store.Tx, p *people) error {
			return tx.Insert(&model.Assignment{ID: p.u.ID + "x", TokenID: p.tokens[1].ID, UserID: p.u.ID, Status: model.Active})
		},
		"InsertMany": func(tx store.Tx, p *people) error {
			_, err := tx.InsertMany([]model.Assignment{{ID: p.u.ID + "x", TokenID: p.tokens[1].ID, UserID: p.u.ID, Status: model.Active}}, false)
			return err
		},
		"Save": func(tx store.Tx, p *people) error { // the assignment becomes another user's
			a := p.all[1]
			a.UserID = p.u.ID
			return tx.Save(&a)
		},
		"Delete":      func(tx store.Tx, p *people) error { return tx.Delete(&p.tokens[0]) },
		"SaveChecked": func(tx store.Tx, p *people) error { return save(tx, p.u.ID, true) },
		"SaveLogin": func(tx store.Tx, p *people) error {
			return tx.SaveLogin(&model.UserState{UserID: p.u.ID, FailCount: 3, RefusedAt: []byte("12345678")})
		},
		"SaveLastLogin": func(tx store.Tx, p *people) error { return tx.SaveLastLogin(p.u.ID, 77) },
		"CountUse":      func(tx store.Tx, p *people) error { return tx.CountUse(p.all[0].ID) },
		"SetPIN":        func(tx store.Tx, p *people) error { return tx.SetPIN(p.all[0].ID, []byte("pin"), 7) },
		"SetPassword":   func(tx store.Tx, p *people) error { return tx.SetPassword(p.u.ID, []byte("new"), true, 7) },
		"SetUserStatus": func(tx store.Tx, p *people) error { return tx.SetUserStatus(p.u.ID, model.LockedBy) },
		"ClearFailures": func(tx store.Tx, p *people) error {
			return errors.Join(tx.SaveLogin(&model.UserState{UserID: p.u.ID, FailCount: 3, CalmAt: 4}), tx.ClearFailures(p.tokens[0].ID))
		},
		"TakeMarks": func(tx store.Tx, p *people) error { return group(tx, p) },
		"RaiseMarks": func(tx store.Tx, p *people) error {
			return errors.Join(group(tx, p), tx.RaiseMarks(&p.tokens[0].ID, model.SeedUse{Counter: 5, Previous: 5}))
		},
		"RewindMarks": func(tx store.Tx, p *people) error {
			return errors.Join(group(tx, p), tx.RaiseMarks(&p.tokens[0].ID, model.SeedUse{Counter: 9, Previous: 2}), tx.RewindMarks(&p.tokens[0].ID, model.SeedUse{Counter: 4}))
		},
		"DropTempPasses": func(tx store.Tx, p *people) error { // one of two codes is left
			_, err := tx.InsertMany([]model.TempPass{{ID: p.u.ID + "c", UserID: p.u.ID, Password: []byte("c"), Expires: 1}, {ID: p.u.ID + "d", UserID: p.u.ID, Password: []byte("d")}}, false)
			if err == nil {
				_, err = tx.DropTempPasses(2, 10)
			}
			return err
		},
		"Relate": func(tx store.Tx, p *people) error { // v has no other token than u's
			step := store.Step{From: "id", Table: "download_links", To: "token_id"}
			return tx.Relate(step, store.Step{From: "hash"}, p.tokens[0].ID, nil)
		},
	}
	// These change nothing of what logins read.
	others := []string{"Try", "TimeLimit", "CountCode", "RadiusAsked", "PutRadiusNote", "TakeRadiusNote", "DropRadiusNotes", "PutMeta", "Audit", "LeaveGroup", "SetCertificates", "AgentUsed", "SessionUsed", "UnlockSignIns", "DropSession",
		"DropSessionsOf", "DropSessions", "RecordUnknownName", "AddressFailed", "AddressKnown", "LeaveMark", "Touch", "DisownToken", "PutLink", "DropLink",
		"TakeSeats", "FreeSeat", "Seen", "UseCode", "NewUsername", "PretendDelivery", "ClaimDeliveries", "StoreReply", "DropReplies"}
	reads := reflect.TypeFor[store.ReadTx]()
	for i := range reflect.TypeFor[store.Tx]().NumMethod() {
		name := reflect.TypeFor[store.Tx]().Method(i).Name
		if _, ok := reads.MethodByName(name); ok || slices.Contains(others, name) {
			continue
		}
		change := methods[name]
		if change == nil {
			t.Errorf("nobody says whether %s changes what logins read", name)
			continue
		}
		for n := range 4 {
			run := r.mine.Update
			if n%2 == 1 {
				run = r.mine.UpdateShared
			}
			p := r.people(n > 1)
			r.forgotten(other)
			before := r.warm(p)
			undone := errors.New("undone")
			err := r.mine.Update(t.Context(), func(tx store.Tx) error { return errors.Join(change(tx, p), undone) })
			if !errors.Is(err, undone) {
				t.Fatalf("%s: %v", name, err)
			}
			if after := r.logs(p); !reflect.DeepEqual(before, after) {
				t.Errorf("%s: what was undone is there: %s", name, cmp.Diff(before, after))
			}
			err = run(t.Context(), func(tx store.Tx) error {
				// What part of a transaction does is undone alone, and then done for good.
				err := tx.Try(func(tx store.Tx) error {
					_, err := p.read(tx)
					return cmpErr(err, change(tx, p), undone)
				})
				if !errors.Is(err, undone) {
					return fmt.Errorf("Try: %w", err)
				}
				if _, err := p.read(tx); err != nil {
					return err
				}
				if err := change(tx, p); err != nil {
					return err
				}
				_, err = p.read(tx) // which finds the change
				return err
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if after := r.logs(p); reflect.DeepEqual(before, after) && name != "Relate" {
				t.Errorf("%s: nothing changed", name)
			}
		}
	}
}

// cmpErr returns the first error.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// save accepts an OTP of a user's first token, which the login reads first.
func save(tx store.Tx, userID string, used bool) error {
	creds, err := tx.Credentials(userID)
	if err != nil {
		return err
	}
	c := &creds[0]
	c.Counter, c.Previous, c.Drift, c.Used, c.SyncedAt, c.Asked = c.Counter+5, c.Counter+5, 2, []byte("12345678"), 5, []byte("asked123")
	return tx.SaveChecked(c, used, 9)
}

// group makes both tokens a group of tokens with one seed.
func group(tx store.Tx, p *people) error {
	_, err := store.Exec(tx, "UPDATE tokens SET seed_group = ? WHERE id IN (?, ?)", p.tokens[0].ID, p.tokens[0].ID, p.tokens[1].ID)
	return err
}

// What is remembered decides nothing alone: if it is wrong, the function runs again with what is there.
func TestMemoryIsConfirmed(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(tx store.Tx, p *people) error{
		"an OTP is accepted":    func(tx store.Tx, p *people) error { return save(tx, p.u.ID, true) },
		"an OTP is out of sync": func(tx store.Tx, p *people) error { return save(tx, p.u.ID, false) },
		"a refusal": func(tx store.Tx, p *people) error {
			return tx.SaveLogin(&model.UserState{UserID: p.u.ID, FailCount: 4})
		},
		"a login":    func(tx store.Tx, p *people) error { return tx.SaveLastLogin(p.u.ID, 5) },
		"a use":      func(tx store.Tx, p *people) error { return tx.CountUse(p.all[0].ID) },
		"the record": func(tx store.Tx, p *people) error { return tx.Audit(&model.Audit{Time: 1, Method: "test"}) },
		"nothing":    func(tx store.Tx, p *people) error { return nil },
		"an error":   func(tx store.Tx, p *people) error { return errSeen },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemembering(t, store.DefaultMemory)
			p := r.people(false)
			r.warm(p)
			unchecked := r.open()
			r.mine = unchecked
			r.warm(p)
			store.SpoilMemory(r.mine, func(l *model.Login, creds []model.Credential) { l.FailCount, creds[0].Counter = 50, 70 })
			var counters []int64
			err := r.mine.UpdateShared(t.Context(), func(tx store.Tx) error {
				got, err := p.read(tx)
				if err != nil {
					return err
				}
				counters = append(counters, got.Credentials[0][0].Counter)
				return write(tx, p)
			})
			if err != nil && !errors.Is(err, errSeen) {
				t.Fatal(err)
			}
			if !slices.Equal(counters, []int64{70, 0}) {
				t.Errorf("the function saw the counters %d, not 70 and then 0", counters)
			}
			r.logs(p)
		})
	}
}

// A function that runs again because something was remembered wrongly writes its rows of the record once.
func TestForgottenRowsOfTheRecord(t *testing.T) {
	t.Parallel()
	r := newRemembering(t, store.DefaultMemory)
	p := r.people(false)
	r.mine = r.open()
	r.warm(p)
	store.SpoilMemory(r.mine, func(_ *model.Login, creds []model.Credential) { creds[0].Counter = 70 })
	runs := 0
	err := r.mine.UpdateShared(t.Context(), func(tx store.Tx) error {
		runs++
		if err := tx.Audit(&model.Audit{Time: 1, Method: "twice"}); err != nil {
			return err
		}
		if _, err := p.read(tx); err != nil {
			return err
		}
		return save(tx, p.u.ID, true)
	})
	if err != nil || runs != 2 {
		t.Fatalf("%d runs: %v", runs, err)
	}
	if _, err := r.mine.VerifyAudit(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

var errSeen = errors.New("seen")

// However logins, other changes of this process and of another one, undone parts and failing statements follow each other, what
// logins read is what is there, with a memory of any size.
func TestMemoryInAnyOrder(t *testing.T) {
	t.Parallel()
	for i, most := range []int{store.DefaultMemory, 6000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			r := &remembering{t: t, url: storetest.SQLite(t), key: filepath.Join(t.TempDir(), "key")}
			f := faulty.NewFaults(uint64(i), false, 0)
			r.mine = r.open(store.WithMemory(most), store.WithMemoryChecked(func(wrong string) { t.Error(wrong) }), store.WithConnector(faulty.Connector(f.Decide)))
			other := r.open()
			all := []*people{r.people(false), r.people(true), r.people(false)}
			random := rand.New(rand.NewPCG(1, uint64(most)))
			drawn := func() *people { return all[random.IntN(len(all))] }
			changes := []func(tx store.Tx, p *people) error{
				func(tx store.Tx, p *people) error {
					return tx.SetUserStatus(p.u.ID, []string{model.Active, model.LockedBy}[random.IntN(2)])
				},
				func(tx store.Tx, p *people) error {
					return tx.SetPIN(p.all[random.IntN(len(p.all))].ID, []byte{byte(random.IntN(5))}, 7)
				},
				func(tx store.Tx, p *people) error {
					return tx.SaveLogin(&model.UserState{UserID: p.v.ID, FailCount: int64(random.IntN(5))})
				},
				func(tx store.Tx, p *people) error { return save(tx, p.v.ID, random.IntN(2) == 0) },
				func(tx store.Tx, p *people) error { return tx.CountUse(p.all[0].ID) },
				func(tx store.Tx, p *people) error {
					p.product.CheckWindow = int64(random.IntN(5))
					return tx.Save(&p.product)
				},
				func(tx store.Tx, p *people) error { // the tokens change hands
					a, b := p.all[0], p.all[1]
					if len(p.all) == 2 && random.IntN(2) == 0 {
						a.TokenID, b.TokenID = b.TokenID, a.TokenID
					}
					return cmpErr(tx.Delete(&b), tx.Save(&a), tx.Insert(&b))
				},
			}
			login := func(tx store.Tx, p *people, accept bool) error {
				for _, u := range []*model.User{&p.u, &p.v} {
					found, err := tx.Logins(named(&p.domain, u))
					if err != nil || len(found) != 1 {
						return cmpErr(err, fmt.Errorf("%d users", len(found)))
					}
					if accept {
						err = cmpErr(save(tx, u.ID, true), tx.SaveLastLogin(u.ID, model.Time(random.IntN(1000))))
					} else if _, err = tx.Credentials(u.ID); err == nil && random.IntN(2) == 0 {
						err = tx.Audit(&model.Audit{Time: 1, Method: "refuses"})
					}
					if err != nil {
						return err
					}
				}
				return nil
			}
			undone := errors.New("undone")
			answered := 0
			for range modeltest.Size(20_000, 1500) {
				p := drawn()
				change := changes[random.IntN(len(changes))]
				f.Set([]int{0, 0, 0, 30}[random.IntN(4)])
				var err error
				switch random.IntN(12) {
				case 0:
					f.Set(0)
					err = other.Update(t.Context(), func(tx store.Tx) error { return change(tx, p) })
				case 1:
					err = r.mine.Update(t.Context(), func(tx store.Tx) error { return change(tx, p) })
				case 2:
					err = r.mine.Update(t.Context(), func(tx store.Tx) error { return cmpErr(change(tx, p), undone) })
				case 3:
					err = r.mine.UpdateShared(t.Context(), func(tx store.Tx) error {
						err := tx.Try(func(tx store.Tx) error { return cmpErr(change(tx, p), login(tx, p, true), undone) })
						if !errors.Is(err, undone) {
							return err
						}
						return login(tx, p, true)
					})
				case 4:
					err = r.mine.UpdateShared(t.Context(), func(tx store.Tx) error { return cmpErr(login(tx, p, false), change(tx, p), login(tx, p, true)) })
				case 5: // several at once share a transaction
					var all sync.WaitGroup
					seeds := []bool{random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0}
					for i, accept := range seeds {
						all.Go(func() {
							r.mine.UpdateShared(context.Background(), func(tx store.Tx) error {
								creds, err := tx.Credentials(p.u.ID)
								if err != nil || !accept {
									return err
								}
								creds[0].Counter += int64(i)
								return tx.SaveChecked(&creds[0], true, 5)
							})
						})
					}
					all.Wait()
				default:
					err = r.mine.UpdateShared(t.Context(), func(tx store.Tx) error { return login(tx, p, random.IntN(2) == 0) })
				}
				if err == nil {
					answered++
				} else if known := (*model.Error)(nil); !errors.Is(err, undone) && (!errors.As(err, &known) || known.Kind != model.Unavailable) {
					t.Fatal(err)
				}
			}
			f.Set(0)
			for _, p := range all {
				r.logs(p)
			}
			if answered < 500 {
				t.Errorf("only %d changes succeeded", answered)
			}
		})
	}
}

// The memory takes no more than it may, and forgets who was not there for longest.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 6000, 30000} {
		r := newRemembering(t, most)
		var all []*people
		for range 20 {
			all = append(all, r.people(true))
		}
		for range 2 {
			for _, p := range all {
				r.logs(p)
				r.logs(p)
				if _, bytes := store.Remembered(r.mine); bytes > most || bytes < 0 {
					t.Fatalf("%d bytes are remembered, of %d", bytes, most)
				}
			}
		}
		n, _ := store.Remembered(r.mine)
		if min := map[int]int{1: 0, 6000: 1, 30000: 5}[most]; n < min || n > most/500 {
			t.Errorf("%d bytes remember %d users", most, n)
		}
	}
	r := newRemembering(t, 0)
	r.logs(r.people(true))
	if s, err := store.Open(t.Context(), r.url, r.key, store.WithMemory(-1)); err == nil {
		s.Close()
		t.Error("a memory of less than nothing was accepted")
	}
}

// Nothing that logins do not change by themselves changes what they read: triggers change counts alone, and a row of theirs is only deleted
// or changed with a row of another table if that is one that they read too.
func TestMemoryKnowsEachTable(t *testing.T) {
	t.Parallel()
	r := newRemembering(t, 0)
	db, err := sql.Open("sqlite3", "file:"+r.url+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	watched := map[string]bool{}
	store.LoginReads(func(table, _ string) { watched[table] = true })
	var triggers string
	if err := db.QueryRow("SELECT group_concat(sql, char(10)) FROM sqlite_master WHERE type IN ('trigger', 'view')").Scan(&triggers); err != nil {
		t.Fatal(err)
	}
	changes := regexp.MustCompile(`(?:CREATE VIEW|(?:INSERT INTO|UPDATE|DELETE FROM|REPLACE INTO)) ([a-z_]+)`).FindAllStringSubmatch(triggers, -1)
	if len(changes) == 0 {
		t.Errorf("there are no changes in %s", triggers)
	}
	for _, c := range changes {
		if watched[c[1]] || !strings.HasSuffix(c[1], "_counts") {
			t.Errorf("a trigger has %q", c[0])
		}
	}
	for table := range watched {
		rows, err := db.Query(`SELECT "table", on_delete, on_update FROM pragma_foreign_key_list(?)`, table)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var to, onDelete, onUpdate string
			if err := rows.Scan(&to, &onDelete, &onUpdate); err != nil {
				t.Fatal(err)
			}
			if !watched[to] && (onDelete != "NO ACTION" || onUpdate != "NO ACTION") {
				t.Errorf("rows of %s change with rows of %s, which logins do not read", table, to)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
