package rpc_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"layeh.com/radius"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// furnish adds rows to every table.
func furnish(t *testing.T, s *service) world {
	t.Helper()
	w := newWorld(t, s, 1)
	w2 := newWorld(t, s, 2)
	license := s.do(t, "license/create", `{"attrs":{"name":"l","seats":5}}`).(map[string]any)["id"].(string)
	s.do(t, "deviceGroup/create", `{"attrs":{"name":"child"}}`)
	s.do(t, "deviceGroup/create", `{"attrs":{"name":"root"}}`)
	s.do(t, "deviceGroup/set", `{"deviceGroup":{"name":"child"},"attrs":{"parent.name":"root"}}`)
	s.do(t, "device/create", `{"attrs":{"name":"dev","license.id":"`+license+`","user.id":"`+w.User+`","groups":["child","root"]}}`)
	s.do(t, "repository/create", `{"attrs":{"name":"child"}}`)
	s.do(t, "repository/create", `{"attrs":{"name":"root"}}`)
	s.do(t, "repository/set", `{"repository":{"name":"child"},"attrs":{"parent.name":"root"}}`)
	s.do(t, "group/create", `{"attrs":{"name":"inner","parents":["staff1"]}}`)
	s.do(t, "realm/set", `{"id":"`+w.Realm+`","attrs":{"domains":[{"id":"`+w.Domain+`"}]}}`)
	s.do(t, "application/set", `{"id":"`+w.Application+`","attrs":{"realm.id":"`+w.Realm+`","logonProcedures":[{"id":"`+w.Procedure+`"}]}}`)
	s.do(t, "unit/create", `{"attrs":{"name":"below","parent.id":"`+w.Unit+`"}}`)
	s.do(t, "user/set", `{"id":"`+w.User+`","attrs":{"unit.name":"below","password":"correct horse","firstName":"Jörg","description":"<\u2028>"}}`)
	s.do(t, "tokenAssignment/set", `{"id":"`+w.Assignment+`","attrs":{"pin":"1234"}}`)
	s.do(t, "agent/set", `{"id":"`+w.Agent+`","attrs":{"certificates":"`+strings.Repeat("0a", 32)+`"}}`)
	s.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"gone","seed":"%x"}}`, seedOf("gone")))
	s.do(t, "token/syncToken", fmt.Sprintf(`{"token":{"serial":"gone"},"credential":"%s"}`, pairOf("gone")))
	s.do(t, "token/delete", `{"token":{"serial":"gone"}}`)
	s.do(t, "token/getDownloadUrl", `{"id":"`+w.Soft+`"}`)
	s.do(t, "tokenAssignment/sendActivationCode", `{"id":"`+w.Sleeping+`","channel":"SMTP"}`)
	s.do(t, "auth/sendOTP", `{"user":{"id":"`+w2.User+`"}}`)
	s.post("/auth/verify", `{"user":{"loginName":"stranger"},"credential":{"otp":"000000"},"remoteIp":"192.0.2.9"}`)
	s.post("/domain/create", `{"attrs":{"name":"kept"}}`, "Idempotency-Key", "kept")
	newNAS(t, s, "198.51.100.77", "application1", "").tries(radius.CodeAccessReject, "stranger", "000000")
	s.do(t, "installationCode/create", `{"attrs":{"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"kiosk","domain.id":"`+w.Domain+`","code":"Furnished-1","groups":["root"]}}`)
	s.do(t, "installationCode/redeem", `{"code":"furnished1","nonce":"a nonce of the first device","device":{"name":"kiosk"}}`)
	s.do(t, "user/set", `{"id":"`+w.Loner+`","attrs":{"password":"correct horse battery","permissions":"token/search"}}`)
	if status, reply := s.post("/console/signIn", `{"loginName":"loner1","password":"correct horse battery"}`, "Sec-Fetch-Site", "same-origin"); !strings.HasPrefix(reply, `{"error":0`) {
		t.Fatal(status, reply)
	}
	return w
}

// pairOf returns the first two OTPs of an event-based token with the seed seedOf.
func pairOf(serial string) string {
	return otp.Generate(seedOf(serial), 0, hotp) + "," + otp.Generate(seedOf(serial), 1, hotp)
}

func sendsMail(c *dispatch.Config) {
	c.Senders = map[string]sender.Sender{model.SMTP: make(letterbox, 100)}
}

// A database that is dumped, loaded into the other kind of database and dumped again gives the same bytes. It works there with
// its key file.
func TestDumpRoundTrip(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), sendsMail)
	w := furnish(t, s)
	dumped := func(st store.Store) []byte {
		t.Helper()
		var b bytes.Buffer
		if _, err := st.Dump(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	load := func(url, keyFile string, dump []byte) (store.Store, error) {
		st, err := store.Open(t.Context(), url, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		_, err = st.Load(t.Context(), bytes.NewReader(dump))
		return st, err
	}
	if err := s.store.KeepCounts(t.Context(), s.clock.now()); err != nil {
		t.Fatal(err)
	}
	first := dumped(s.store)
	for _, table := range storetest.Tables(t, s.url) {
		derived := strings.HasSuffix(table, "_counts") // from the rows of other tables
		if !derived && !bytes.Contains(first, []byte(`{"table":"`+table+`",`)) {
			t.Errorf("the dump has no row of %s", table)
		}
	}
	if bytes.Contains(first, []byte(worldSeed)) || bytes.Contains(first, []byte("correct horse")) || bytes.Contains(first, []byte(radiusSecret)) {
		t.Error("a secret shows in the dump")
	}
	pg := storetest.Postgres(t)
	middle, err := load(pg, s.keyFile, first)
	if err != nil {
		t.Fatal(err)
	}
	if second := dumped(middle); !bytes.Equal(first, second) {
		t.Errorf("SQLite to PostgreSQL: %s", firstDifference(first, second))
	}
	back := storetest.SQLite(t)
	last, err := load(back, s.keyFile, dumped(middle))
	if err != nil {
		t.Fatal(err)
	}
	if third := dumped(last); !bytes.Equal(first, third) {
		t.Errorf("and back: %s", firstDifference(first, third))
	}
	for _, url := range []string{pg, back} {
		there := &service{url: url, clock: s.clock, log: s.log, keyFile: s.keyFile, id: s.id, key: s.key}
		there.open(t, 9)
		there.do(t, "auth/verify", fmt.Sprintf(`{"user":{"id":"%s"},"token":{"id":"%s"},"credential":{"otp":"755224"}}`, w.User, w.Token))
		there.do(t, "audit/verify", `{}`)
	}
	// A dump that does not fit is refused before anything is changed.
	cut := bytes.LastIndexByte(first[:len(first)-1], '\n') + 1
	for name, bad := range map[string][]byte{"cut short": first[:cut], "changed": bytes.Replace(first, []byte("J\u00f6rg"), []byte("Jurg"), 1),
		"more behind": append(bytes.Clone(first), "{}\n"...), "no dump": []byte("{}\n"), "nothing": nil,
		"another schema": bytes.Replace(first, []byte(`"schema":`), []byte(`"schema":1`), 1)} {
		url, keyFile := storetest.SQLite(t), filepath.Join(t.TempDir(), "key")
		copyKey(t, s.keyFile, keyFile)
		st, err := load(url, keyFile, bad)
		if err == nil {
			t.Errorf("%s: loaded", name)
		}
		if _, err := st.Load(t.Context(), bytes.NewReader(first)); err != nil {
			t.Errorf("%s: the database is not new any more: %v", name, err)
		}
	}
	if _, err := load(storetest.SQLite(t), filepath.Join(t.TempDir(), "key"), first); err == nil || !strings.Contains(err.Error(), "does not match this dump") {
		t.Errorf("another key file: %v", err)
	}
	if _, err := last.Load(t.Context(), bytes.NewReader(first)); err == nil || !strings.Contains(err.Error(), "not new") {
		t.Errorf("a database in use: %v", err)
	}
}

// A database whose load was interrupted is not accepted as complete.
func TestLoadInterrupted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, storetest.SQLite(t))
		newWorld(t, s, 1)
		var b bytes.Buffer
		if _, err := s.store.Dump(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		st, err := store.Open(t.Context(), url, s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		if _, err := st.Load(ctx, &stopping{bytes.NewReader(b.Bytes()), stop, 0}); err == nil {
			t.Fatal("loaded")
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		if st, err := store.Open(t.Context(), url, s.keyFile); err == nil || !strings.Contains(err.Error(), "was interrupted") {
			st.Close()
			t.Errorf("it opens: %v", err)
		}
	})
}

// stopping is a reader that cancels a context in the middle of the second pass over its data.
type stopping struct {
	*bytes.Reader
	stop context.CancelFunc
	seen int64
}

func (s *stopping) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 1000)])
	if s.seen += int64(n); s.seen > s.Size()+s.Size()/2 {
		s.stop()
	}
	return n, err
}

func copyKey(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func firstDifference(a, b []byte) string {
	as, bs := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("line %d: %.300s\nand %.300s", i+1, as[i], bs[i])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(as), len(bs))
}

// The key is rotated while two servers work. Afterwards nothing needs the old key. It is retired while the servers run, and the
// audit record, which was signed with both keys, still verifies.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, sendsMail)
		w := furnish(t, s)
		other := s.second(t)
		before, err := os.ReadFile(s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var made atomic.Int64
		var work sync.WaitGroup
		for k, on := range []*service{s, other} {
			work.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					owner := ""
					if n < 100 { // a user may have only a limited number
						owner = fmt.Sprintf(`,"user.id":"%s","pin":"4321"`, w.Loner)
					}
					_, reply := on.post("/token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"SE","serial":"k%d-%d","seed":"%x"%s}}`, k, n, seedOf(fmt.Sprint(k, "-", n)), owner))
					if !strings.HasPrefix(reply, `{"error":0`) {
						t.Error(reply)
						return
					}
					id := strings.TrimSuffix(strings.TrimPrefix(reply, `{"error":0,"result":{"id":"`), `"}}`)
					if _, reply := on.post("/token/syncToken", `{"id":"`+id+`","credential":"`+pairOf(fmt.Sprint(k, "-", n))+`"}`); reply != `{"error":0}` {
						t.Error(reply)
						return
					}
					made.Add(1)
				}
			})
		}
		began := time.Now()
		rotated, err := s.store.Rotate(t.Context(), began)
		close(stop)
		work.Wait()
		if err != nil || rotated.Values < 10 || made.Load() == 0 {
			t.Fatalf("%+v, %d made, %v", rotated, made.Load(), err)
		}
		// A call from before the rotation may still be running.
		if n, err := s.store.RetireKeys(t.Context(), began.Add(59*time.Minute), false); n != 0 || err == nil || !strings.Contains(err.Error(), "less than 1h0m0s ago") {
			t.Errorf("%d retired at once: %v", n, err)
		}
		if n, err := s.store.RetireKeys(t.Context(), began.Add(61*time.Minute), false); n != 1 || err != nil {
			t.Fatalf("%d retired: %v", n, err)
		}
		after, err := os.ReadFile(s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		secret := strings.Fields(string(before))[1]
		if strings.Contains(string(after), secret) {
			t.Error("the old key is still there")
		}
		if info, err := os.Stat(s.keyFile); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info.Mode(), err)
		}
		if n, err := s.store.RetireKeys(t.Context(), began.Add(61*time.Minute), false); n != 0 || err != nil {
			t.Errorf("%d retired again: %v", n, err)
		}
		third := &service{url: url, clock: s.clock, log: s.log, keyFile: s.keyFile, id: s.id, key: s.key}
		third.open(t, 7)
		for _, on := range []*service{s, other, third} {
			c, err := on.store.Check(t.Context(), 10, true)
			if err != nil || c.Sealed < int(made.Load()) || c.Audit < made.Load() {
				t.Errorf("%+v, %v", c, err)
			}
		}
		// The code is found by its new hash.
		other.do(t, "installationCode/redeem", `{"code":"FURNISHED-I","nonce":"a nonce of the second device","device":{"name":"kiosk"}}`)
		other.do(t, "auth/verify", fmt.Sprintf(`{"user":{"id":"%s"},"token":{"id":"%s"},"credential":{"otp":"755224"}}`, w.User, w.Token))
		// The old key file now contains another key.
		old := filepath.Join(t.TempDir(), "old")
		if err := os.WriteFile(old, before, 0o600); err != nil {
			t.Fatal(err)
		}
		if st, err := store.Open(t.Context(), url, old); err == nil {
			st.Close()
			t.Error("the old key file still opens it")
		}
	})
}

// A backup that is taken under full write load contains every change that was acknowledged before it began. No change is partial,
// and its audit record verifies.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	dir := t.TempDir()
	stop := make(chan struct{})
	var mu sync.Mutex
	var acknowledged []string
	var work sync.WaitGroup
	for n := range 8 {
		work.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				serial := fmt.Sprintf("s%d-%d", n, i)
				if _, reply := s.post("/token/create", `{"attrs":{"product.productCode":"SE","serial":"`+serial+`"}}`); !strings.HasPrefix(reply, `{"error":0`) {
					t.Error(reply)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, serial)
				mu.Unlock()
			}
		})
	}
	taken := map[string]int{}
	for k := 0; k < 5; k++ {
		for {
			mu.Lock()
			n := len(acknowledged)
			mu.Unlock()
			if n > k*200 {
				taken[filepath.Join(dir, fmt.Sprint("backup", k))] = n
				break
			}
		}
		file := filepath.Join(dir, fmt.Sprint("backup", k))
		if _, err := s.store.Backup(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	work.Wait()
	for file, n := range taken {
		restored := filepath.Join(dir, filepath.Base(file)+".db")
		if _, err := store.Restore(t.Context(), file, restored, s.keyFile); err != nil {
			t.Fatal(err)
		}
		there := &service{url: restored, clock: s.clock, log: s.log, keyFile: s.keyFile, id: s.id, key: s.key}
		there.open(t, 5)
		there.do(t, "audit/verify", `{}`)
		have := map[string]bool{}
		for _, row := range there.do(t, "token/search", `{"return":["serial"]}`).(map[string]any)["rows"].([]any) {
			have[row.(map[string]any)["serial"].(string)] = true
		}
		for _, serial := range acknowledged[:n] {
			if !have[serial] {
				t.Errorf("%s: %s was acknowledged and is missing", filepath.Base(file), serial)
			}
		}
		if _, err := s.store.Backup(t.Context(), file); err == nil {
			t.Error("a backup was overwritten")
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*.part-*")); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

// The check finds a page, an audit row and a sealed value that were changed outside the server.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]string{
		"sealed value": "UPDATE tokens SET seed = X'00' || substr(seed, 2)", "hash of a seed": "UPDATE tokens SET seed_index = X'00'",
		"record":    "UPDATE audit SET agent = 'x' WHERE sequence = 3",
		"reference": "PRAGMA foreign_keys = OFF; DELETE FROM domains", "index": "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'tokens_status'"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, storetest.SQLite(t))
			newWorld(t, s, 1)
			if c, err := s.store.Check(t.Context(), 10, false); err != nil || c.Sealed == 0 || c.Audit == 0 {
				t.Fatalf("%+v, %v", c, err)
			}
			storetest.Exec(t, s.url, spoil)
			if _, err := store.CheckFile(t.Context(), s.url, s.keyFile); err == nil {
				t.Error("nothing found")
			}
		})
	}
}
