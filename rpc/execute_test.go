package rpc_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/rpc/dispatch"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// TestIdempotencyKeyRace: many callers send one call with one key at the same time, to two processes or, with PostgreSQL, three.
// It is carried out once, and all get the same reply.
func TestIdempotencyKeyRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		many := s.together(t)
		for round := range 5 {
			var mu sync.Mutex
			replies := map[string]int{}
			var all sync.WaitGroup
			for k := range 16 {
				all.Go(func() {
					_, reply := many[k%len(many)].post("/token/create", `{"attrs":{"product.productCode":"SE"}}`, "Idempotency-Key", fmt.Sprint("round", round))
					mu.Lock()
					replies[reply]++
					mu.Unlock()
				})
			}
			all.Wait()
			if len(replies) != 1 {
				t.Fatalf("different answers: %v", replies)
			}
			for reply := range replies {
				if !strings.HasPrefix(reply, `{"error":0,"result":{"id":"`) {
					t.Fatal(reply)
				}
			}
		}
		if total := fmt.Sprint(s.do(t, "token/search", `{"max":0}`).(map[string]any)["total"]); total != "5" {
			t.Errorf("%s tokens", total)
		}
	})
}

// TestIdempotencyKeyScope: the key belongs to the agent, the reply is sealed, a refused credential is stored like a change, and a
// repeat of it does not count again. auth/* has no keys, because an OTP is valid once.
func TestIdempotencyKeyScope(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		w := newWorld(t, s, 1)
		_, mine := s.post("/agent/create", `{"attrs":{"name":"keyed","permissions":"*"}}`, "Idempotency-Key", "k")
		if _, again := s.post("/agent/create", `{"attrs":{"name":"keyed","permissions":"*"}}`, "Idempotency-Key", "k"); again != mine {
			t.Errorf("%s, then %s", mine, again)
		}
		_, secret, _ := strings.Cut(mine, `"clientSecret":"`)
		secret, _, _ = strings.Cut(secret, `"`)
		if len(secret) != 43 || strings.Contains(dump(t, s, url), secret) {
			t.Errorf("the kept answer is not sealed: %s", mine)
		}
		_, other, _ := strings.Cut(mine, `"clientId":"`)
		other, _, _ = strings.Cut(other, `"`)
		another := &service{Server: s.Server, id: other, key: secret}
		if _, reply := another.post("/domain/create", `{"attrs":{"name":"other"}}`, "Idempotency-Key", "k"); !strings.HasPrefix(reply, `{"error":0`) {
			t.Errorf("another agent's key: %s", reply)
		}
		for range 3 {
			_, reply := s.post("/token/syncToken", fmt.Sprintf(`{"user":{"id":"%s"},"token":{"id":"%s"},"credential":"000000,000001"}`, w.User, w.Token), "Idempotency-Key", "sync")
			if !strings.HasPrefix(reply, `{"error":205`) {
				t.Error(reply)
			}
		}
		if n := fmt.Sprint(s.do(t, "user/get", `{"id":"`+w.User+`","return":["failCount"]}`).(map[string]any)["failCount"]); n != "1" {
			t.Errorf("it counted %s times", n)
		}
		verify := fmt.Sprintf(`{"user":{"id":"%s"},"credential":{"otp":"755224"}}`, w.User)
		for _, want := range []string{`{"error":0}`, `{"error":206,"message":"the credential was already used"}`} {
			if _, reply := s.post("/auth/verify", verify, "Idempotency-Key", "v"); reply != want {
				t.Errorf("%s, not %s", reply, want)
			}
		}
	})
}

// TestBatchRace: batches run at the same time as other batches and single calls. An atomic batch takes effect completely or not
// at all, and the record stays intact.
func TestBatchRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		const racers, rounds = 8, 10
		var all sync.WaitGroup
		for n := range racers {
			all.Go(func() {
				for i := range rounds {
					// Every goroutine creates one object of its own and one that all want.
					_, reply := s.post("/batch/execute", fmt.Sprintf(`{"atomic":true,"calls":[
						{"method":"repository/create","params":{"attrs":{"name":"r%d-%d"}}},
						{"method":"repository/create","params":{"attrs":{"name":"all%d"}}}]}`, n, i, i))
					if !strings.HasPrefix(reply, `{"error":0`) && !strings.HasPrefix(reply, `{"error":404`) {
						t.Error(reply)
					}
					if _, reply := s.post("/batch/execute", fmt.Sprintf(`{"calls":[{"method":"repository/create","params":{"attrs":{"name":"all%d"}}},
						{"method":"domain/create","params":{"attrs":{"name":"d%d-%d"}}}]}`, i, n, i)); !strings.Contains(reply, `{"error":13`) || !strings.Contains(reply, `{"error":0,"result":{"id"`) {
						t.Error(reply)
					}
				}
			})
		}
		all.Wait()
		for object, want := range map[string]string{"repository": fmt.Sprint(1 + 2*rounds), "domain": fmt.Sprint(racers * rounds)} {
			if got := fmt.Sprint(s.do(t, object+"/search", `{"max":0}`).(map[string]any)["total"]); got != want {
				t.Errorf("%s of %s, not %s", got, object, want)
			}
		}
		s.do(t, "audit/verify", `{}`)
	})
}

// TestBatchAnswerLimit: the replies of a batch have a size limit. Beyond it, an atomic batch changes nothing; any other batch
// carries out no more calls, and says so for each of them.
func TestBatchAnswerLimit(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) { c.LargeBody = 2000 })
	made := func(name string) string {
		return `{"method":"repository/create","params":{"attrs":{"name":"` + name + `"}}}`
	}
	calls := made("r") + strings.Repeat(`,{"method":"product/search"}`, 2) + "," + made("q")
	repositories := func() string {
		return fmt.Sprint(s.do(t, "repository/search", `{"max":0}`).(map[string]any)["total"])
	}
	if _, reply := s.post("/batch/execute", `{"atomic":true,"calls":[`+calls+`]}`); !strings.HasPrefix(reply, `{"error":6,`) && !strings.HasPrefix(reply, `{"error":404,`) {
		t.Error(reply)
	}
	if got := repositories(); got != "1" {
		t.Errorf("%s repositories", got)
	}
	_, reply := s.post("/batch/execute", `{"calls":[`+calls+`]}`)
	if got := repositories(); got != "2" || strings.Count(reply, `{"error":6,"message":"`) != 1 || !strings.HasPrefix(reply, `{"error":0,"result":[{"error":0,`) {
		t.Errorf("%s repositories: %s", got, reply)
	}
	many := strings.TrimSuffix(strings.Repeat("{},", 10_001), ",")
	if reply := string(s.Call(t.Context(), "batch/execute", []byte(`{"calls":[`+many+`]}`))); !strings.HasPrefix(reply, `{"error":11,`) {
		t.Error(reply)
	}
}

// sluggish is a store whose long transactions take some time for each new row, and are counted.
type sluggish struct {
	store.Store
	each time.Duration
	runs atomic.Int64
}

func (s *sluggish) UpdateLong(ctx context.Context, fn func(store.Tx) error) error {
	s.runs.Add(1)
	return s.Store.UpdateLong(ctx, func(tx store.Tx) error { return fn(sluggishTx{tx, s.each}) })
}

type sluggishTx struct {
	store.Tx
	each time.Duration
}

func (tx sluggishTx) Insert(row any) error {
	time.Sleep(tx.each)
	return tx.Tx.Insert(row)
}

func (tx sluggishTx) Try(fn func(store.Tx) error) error {
	return tx.Tx.Try(func(inner store.Tx) error { return fn(sluggishTx{inner, tx.each}) })
}

// TestAtomicBatchTakesLittleTime: an atomic batch has less than one second if all others wait for it, and is undone completely.
// If they do not, it has five seconds.
func TestAtomicBatchTakesLittleTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url, func(c *dispatch.Config) { c.Store = &sluggish{Store: c.Store, each: 300 * time.Millisecond} })
		var calls []string
		for i := range 5 {
			calls = append(calls, fmt.Sprintf(`{"method":"repository/create","params":{"attrs":{"name":"r%d"}}}`, i))
		}
		_, reply := s.post("/batch/execute", `{"atomic":true,"calls":[`+strings.Join(calls, ",")+`]}`)
		made := fmt.Sprint(s.do(t, "repository/search", `{"max":0}`).(map[string]any)["total"])
		if !store.IsPostgres(url) {
			if codeIn(reply) != 6 || !strings.Contains(reply, "longer than 800ms") || !strings.Contains(reply, `leave out \"atomic\"`) || made != "1" {
				t.Errorf("%s repositories: %s", made, reply)
			}
		} else if codeIn(reply) == 0 != (made == "6") || codeIn(reply) != 0 && !strings.Contains(reply, "longer than 5s") {
			t.Errorf("%s repositories: %s", made, reply)
		}
	})
}

// TestLongCallsAreParts: in a batch that is not atomic, a call of many rows is a transaction of its own, so that nobody waits for
// it and the others together.
func TestLongCallsAreParts(t *testing.T) {
	t.Parallel()
	var counted *sluggish
	s := newService(t, storetest.SQLite(t), func(c *dispatch.Config) {
		counted = &sluggish{Store: c.Store}
		c.Store = counted
	})
	small := func(name string) string {
		return `{"method":"repository/create","params":{"attrs":{"name":"` + name + `"}}}`
	}
	_, reply := s.post("/batch/execute", `{"calls":[`+small("a")+`,`+small("b")+`,
		{"method":"user/import","params":{"attrs":{"csv":"domain,loginName\nnone,u\n"}}},{"method":"user/import","params":{"attrs":{"csv":"domain,loginName\nnone,u\n"}}}]}`)
	if runs := counted.runs.Load(); codeIn(reply) != 0 || runs < 3 {
		t.Errorf("%d transactions: %s", runs, reply)
	}
}

// count returns how many rows a table has.
func count(t *testing.T, s *service, table string) (n int64) {
	t.Helper()
	err := s.store.View(t.Context(), func(tx store.ReadTx) (err error) {
		n, err = tx.Count(&store.Query{Table: table})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDryRunsKeepNoKey: a dry run changes nothing, so its reply is not stored, and its key is free for the real call.
func TestDryRunsKeepNoKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		for _, call := range [][2]string{
			{"user/import", `"csv":"domain,loginName\nd,u\n"`},
			{"token/import", `"product.productCode":"SE","data":"123456,3132333435363738393031323334353637383930\n"`},
			{"token/batchAssignTokens", `"csv":"domain,loginName,manufacturerCode,productCode,serial\nd,u,DN,SE,123456\n"`},
		} {
			for _, body := range []string{`{"attrs":{` + call[1] + `,"dryRun":true}}`, `{"attrs":{` + call[1] + `}}`} {
				if _, reply := s.post("/"+call[0], body, "Idempotency-Key", call[0]); !strings.HasPrefix(reply, `{"error":0`) {
					t.Errorf("%s %s: %s", call[0], body, reply)
				}
			}
		}
		if n := count(t, s, "idempotency_keys"); n != 3 {
			t.Errorf("%d replies are stored, want those of the three real calls", n)
		}
	})
}

// TestAnswersAreDropped: expired stored replies are deleted while calls run.
func TestAnswersAreDropped(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	s.post("/domain/create", `{"attrs":{"name":"d"}}`, "Idempotency-Key", "k")
	kept := func() int64 { return count(t, s, "idempotency_keys") }
	if n := kept(); n != 1 {
		t.Fatalf("%d kept", n)
	}
	s.clock.advance(25 * time.Hour)
	if err := s.DropReplies(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := kept(); n != 0 {
		t.Errorf("%d kept", n)
	}
}

// TestBatchTakesOneTurn: a batch takes one turn for large calls for all of its calls, and only one of them may be large. Its end
// frees the turn.
func TestBatchTakesOneTurn(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	many := func(label string) string {
		return `{"method":"device/createMany","params":{"attrs":{"label":"` + label + `","quantity":3000,"allowUnlicensed":true}}}`
	}
	small := `{"method":"domain/create","params":{"attrs":{"name":"d","description":"` + strings.Repeat("x", 200) + `"}}}`
	_, reply := s.post("/batch/execute", `{"calls":[`+many("a")+`,`+many("b")+strings.Repeat(","+small, 5000)+`]}`)
	if !strings.HasPrefix(reply, `{"error":0,"result":[{"error":0,`) || !strings.Contains(reply, `"only one call of a batch may be as large as this"`) {
		t.Errorf("%.400s", reply)
	}
	for _, label := range []string{"c", "d"} {
		// If the turn were still taken, the call would be Unavailable in the end.
		_, reply := s.post("/batch/execute", `{"calls":[`+many(label)+`]}`)
		if !strings.HasPrefix(reply, `{"error":0,"result":[{"error":0,`) {
			t.Errorf("%.400s", reply)
		}
	}
}

// TestRepeatIsNoWayAround: a repeat is not answered with the stored reply if the caller has fewer rights than before. A secret
// that is returned again is recorded again.
func TestRepeatIsNoWayAround(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "token/create", `{"attrs":{"product.productCode":"GT","serial":"soft"}}`)
		teller := s.agent(t, `"name":"teller","permissions":"batch/execute,token/retrieveCredential"`)
		ask := func() int {
			_, reply := s.post("/batch/execute", `{"calls":[{"method":"/token/retrieveCredential","params":{"token":{"serial":"soft"}}}]}`,
				"Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(teller.id+":"+teller.secret)), "Idempotency-Key", "one")
			if strings.Contains(reply, "otpauth://") != strings.Contains(reply, `"seed"`) {
				t.Fatal(reply)
			}
			if strings.Contains(reply, `"seed"`) {
				return 0
			}
			return codeIn(reply)
		}
		if first, again := ask(), ask(); first != 0 || again != 0 {
			t.Fatal(first, again)
		}
		if n := s.recorded(t, `["method","=","token/retrieveCredential"]`); n != 1 {
			t.Errorf("%d reveals", n)
		}
		id := s.do(t, "token/get", `{"token":{"serial":"soft"},"return":["id"]}`).(map[string]any)["id"].(string)
		if n := s.recorded(t, `["method","=","batch/execute"],["object","=","token `+id+` answered again"]`); n != 1 {
			t.Errorf("%d repeats are recorded of the token", n)
		}
		s.do(t, "agent/set", `{"agent":{"name":"teller"},"attrs":{"permissions":"batch/execute"}}`)
		if code := ask(); code != 17 {
			t.Errorf("without the permission: %d", code)
		}
	})
}

// TestUniqueOnce: of many callers who make one call at the same time, each gets the reply, even if the change must be unique.
func TestUniqueOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newService(t, url)
		both := []*service{one, one.second(t)}
		for round := range 3 {
			var all sync.WaitGroup
			var mu sync.Mutex
			replies := map[string]int{}
			for i := range 30 {
				all.Go(func() {
					_, reply := both[i%2].post("/domain/create", fmt.Sprintf(`{"attrs":{"name":"d%d"}}`, round), "Idempotency-Key", fmt.Sprint("k", round))
					mu.Lock()
					defer mu.Unlock()
					replies[reply]++
				})
			}
			all.Wait()
			if len(replies) != 1 {
				t.Errorf("%v", replies)
			}
		}
	})
}

// TestBatchOfNobody: a batch whose client has disconnected is not carried out.
func TestBatchOfNobody(t *testing.T) {
	t.Parallel()
	s := newService(t, storetest.SQLite(t))
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/batch/execute", strings.NewReader(`{"calls":[{"method":"domain/create","params":{"attrs":{"name":"d"}}}]}`))
	r.SetBasicAuth(s.id, s.key)
	r.ContentLength = -1 // so that the body is read to its end, where the client disconnects
	r.Body = io.NopCloser(io.MultiReader(r.Body, &atEnd{leave}))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if n := s.total(t, "domain", ""); n != 0 {
		t.Errorf("%d domains: %s", n, w.Body)
	}
}

// TestBatchGoesByParts: a batch in parts carries out each of its calls once, in order, even if its caller repeats it, if many
// send it at the same time, or if it was interrupted.
func TestBatchGoesByParts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		const n = 2000
		var calls []string
		for i := range n {
			calls = append(calls, fmt.Sprintf(`{"method":"user/create","params":{"attrs":{"loginName":"u%d","domain.name":"d"}}}`, i))
			if i%50 == 49 { // a later read sees what was created
				calls = append(calls, `{"method":"user/search","params":{"max":0}}`, `{"method":"user/get","params":{"match":[["loginName","=","none"]]}}`)
			}
		}
		batch := `{"calls":[` + strings.Join(calls, ",") + `]}`
		check := func(what, reply string) {
			t.Helper()
			var e struct {
				Result []struct{ Result map[string]any }
			}
			if err := json.Unmarshal([]byte(reply), &e); err != nil || len(e.Result) != len(calls) {
				t.Fatalf("%s: %v, %d answers: %.300s", what, err, len(e.Result), reply)
			}
			for i, made := 0, 0; i < len(calls); i++ {
				switch {
				case strings.Contains(calls[i], "create"):
					made++
					if e.Result[i].Result["id"] == nil {
						t.Fatalf("%s: call %d gives %v", what, i, e.Result[i])
					}
				case strings.Contains(calls[i], "search"):
					if got := fmt.Sprint(e.Result[i].Result["total"]); got != fmt.Sprint(made) {
						t.Fatalf("%s: behind %d users there are %s", what, made, got)
					}
				}
			}
		}
		_, first := s.post("/batch/execute", batch, "Idempotency-Key", "k")
		check("the first", first)
		if _, again := s.post("/batch/execute", batch, "Idempotency-Key", "k"); again != first {
			t.Error("a repeat is answered otherwise")
		}
		// Many at the same time, in two processes; some disconnect.
		all := strings.ReplaceAll(batch, `"loginName":"u`, `"loginName":"v`)
		all = strings.ReplaceAll(all, `{"max":0}`, `{"max":0,"match":[["loginName",">>","v"]]}`)
		var racers sync.WaitGroup
		var mu sync.Mutex
		replies := map[string]int{}
		for i, at := range append(s.together(t), s, s) {
			racers.Go(func() {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				if i == 1 {
					time.AfterFunc(300*time.Millisecond, leave)
				}
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/batch/execute", strings.NewReader(all))
				r.SetBasicAuth(s.id, s.key)
				r.Header.Set("Idempotency-Key", "l")
				w := httptest.NewRecorder()
				at.ServeHTTP(w, r)
				if i != 1 || strings.HasPrefix(w.Body.String(), `{"error":0`) {
					mu.Lock()
					replies[w.Body.String()]++
					mu.Unlock()
				}
			})
		}
		racers.Wait()
		if len(replies) != 1 {
			t.Errorf("%d answers", len(replies))
		}
		for reply := range replies {
			check("many at once", reply)
		}
		if got := s.total(t, "user", `["loginName",">>","v"]`); got != n {
			t.Errorf("%d users", got)
		}
		if got := s.recorded(t, `["method","=","user/create"]`); got != 2*n {
			t.Errorf("%d rows of the record", got)
		}
		s.do(t, "audit/verify", `{}`)
	})
}
