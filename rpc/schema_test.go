package rpc_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// A database of each released schema (testdata/schema, an SQLite dump of which each table has rows where it could)
// migrates, keeps its rows, and works: its secrets open, its record verifies. Its key is the SHA-256 of a phrase.
func TestReleasedSchemas(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/schema/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas", err)
	}
	for _, file := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".sql"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old := storetest.SQLite(t)
			storetest.Exec(t, old, string(text))
			rows := storetest.Rows(t, old)
			pg := storetest.Postgres(t)
			storetest.CopySchema(t, old, pg, "../store/migrations", number)
			for name, url := range map[string]string{"sqlite": old, "postgres": pg} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					migrates(t, url, number, rows)
				})
			}
		})
	}
}

func migrates(t *testing.T, url string, number int, rows []string) {
	s := &service{url: url, clock: &clock{}, log: &logBuffer{}, keyFile: filepath.Join(t.TempDir(), "key")}
	key := sha256.Sum256([]byte("tokensmith test: schema " + strconv.Itoa(number)))
	if err := os.WriteFile(s.keyFile, fmt.Appendf(nil, "tokensmith-key-1 %x\n", key), 0o600); err != nil {
		t.Fatal(err)
	}
	if have, newest, err := store.Schema(t.Context(), url); err != nil || have != number || newest <= number {
		t.Fatal(have, newest, err)
	}
	// What every row had, it still has, but for what version 11 has otherwise; columns may have been added to it.
	st, err := store.Open(t.Context(), url, s.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	after := storetest.Rows(t, url)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if strings.Contains(row, "name=schema\t") {
			continue
		}
		fields := slices.DeleteFunc(strings.Split(strings.TrimSuffix(row, "\t"), "\t"), func(field string) bool {
			name, _, _ := strings.Cut(field, "=")
			return slices.Contains([]string{"seed_index", "seed_group", "previous", "spent", "counter"}, name)
		})
		if !slices.ContainsFunc(after, func(now string) bool {
			return !slices.ContainsFunc(fields, func(f string) bool {
				return !strings.Contains("\t"+now+"\t", "\t"+f+"\t") && !strings.HasPrefix(now, f+"\t")
			})
		}) {
			t.Errorf("lost: %.300q", row)
		}
	}
	s.clock.at.Store(1_900_000_000_000)
	s.open(t, 1)
	if number >= 7 { // what somebody failed with before counts: seven times of ten
		for i := range 4 {
			reply := string(s.Call(t.Context(), "auth/verify", []byte(`{"user":{"loginName":"john.smith"},"credential":{"otp":"000000"}}`)))
			if want := []string{`{"error":201,`, `{"error":201,`, `{"error":201,`, `{"error":202,`}[i]; !strings.HasPrefix(reply, want) {
				t.Errorf("failure %d: %s", 8+i, reply)
			}
		}
		s.Call(t.Context(), "user/unlock", []byte(`{"user":{"loginName":"john.smith"}}`))
	}
	for method, params := range map[string]string{"audit/verify": `{}`, "token/get": `{"token":{"serial":"20000000"}}`,
		"auth/verify": `{"user":{"loginName":"john.smith"},"token":{"serial":"10000000"},"credential":{"otp":"1234287082"}}`} {
		if reply := string(s.Call(t.Context(), method, []byte(params))); !strings.HasPrefix(reply, `{"error":0`) {
			t.Errorf("%s: %s", method, reply)
		}
	}
	if number == 10 {
		seedsOfTen(t, s)
	}
	if _, err := s.store.Check(t.Context(), 100, true); err != nil {
		t.Error(err)
	}
}

// Version 10 told seeds apart of which HMAC makes one key, and kept a used step above a mark that was taken back elsewhere.
func seedsOfTen(t *testing.T, s *service) {
	seed := func(letter string) []byte { return []byte(strings.Repeat(letter, 20)) }
	verify := func(want int, serial string, seed []byte, n uint64) {
		t.Helper()
		reply := string(s.Call(t.Context(), "auth/verify", fmt.Appendf(nil, `{"user":{"loginName":"odd"},"token":{"serial":%q},"credential":{"otp":%q}}`, serial, otp.Generate(seed, n, hotp))))
		if codeIn(reply) != want {
			t.Errorf("OTP %d of %s: %s, not %d", n, serial, reply, want)
		}
	}
	verify(206, "40000002", seed("a"), 3) // used by 40000001, whose seed has no zero behind it
	verify(0, "40000002", seed("a"), 4)
	verify(206, "40000001", seed("a"), 4)
	long := []byte(strings.Repeat("1234567", 10))
	verify(206, "40000007", long, 2) // used by 40000006, of whose seed it is the hash
	verify(0, "40000007", long, 3)
	verify(206, "40000006", long, 3)
	for _, deleted := range []struct {
		serial string
		seed   []byte
	}{{"40000003", append(seed("b"), 0)}, {"40000004", seed("c")}} { // of both a mark is left
		reply := string(s.Call(t.Context(), "token/create", fmt.Appendf(nil, `{"attrs":{"product.manufacturerCode":"DN","product.productCode":"SE","serial":%q,"seed":"%x","user.loginName":"odd"}}`, deleted.serial, deleted.seed)))
		if codeIn(reply) != 0 {
			t.Error(reply)
		}
		verify(206, deleted.serial, deleted.seed, 5)
		verify(0, deleted.serial, deleted.seed, 6)
	}
	err := s.store.View(t.Context(), func(tx store.ReadTx) error {
		ids, err := tx.Find(&store.Query{Table: "tokens", Columns: []store.Column{{Name: "id"}}, Limit: 1,
			Where: []store.Cond{{Column: "serial", Op: store.Eq, Value: "40000005"}}})
		if err != nil {
			return err
		}
		var st model.TokenState
		err = tx.Load(&st, fmt.Sprint(ids[0][0]))
		if spent := st.OTP(slow); spent.Spent != otp.StepsOf(29933242, 29933243) || spent.Known != spent.Next || spent.Next != 29933222 {
			t.Errorf("of a mark that was taken back: %+v", spent)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
